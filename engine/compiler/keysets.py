"""Where the key set of ``jwt.jwks`` is: a file of the project, or an address that the server fetches it from."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


def is_address(name: Any) -> bool:
    """Tell whether it is an address, not the name of a file."""
    return isinstance(name, str) and "://" in name


def wrong_address(token: Mapping[str, Any]) -> tuple[str, str] | None:
    """Say what is wrong with a ``jwt`` whose ``jwks`` is an address, and what to do; None: nothing. Nobody is asked."""
    url = token["jwks"]
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return f"'{url}' is not an address", "write it like https://idp.example/keys.json"
    if not host or parts.fragment or any(ord(sign) <= 32 or ord(sign) == 127 for sign in url):
        return f"'{url}' is not an address of a key set", "write it like https://idp.example/keys.json"
    if parts.username is not None or parts.password is not None:
        return "the address of a key set has a user name in it", "key sets are public: remove it"
    if parts.scheme != "https" and not (parts.scheme == "http" and _here(host)):
        fact = f"whoever is between here and {host} could put in keys of their own"
        return fact, "write https://; http:// is for this machine only"
    if any(name.startswith("HS") for name in token.get("algorithms", ())):
        return (
            "HS algorithms share a secret, and a key set at an address is public",
            "write RS256, ES256, PS256 or EdDSA",
        )
    return None


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
