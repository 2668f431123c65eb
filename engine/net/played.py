"""An answer that did not come over the network: in tests, and where a run is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multidict import CIMultiDict

from engine.connector import Told

_PACKED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""What was true of the bytes on the wire, and is not of the body as it is here."""


class Played:
    """Reads like a response; the whole body is here, unpacked."""

    def __init__(self, told: Told) -> None:
        headers: Mapping[str, Any] = told.get("headers") or {}
        self.status = int(told.get("status", 200))
        self.headers: Mapping[str, str] = CIMultiDict(
            (name, str(value)) for name, value in headers.items() if name.lower() not in _PACKED
        )
        self.taken = bool(told.get("taken"))
        self.content = self
        self._body: bytes = told.get("body") or b""

    async def readany(self) -> bytes:
        """Return what is left of the body, nothing at its end."""
        body, self._body = self._body, b""
        return body

    def close(self) -> None:
        """Let go of nothing."""
