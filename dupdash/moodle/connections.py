"""Makes HTTP connections that tell whether a request was sent, and limit the time of the whole answer.

These connections differ from those of requests and urllib3 in two ways:

- A failure before the connection is established (in the proxy's tunnel or the TLS handshake, too) raises
  ``NewConnectionError``: nothing was sent. urllib3 raises the same error for a failed handshake and for a lost answer.
- The read timeout counts for the whole answer. In requests it counts for each packet, so a server that sends one byte
  at a time can block its reader for ever.
"""

import http.client
import io
import socket
import ssl
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.poolmanager import PoolManager, ProxyManager
from urllib3.util.ssl_match_hostname import CertificateError

CERTIFICATE_ERRORS = (ssl.SSLCertVerificationError, CertificateError)


class _DeadlineReader(io.RawIOBase):
    """Reads an answer from a socket. Raises TimeoutError at the deadline for the whole answer."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        timeout = sock.gettimeout()  # urllib3 has just set the read timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_DeadlineReader(self.fp.detach(), sock))


# These already say that nothing was sent.
_NOTHING_SENT = (NewConnectionError, ConnectTimeoutError, *CERTIFICATE_ERRORS)
_FAILURES = (OSError, HTTPError, http.client.HTTPException, ValueError)


class Connection(HTTPConnection):
    response_class = _DeadlineResponse

    def connect(self) -> None:
        try:
            super().connect()
        except _NOTHING_SENT:
            raise
        except _FAILURES as error:
            raise NewConnectionError(self, "no connection could be made") from error


class SecureConnection(Connection, HTTPSConnection):
    """A ``Connection`` with TLS. A failed handshake raises NewConnectionError, too, or a certificate error."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = SecureConnection


Pools = dict[str, type]
"""The connection pools of an adapter, by the scheme of the URL."""
_POOLS: Pools = {"http": _Pool, "https": _SecurePool}

# A duplication sends nothing for minutes or an hour, and firewalls drop silent connections sooner. With TCP keep-alive
# the connection stays open, and a dead peer is noticed within minutes.
_KEEP_ALIVE = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, option), value)
        for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 6))
        if hasattr(socket, option)
    ),
]


class Adapter(HTTPAdapter):
    """The adapter of requests, with the connections above and without retries."""

    def __init__(self, pools: Pools = _POOLS) -> None:
        self._pools = pools
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, socket_options=_KEEP_ALIVE, **kwargs)
        self._use_our_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        self._use_our_pools(manager)
        return manager

    def _use_our_pools(self, manager: PoolManager) -> None:
        if type(manager) in (PoolManager, ProxyManager):  # a SOCKS proxy has its own pools
            manager.pool_classes_by_scheme = self._pools


def new_session(pools: Pools = _POOLS) -> requests.Session:
    """Return a session with its own connection pools. ``pools``: the class of the pool for each scheme."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter(pools))
    return session
