"""JSON as it goes over the wire: exact decimals and integers out, nothing that is not JSON in or out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson


class NotJson(ValueError):
    """The value cannot be written as JSON, or the text is not JSON; the message says why."""


def encode(value: Any) -> bytes:
    """Write *value*: decimals with their digits, dates as ISO 8601. Raises NotJson, also for NaN and infinities."""
    try:
        text = orjson.dumps(value, default=_other)
    except TypeError as error:
        text = _encode_large(value, str(error.__cause__ or error))
    if b"null" in text:
        # orjson writes NaN as null, so only a text with a null in it can hide one
        _refuse_nan(value)
    return text


def decode(text: bytes, *, exact: bool = False) -> Any:
    """Read JSON; *exact* keeps every digit (decimals, integers beyond 64 bits). Raises NotJson."""
    try:
        return _decode_exact(text) if exact else orjson.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error) or "it is nested too deeply") from None


def _decode_exact(text: bytes) -> Any:
    return json.loads(text.decode("utf-8"), parse_float=Decimal, parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _other(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"{value} is not a JSON number")
        return orjson.Fragment(str(value))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return list(value)
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def _encode_large(value: Any, reason: str) -> bytes:
    """Write what orjson refused once more, with integers beyond 64 bits kept as they are."""
    try:
        return orjson.dumps(_with_fragments(value), default=_other)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(str(error.__cause__ or error) or reason) from None


def _with_fragments(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(value))
    if isinstance(value, Mapping):
        return {key: _with_fragments(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_fragments(item) for item in value]
    return value


def _refuse_nan(value: Any) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotJson(f"{value} is not a JSON number")
    elif isinstance(value, Mapping):
        for item in value.values():
            _refuse_nan(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_nan(item)
