"""``$type``: strict conversions that do not depend on a locale."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from engine.errors import RecordError
from engine.expressions.library.base import kind_of, shown
from engine.expressions.library.dates import read_date, read_time
from engine.expressions.library.numbers import MAX_EXPONENT

TYPES = ("string", "integer", "number", "decimal", "boolean", "date", "datetime", "json")

_INTEGER = re.compile(r"[+-]?\d{1,400}\Z", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?\Z", re.ASCII)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def _refuse(value: Any, wanted: str) -> RecordError:
    text = shown(value) if not isinstance(value, (list, dict)) else kind_of(value)
    return RecordError("type", f"{text} is not {wanted}")


def to_text(value: Any) -> str:
    """Write a scalar as text without loss: no exponent, ``true`` and ``false``."""
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return _digits(value)
    if kind is float or kind is Decimal:
        return _number_text(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    raise _refuse(value, "text")


def _digits(value: int) -> str:
    if value.bit_length() > 10_000:
        raise RecordError("type", "a number of more than 3 000 digits is not text")
    return str(value)


def _number_text(value: Any) -> str:
    text = repr(value) if isinstance(value, float) else str(value)
    if "e" not in text and "E" not in text:
        if "n" in text or "N" in text:
            raise _refuse(value, "a number")
        return text
    exact = Decimal(text)
    if abs(exact.adjusted()) > MAX_EXPONENT:
        raise RecordError("type", f"{text} is too large or too small to write out")
    return f"{exact:f}"


def to_integer(value: Any) -> int:
    """Read a whole number."""
    kind = value.__class__
    if kind is int:
        return value  # type: ignore[no-any-return]
    if kind is str and _INTEGER.match(value.strip()):
        return int(value)
    if (kind is float and value.is_integer()) or (
        kind is Decimal and _small(value) and value == value.to_integral_value()
    ):
        return int(value)
    raise _refuse(value, "a whole number")


def to_number(value: Any) -> Any:
    """Read a number: a whole one stays whole, any other becomes a float; numbers stay as they are."""
    kind = value.__class__
    if kind is int or (kind is float and math.isfinite(value)) or (kind is Decimal and value.is_finite()):
        return value
    if kind is str and _NUMBER.match(value.strip()) and len(value) < 400:
        text = value.strip()
        if _INTEGER.match(text):
            return int(text)
        made = float(text)
        if math.isfinite(made):
            return made
    raise _refuse(value, "a number")


def _small(value: Decimal) -> bool:
    return value.is_finite() and abs(value.adjusted()) <= MAX_EXPONENT


def to_decimal(value: Any) -> Decimal:
    """Read an exact number; a float counts as its shortest writing."""
    kind = value.__class__
    made = None
    if kind is Decimal or kind is int:
        made = Decimal(value)
    elif kind is float:
        made = Decimal(repr(value))
    elif kind is str and len(value) < 400 and _NUMBER.match(value.strip()):
        made = Decimal(value.strip())
    if made is None or not _small(made):
        raise _refuse(value, "a decimal")
    return made


def to_boolean(value: Any) -> bool:
    """Read true and false, also as text or as 1 and 0."""
    kind = value.__class__
    if kind is bool:
        return value  # type: ignore[no-any-return]
    if kind is int and value in (0, 1):
        return bool(value)
    made = _BOOLEANS.get(value.strip().lower()) if kind is str else None
    if made is None:
        raise _refuse(value, "true or false")
    return made


def to_json(value: Any) -> Any:
    """Read text as JSON; data that is not text stays."""
    if value.__class__ is not str:
        return value
    try:
        return json.loads(value, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise _refuse(value, "JSON") from None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _finite(text: str) -> float:
    made = float(text)
    if not math.isfinite(made):
        raise ValueError(text)
    return made


def converter(kind: str, zone: tzinfo) -> Callable[[Any], Any]:
    """Return the conversion to *kind*; dates come as ``date`` and ``datetime`` until they are written."""
    plain: dict[str, Callable[[Any], Any]] = {
        "string": to_text,
        "integer": to_integer,
        "number": to_number,
        "decimal": to_decimal,
        "boolean": to_boolean,
        "json": to_json,
        "date": lambda value: read_date(value, zone),
        "datetime": lambda value: read_time(value, zone),
    }
    return plain[kind]
