"""Values to text and back, exactly: what the store keeps of checkpoints, records and states."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

_TAG = "$engine"

_ENCODE: dict[type, tuple[str, Callable[[Any], str]]] = {
    datetime: ("datetime", datetime.isoformat),
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    Decimal: ("decimal", str),
    bytes: ("bytes", lambda value: base64.b64encode(value).decode("ascii")),
    UUID: ("uuid", str),
}
_DECODE: dict[str, Callable[[str], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "decimal": Decimal,
    "bytes": base64.b64decode,
    "uuid": UUID,
}


def encode(value: Any) -> str:
    """Write plain data, decimals, dates, bytes and uuids as JSON text that ``decode`` restores exactly.

    Raises TypeError for anything else, ValueError for NaN and infinities.
    """
    try:
        text = _PLAIN.encode(value)
    except TypeError:
        return _EXACT.encode(_wrap(value))
    # an object that looks like a tag is rare, and so is the word
    return _EXACT.encode(_wrap(value)) if _TAG in text else text


def _not_plain(value: Any) -> Any:
    raise TypeError


_EXACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_PLAIN = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False, default=_not_plain
)
"""Writes what JSON has itself, in one go; circular data ends in a RecursionError either way."""


def decode(text: str) -> Any:
    """Read what ``encode`` wrote."""
    # a call for each object costs more than all the rest, and most texts have no tag
    return json.loads(text, object_hook=_unwrap) if _TAG in text else json.loads(text)


def _wrap(value: Any) -> Any:
    kind = value.__class__
    if kind is str or kind is int or kind is float or kind is bool or value is None:
        return value
    if isinstance(value, Mapping):
        wrapped = {str(key): _wrap(item) for key, item in value.items()}
        # pairs, because a decoder that works inside out would mistake an object that looks like a tag for one
        return {_TAG: "object", "value": list(wrapped.items())} if _TAG in wrapped else wrapped
    if kind in _ENCODE:
        name, write = _ENCODE[kind]
        return {_TAG: name, "value": write(value)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_wrap(item) for item in value]
    raise TypeError(f"{kind.__name__} is not plain data")


def _unwrap(value: dict[str, Any]) -> Any:
    name = value.get(_TAG)
    if name is None or len(value) != 2 or "value" not in value:
        return value
    if name == "object":
        return dict(value["value"])
    read = _DECODE.get(name) if isinstance(name, str) else None
    return read(value["value"]) if read else value
