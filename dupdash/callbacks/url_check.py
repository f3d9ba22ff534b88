"""Checks that the URL of a callback is allowed: http or https, an allowed host, and not in a private network."""

import ipaddress
import socket
from urllib.parse import urlsplit

import requests
from django.conf import settings
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from dupdash.callbacks.models import ADDRESS_LONGEST
from dupdash.moodle.connections import Connection, SecureConnection, new_session

SECONDS_TO_CONNECT = 5.0


class InvalidUrl(ValueError):
    """Callbacks must not use the URL. The message says why and what to do."""


class PrivateAddress(OSError):
    """The name of an allowed host resolves to a network address of a private network."""


def check_callback_url(url: str) -> None:
    """Raise InvalidUrl unless callbacks may use this URL. Does not resolve the name of the host."""
    if len(url) > ADDRESS_LONGEST:
        raise InvalidUrl(f"The URL is longer than {ADDRESS_LONGEST} characters.")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidUrl("The URL contains characters that are not allowed. Encode them, for example a space as %20.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidUrl("This is not a URL. Give one like https://example.edu/done.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InvalidUrl("The URL must begin with https:// or http:// and name a host.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidUrl("The URL must have no user name, no password and no part after #.")
    if not is_allowed(parts.hostname):
        raise InvalidUrl(
            f"The host {parts.hostname} is not allowed. Ask the operator of dupdash to add it to WEBHOOK_ALLOWED_HOSTS."
        )


def is_allowed(host: str) -> bool:
    """Return whether WEBHOOK_ALLOWED_HOSTS allows the host. ``.example.edu`` in it allows all hosts of that domain."""
    host = host.lower().rstrip(".")
    return any(
        host == entry or (entry.startswith(".") and host.endswith(entry))
        for entry in map(str.lower, settings.WEBHOOK_ALLOWED_HOSTS)
    )


def _connect(connection: HTTPConnection) -> socket.socket:
    """Resolve the host once, check its network addresses, and connect to the first allowed one that answers.

    A second DNS answer could name a private network. Raises NewConnectionError if no connection was made.
    """
    last: OSError | None = None
    for family, kind, protocol, _, target in socket.getaddrinfo(
        connection.host, connection.port, 0, socket.SOCK_STREAM
    ):
        if not (settings.WEBHOOK_ALLOW_PRIVATE or ipaddress.ip_address(target[0]).is_global):
            last = PrivateAddress(f"{connection.host} resolves to an address of a private network, {target[0]}")
            continue
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(SECONDS_TO_CONNECT)
        try:
            sock.connect(target)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise NewConnectionError(connection, str(last)) from last


class _CheckedConnection(Connection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _CheckedSecureConnection(_CheckedConnection, SecureConnection):
    pass


class _CheckedPool(HTTPConnectionPool):
    ConnectionCls = _CheckedConnection


class _CheckedSecurePool(HTTPSConnectionPool):
    ConnectionCls = _CheckedSecureConnection


def checked_session() -> requests.Session:
    """Return a session that uses no proxy of the environment.

    It connects to private network addresses only if WEBHOOK_ALLOW_PRIVATE is true.
    Its read timeout limits the whole answer, so that a host that sends single bytes cannot block a worker.
    """
    session = new_session({"http": _CheckedPool, "https": _CheckedSecurePool})
    session.trust_env = False
    return session
