"""Who is calling: the address behind the proxies that are trusted, and no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from engine.http.call import Address

Network = IPv4Network | IPv6Network
Headers = Mapping[str, tuple[str, ...]]


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read addresses and networks. Raises ValueError with the text that is none."""
    return tuple(_network(text) for text in texts)


def _network(text: str) -> Network:
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is not an address or a network such as 10.0.0.0/8") from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return IPv4Network((mapped, network.prefixlen - 96))
    return network


def inside(address: Address | None, allowed: Sequence[Network]) -> bool:
    """Whether *address* lies in one of the networks."""
    return address is not None and any(address in network for network in allowed)


@lru_cache(4096)
def address_of(text: str) -> Address | None:
    """Read an address as proxies write it: with a port, in brackets, IPv4 inside IPv6; None for anything else."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text, end, after = text[1:].partition("]")
        if not end or (after and not _port(after)):
            return None
    elif text.count(":") == 1 and "." in text:
        text, _, port = text.partition(":")
        if not _port(f":{port}"):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isascii() and text[1:].isdigit() and len(text) < 7


def caller_address(peer: str, headers: Headers, trusted: Sequence[Network]) -> Address | None:
    """Return who called: the rightmost address that no trusted proxy is known by.

    Each proxy appends whom it heard from, so only the right end was written by proxies we trust; what stands left of
    the first untrusted address may be anybody's invention. None where that place names no address, and where
    ``Forwarded`` and ``X-Forwarded-For`` disagree: one of them passed a proxy untouched and may be forged, so the call
    comes from nowhere, which is in no list.
    """
    address = address_of(peer)
    if not inside(address, trusted):
        return address
    chains = [list(chain) for chain in (_forwarded(headers), _x_forwarded_for(headers)) if chain is not None]
    if not chains:
        return address
    found = {_rightmost(chain, trusted) for chain in chains}
    return found.pop() if len(found) == 1 else None


def _rightmost(chain: list[str], trusted: Sequence[Network]) -> Address | None:
    address: Address | None = None
    for text in reversed(chain):
        address = address_of(text)
        if not inside(address, trusted):
            break
    return address


def _x_forwarded_for(headers: Headers) -> list[str] | None:
    lines = headers.get("x-forwarded-for")
    return [part for line in lines for part in line.split(",")] if lines else None


def _forwarded(headers: Headers) -> Iterator[str] | None:
    lines = headers.get("forwarded")
    return (_for(element) for line in lines for element in _elements(line, ",")) if lines else None


def _for(element: str) -> str:
    for pair in _elements(element, ";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return value.strip()
    return ""


def _elements(text: str, separator: str) -> Iterator[str]:
    """Split at *separator* outside quotes."""
    start, quoted = 0, False
    for index, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def neighbourhood(address: Address | None) -> str:
    """Return what limits count by: an IPv4 address, or the /64 of an IPv6 one, which is one customer's."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address)
