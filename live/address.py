"""Where requests go: an address, resolved once and then kept, and whether it may be loaded at all."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, quote, urlsplit

IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST = 4000
PATIENCE = 1.0  # seconds to find out where somebody listens
PORTS = {"http": 80, "https": 443}
_OWN = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
OWN = tuple(ipaddress.ip_network(net) for net in _OWN)
_KEPT = "/?%:@!$&'()*+,;=~-._[]"


class BadAddress(ValueError):
    """No address that requests can be sent to; the text says what was expected."""


class Refused(Exception):
    """An address that may not be loaded without its owner's word."""


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart, and the one IP address that its host had when it was asked for."""

    scheme: str
    host: str
    port: int
    target: str
    ip: IP

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def address(url: str, permitted: str | None = None) -> Address:
    """The address of a URL. Raises BadAddress, or Refused unless it is one's own or its host is permitted."""
    parts = _parts(url)
    host = _ascii(parts.hostname or "", url)
    port = parts.port or PORTS[parts.scheme]
    found = resolved(host, port)
    others = [ip for ip in found if not own(ip)]
    if others and (permitted or "").lower() not in (host, (parts.hostname or "").lower()):
        raise Refused(
            f"{host} is {others[0]}, neither loopback nor a private address: to load it takes its owner's"
            f" word; if you have it: --yes-i-may-load {host}"
        )
    return Address(parts.scheme, host, port, _target(parts), _listening(found, port))


def own(ip: IP) -> bool:
    """Whether an address is loopback or of the private ranges (RFC 1918, RFC 4193)."""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    real = mapped or ip
    return real.is_loopback or any(real in net for net in OWN if net.version == real.version)


def _parts(url: str) -> SplitResult:
    wanted = "expected an address such as http://127.0.0.1:8080/ or https://shop.example/"
    if len(url) > LONGEST or not re.fullmatch(r"[^\x00-\x20\x7f]+", url):
        raise BadAddress(f"{wanted}, without blanks and at most {LONGEST:,} characters; got {url[:60]!r}")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise BadAddress(f"{wanted}; got {url[:60]!r}: {error}") from None
    if parts.scheme not in PORTS or not host or port == 0:
        raise BadAddress(f"{wanted}; got {url[:60]!r}")
    if parts.username is not None or parts.password is not None:
        raise BadAddress(
            "expected an address without a name or password in it; send them with -H Authorization"
        )
    return parts


def _ascii(host: str, url: str) -> str:
    try:
        return host if ":" in host else host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise BadAddress(f"no host name: {host[:60]!r} in {url[:60]!r}") from None


def _target(parts: SplitResult) -> str:
    return target((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def target(path: str) -> str:
    """Path and query, as they stand in a request."""
    return quote(path, safe=_KEPT)


def resolved(host: str, port: int | None = None) -> list[IP]:
    """The addresses of a host's name, or the one that it is. Raises BadAddress."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadAddress(f"{host[:60]!r} has no address: {reason}") from None
    texts = dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found)
    return [ipaddress.ip_address(text) for text in texts]


def family(ip: IP) -> socket.AddressFamily:
    """What a socket to it is of."""
    return socket.AF_INET6 if ip.version == 6 else socket.AF_INET


def _listening(found: list[IP], port: int) -> IP:
    """Of several addresses the first where somebody listens: localhost may be ::1 and 127.0.0.1."""
    for ip in found if len(found) > 1 else ():
        with socket.socket(family(ip), socket.SOCK_STREAM) as tried:
            tried.settimeout(PATIENCE)
            if tried.connect_ex((str(ip), port)) == 0:
                return ip
    return found[0]
