"""Data to JSON text with decimals as numbers that keep their digits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from engine.errors import RecordError
from engine.expressions.convert import to_text
from engine.expressions.library.base import NUMBERS

_write_ascii: Callable[[str], str] = json.encoder.encode_basestring_ascii
_write_text: Callable[[str], str] = json.encoder.encode_basestring
_WORDS = {None: "null", True: "true", False: "false"}


def to_json_text(value: Any, plain: bool = True) -> str:
    """Write as compact JSON; with *plain* false other letters than ASCII are escaped."""
    parts: list[str] = []
    _write(value, parts.append, _write_text if plain else _write_ascii)
    return "".join(parts)


def _write(value: Any, put: Callable[[str], None], text: Callable[[str], str]) -> None:
    kind = value.__class__
    if kind is str:
        put(text(value))
    elif kind is int:
        put(str(value))
    elif value is None or kind is bool:
        put(_WORDS[value])
    elif kind is dict:
        mark = "{"
        for key, item in value.items():
            put(f"{mark}{text(key)}:")
            _write(item, put, text)
            mark = ","
        put("}" if value else "{}")
    elif kind is list:
        mark = "["
        for item in value:
            put(mark)
            _write(item, put, text)
            mark = ","
        put("]" if value else "[]")
    else:
        put(_number(value))


def _number(value: Any) -> str:
    if value.__class__ not in NUMBERS:
        raise RecordError("type", f"{type(value).__name__} cannot be written as JSON")
    return to_text(value)
