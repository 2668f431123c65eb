"""Keep secrets out of everything people or files get to see: known values are masked wherever they stand."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"

_SHORT = 4
"""Shorter values are masked only where they are the whole text: masking every ``1`` would hide everything."""
_LINE = 12
"""Lines of a secret of several lines (a key file) are masked one by one from this length on."""


class Redactor:
    """Masks secret values in text and nested data, in the forms they take on the way: base64, URL, JSON, HTML."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = {value for value in values if value.strip()}
        self._whole = frozenset(known | {value.strip() for value in known})
        forms = {form for value in self._whole if len(value) >= _SHORT for form in _forms(value)}
        # longest first: a secret that contains another one must not leave its rest behind
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __bool__(self) -> bool:
        return bool(self._whole)

    def text(self, text: str) -> str:
        """Mask every secret in *text*."""
        if text in self._whole:
            return MASK
        if self._pattern is None:
            return text
        count = 1
        # again until nothing is found, because a mask and its neighbours may spell a secret; each pass is shorter
        while count:
            text, count = self._pattern.subn(MASK, text)
        return text

    def __call__(self, value: Any) -> Any:
        """Mask every secret in text or nested data; anything else comes back as it is."""
        if not self._whole:
            return value
        if isinstance(value, str):
            return self.text(value)
        return self._nested(value)

    def _nested(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self(key): self(item) for key, item in value.items()}
        if isinstance(value, tuple):
            items = [self(item) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        if isinstance(value, (set, frozenset)):
            return type(value)(self(item) for item in value)
        if isinstance(value, (bytes, bytearray)):
            return self._bytes(bytes(value))
        if isinstance(value, Sequence):
            return [self(item) for item in value]
        # a number may be a secret too (a PIN); true, false and null never are
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return MASK if str(value) in self._whole else value
        return value

    def _bytes(self, value: bytes) -> bytes:
        return self.text(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _html(value: str) -> str:
    from html import escape  # brings a table of all entities, for which most commands have no use

    return escape(value)


_WRITERS: tuple[Callable[[str], str], ...] = (
    str,
    lambda value: quote(value, safe=""),
    quote,
    quote_plus,
    lambda value: re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quote(value, safe="")),
    lambda value: json.dumps(value)[1:-1],
    lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    lambda value: json.dumps(value, ensure_ascii=False)[1:-1].replace("/", "\\/"),
    lambda value: repr(value)[1:-1],
    _html,
    lambda value: value.encode("utf-8", "surrogateescape").hex(),
)


def _forms(value: str) -> set[str]:
    parts = [value, *(line.strip() for line in value.splitlines() if len(line.strip()) >= _LINE)]
    written = {write(part) for part in parts for write in _WRITERS if _writable(part, write)}
    return {form for form in written | _base64(value) if len(form) >= _SHORT}


def _writable(part: str, write: Callable[[str], str]) -> bool:
    try:
        write(part)
    except UnicodeEncodeError:  # a lone surrogate has no URL form, so it cannot appear in one
        return False
    return True


def _base64(value: str) -> set[str]:
    """Give what base64 makes of *value*, alone or inside a longer text such as ``user:value``.

    Inside, its bytes may begin at each of three offsets; the characters it shares with its neighbours are left out.
    """
    raw = value.encode("utf-8", "surrogateescape")
    forms = set()
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + raw).decode("ascii").rstrip("=")
        end = (offset + len(raw)) * 8 // 6
        core = whole[-(-offset * 8 // 6) : end]
        if offset == 0:
            forms.add(whole)
        if len(core) >= 2 * _SHORT:
            forms.add(core)
    return forms | {form.translate(_URL_SAFE) for form in forms}


_URL_SAFE = str.maketrans("+/", "-_")
