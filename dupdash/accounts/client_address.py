"""Finds the network address of the client of a request, behind TRUSTED_PROXIES proxies."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "unknown"


def client_address(request: HttpRequest) -> str:
    """Return the client's IP address, or UNKNOWN for a Unix socket without a proxy.

    Each proxy appends the address of its own client to X-Forwarded-For. Only the last TRUSTED_PROXIES entries come
    from our proxies; a client may send any entries before them. If the header has fewer entries, our proxies did not
    write it, and the address of the connection is returned.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    trusted = settings.TRUSTED_PROXIES
    given = forwarded[-trusted] if 0 < trusted <= len(forwarded) else ""
    return _valid(given) or _valid(request.META.get("REMOTE_ADDR", "")) or UNKNOWN


def network_of(address: str) -> str:
    """Return the network whose attempts are counted together: an IPv4 address, or the /64 network of an IPv6 address.

    One person often has a whole /64 network. A text that is not an IP address is returned unchanged.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _valid(text: str) -> str:
    try:
        parsed = ipaddress.ip_address(text.strip())
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        # The scope of an address ("%eth0") is removed. An IPv4 address written as IPv6 counts as IPv4.
        return str(parsed.ipv4_mapped or ipaddress.IPv6Address(int(parsed)))
    return str(parsed)
