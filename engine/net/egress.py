"""Which addresses a connection may reach: its own host, the public ones, and what ``egress.allow`` names."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from engine.errors import Misconfigured

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Kind = Literal["public", "private", "metadata"]

_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, OpenStack and others
        "169.254.169.253",
        "169.254.170.2",  # AWS containers
        "169.254.170.23",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's host agent
        "192.0.0.192",  # Oracle
        "fd20:ce::254",  # Google
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Egress:
    """``egress:`` of engine.yaml: for hosts that come from data, redirects or DNS changes."""

    private: Literal["deny", "allow"] = "deny"
    allow: tuple[str, ...] = ()
    """Host names, ``*.suffix``, addresses and networks such as ``10.1.0.0/16``."""

    @classmethod
    def of(cls, given: Any) -> Egress:
        """Take a policy, or the settings ``{private, allow}`` it is made from; None means the default."""
        if isinstance(given, Mapping):
            return cls(given.get("private") or "deny", tuple(given.get("allow") or ()))
        return given if isinstance(given, Egress) else cls()

    def lists(self, host: str, address: Address | None) -> bool:
        """Whether ``allow`` names the host or its address."""
        for entry in self.allow:
            entry = entry.lower()
            if entry == host or (entry.startswith("*.") and host.endswith(entry[1:])):
                return True
            if address is not None and _in_network(address, entry):
                return True
        return False


def kind(address: Address) -> Kind:
    """Say what an address is, looking through IPv4 inside IPv6."""
    address = _plain(address)
    if address in _METADATA:
        return "metadata"
    return "public" if address.is_global and not address.is_multicast else "private"


def literal(host: str) -> Address | None:
    """Return the address a host text stands for, None for a name. Raises ValueError for a disguised one."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    try:
        packed = socket.inet_aton(host)
    except (OSError, UnicodeError, ValueError):
        return None
    # decimal, octal, hexadecimal and shortened forms are read differently by different programs
    raise ValueError(f"{host} is an unusual way to write {ipaddress.ip_address(packed)}")


@dataclass(slots=True)
class Guard:
    """The egress rules of one client; it remembers what its own hosts looked like at first."""

    egress: Egress
    own: frozenset[str]
    """Hosts from the definition (base address, proxy), in lower case."""
    name: str = ""
    enabled: bool = True
    _first: dict[str, Kind] = field(default_factory=dict)
    _approved: set[str] = field(default_factory=set)

    def check_url(self, url: str) -> None:
        """Refuse an address whose scheme, user, host or literal IP is not allowed. Raises Misconfigured."""
        if not self.enabled:
            return
        try:
            parts = urlsplit(url)
            host, _ = (parts.hostname or "").rstrip("."), parts.port
            address = literal(host)
        except ValueError as error:
            raise Misconfigured(f"{self.name}: {_shown(url)} is not a usable address: {error}") from None
        if any(ord(char) <= 32 or ord(char) == 127 for char in url):
            raise Misconfigured(f"{self.name}: {_shown(url)} has white space or control characters in it")
        if parts.scheme not in ("http", "https") or not host:
            raise Misconfigured(f"{self.name}: {_shown(url)} is not an http or https address")
        if parts.username is not None or parts.password is not None:
            raise Misconfigured(f"{self.name}: {_shown(url)} has a user name in it; write it under auth.basic")
        if address is not None:
            self.choose(host, [str(address)])

    def approve(self, host: str) -> None:
        """Let a host of its own through that is written as an address. Raises Misconfigured."""
        try:
            address = literal(host)
        except ValueError as error:
            raise Misconfigured(f"{self.name}: {error}") from None
        if address is not None:
            self.choose(host, [str(address)])

    def choose(self, host: str, addresses: list[str]) -> list[str]:
        """Return those of a host's addresses that may be reached. Raises Misconfigured when none may."""
        if not self.enabled:
            return addresses
        host = host.rstrip(".").lower()
        kinds = {text: kind(ipaddress.ip_address(text.partition("%")[0])) for text in addresses}
        if host in self.own and host not in self._first and kinds:
            self._first[host] = "private" if "private" in kinds.values() else "public"
        chosen = [text for text in addresses if self._permits(host, text, kinds[text])]
        if not chosen and addresses:
            raise Misconfigured(self._refusal(host, addresses, kinds))
        self._approved.update(chosen)
        return chosen

    def socket(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """Make the socket of a connection; the last look at the address it will really connect to."""
        family, type_, protocol, _, address = info
        if self.enabled and str(address[0]) not in self._approved:
            raise OSError(f"the address {address[0]} was not approved")
        return socket.socket(family, type_, protocol)

    def _permits(self, host: str, text: str, what: Kind) -> bool:
        if what == "metadata":
            return False
        if what == "public" or self.egress.private == "allow":
            return True
        if host in self.own and self._first.get(host) == "private":
            return True
        return self.egress.lists(host, _plain(ipaddress.ip_address(text.partition("%")[0])))

    def _refusal(self, host: str, addresses: list[str], kinds: dict[str, Kind]) -> str:
        where = host if host == addresses[0] else f"{host} ({addresses[0]})"
        if all(what == "metadata" for what in kinds.values()):
            return f"{self.name}: {where} is a cloud metadata address, which is never called"
        why = "its address changed to one" if host in self.own else "a host from data or a redirect"
        return (
            f"{self.name}: {where} is inside the private network ({why}); "
            f"if that is right, add {host} to egress.allow in engine.yaml"
        )


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, (parts.hostname or "").rstrip("."), port


def _plain(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is None and (address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1)):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address


def _in_network(address: Address, entry: str) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _shown(url: str) -> str:
    """Write an address for people: no query, no user, nothing invisible."""
    text = url.split("?", 1)[0].split("#", 1)[0]
    head, at, rest = text.rpartition("@")
    if at:
        text = head.partition("//")[0] + "//…@" + rest if "//" in head else "…@" + rest
    return "".join(char if char.isprintable() else "?" for char in text)[:200]
