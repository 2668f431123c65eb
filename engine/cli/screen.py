"""Where output goes: every text passes the redactor and is dressed for its stream."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from engine.telemetry.look import Look, look_of

Mask = Callable[[Any], Any]


class Screen:
    """One output stream and how it looks."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a name that the terminal's encoding lacks must not end the command
            reconfigure(errors="backslashreplace")
        self.stream = stream
        self.look: Look = look_of(stream, environ)
        self.mask: Mask = lambda value: value

    def line(self, text: str = "") -> None:
        """Write a line; secrets are masked."""
        self.stream.write(f"{self.mask(text)}\n")

    def json(self, value: Any, *, indent: int | None = None) -> None:
        """Write a value as JSON; masked before it is written, so that it stays JSON."""
        self.stream.write(f"{json_text(self.mask(value), indent)}\n")

    def flush(self) -> None:
        """Hand over what is buffered."""
        self.stream.flush()


_DIGITS = re.compile(r'"\\u0000([-+0-9.eE]+)"')


def json_text(value: Any, indent: int | None = None) -> str:
    """Write a value as JSON: decimals as numbers with their digits, dates and ids as text."""
    text = json.dumps(value, ensure_ascii=False, default=_plain, indent=indent)
    return _DIGITS.sub(r"\1", text) if "\\u0000" in text else text


def _plain(value: Any) -> Any:
    """Write what JSON lacks."""
    from base64 import b64encode
    from decimal import Decimal

    if isinstance(value, Decimal):
        # marked here and freed of its quotes above, because the encoder knows floats only
        return f"\0{value}" if value.is_finite() else str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode("ascii")
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else str(value)
