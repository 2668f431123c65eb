"""Ids that are the same for the same input."""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid

from engine.errors import RecordError
from engine.expressions.library.base import function, shown

_SPACES = {"dns": uuid.NAMESPACE_DNS, "url": uuid.NAMESPACE_URL, "oid": uuid.NAMESPACE_OID, "x500": uuid.NAMESPACE_X500}


@function("text", "text", optional=1)
def uuid5(name: str, namespace: str = "url") -> str:
    """Make a UUID (version 5) of a text, in a namespace: ``dns``, ``url``, ``oid``, ``x500`` or a UUID."""
    try:
        space = _SPACES.get(namespace) or uuid.UUID(namespace)
    except ValueError:
        raise RecordError("type", f"{shown(namespace)} is not a namespace; use dns, url, oid, x500 or a UUID") from None
    return str(uuid.uuid5(space, name))


@function("text")
def sha256(text: str) -> str:
    """Hash a text (UTF-8); 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@function("text")
def base64_encode(text: str) -> str:
    """Write a text (UTF-8) in base64."""
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")


@function("text")
def base64_decode(text: str) -> str:
    """Read a text (UTF-8) from base64."""
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise RecordError("type", f"{shown(text)} is not text in base64") from None
