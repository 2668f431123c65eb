"""One call as its judges see it: plain values, the body as the bytes that came."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

Address = IPv4Address | IPv6Address


class Call(NamedTuple):
    """What was asked of us, before anything of it was believed or parsed."""

    method: str
    path: str
    """As it was sent, without the query: nothing is decoded."""
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, tuple[str, ...]]
    """By lower-case name, each value in the order it came."""
    body: bytes
    address: Address | None
    """Where it came from, behind the proxies we trust."""

    def header(self, name: str) -> str | None:
        """Return a header's one value; None where it is absent, or ambiguous because it came more than once."""
        values = self.headers.get(name.lower(), ())
        return values[0] if len(values) == 1 else None

    def parameter(self, name: str) -> str | None:
        """Return a query parameter's one value; None where it is absent or came more than once."""
        values = [value for key, value in self.query if key == name]
        return values[0] if len(values) == 1 else None
