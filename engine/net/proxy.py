"""Which proxy a request goes through: the connection's own, the environment's, or none."""

from __future__ import annotations

import ipaddress
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit


def environment() -> Mapping[str, str]:
    """Read the environment's proxies, by scheme; ``no`` is NO_PROXY."""
    found = urllib.request.getproxies_environment()
    return {name: text if name == "no" or "://" in text else f"http://{text}" for name, text in found.items()}


def choose(url: str, option: str | None, found: Mapping[str, str]) -> str | None:
    """Return the proxy's address for *url*; *option* is the connection's ``proxy``, null for those *found* around it.

    HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (names, suffixes, addresses, networks) in either case; this
    machine itself is never called through a proxy of the environment.
    """
    if option is not None:
        return None if option in ("", "none") else option
    parts = urlsplit(url)
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy or _bypassed(parts.hostname or "", parts.port, found.get("no", "")):
        return None
    return proxy


def _bypassed(host: str, port: int | None, no_proxy: str) -> bool:
    address = _address(host)
    if host == "localhost" or host.endswith(".localhost") or (address is not None and address.is_loopback):
        return True
    names = (host, f"{host}:{port}") if port else (host,)
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        suffix = entry.lstrip("*").lstrip(".")
        if entry == "*" or (suffix and any(name == suffix or name.endswith("." + suffix) for name in names)):
            return True
        if address is not None and "/" in entry and _within(address, entry):
            return True
    return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
