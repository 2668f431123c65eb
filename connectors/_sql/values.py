"""Values between records and databases: plain data on the way in, what a driver binds on the way out. Pure."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine.errors import Rejected
from engine.net.jsontext import NotJson, encode

PLAIN = frozenset({str, int, float, bool, Decimal, type(None), dict, list})
"""What a record may hold; everything else is converted by ``plain``."""

_PLAIN: dict[type, Callable[[Any], Any]] = {
    bytes: lambda value: base64.b64encode(value).decode("ascii"),
    memoryview: lambda value: base64.b64encode(value).decode("ascii"),
    bytearray: lambda value: base64.b64encode(value).decode("ascii"),
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
    UUID: str,
    tuple: lambda value: [plain(item) for item in value],
}


def plain(value: Any) -> Any:
    """Make plain data: dates as ISO text, bytes as base64 text, durations as seconds."""
    kind = value.__class__
    if kind in PLAIN:
        return value
    convert = _PLAIN.get(kind)
    return convert(value) if convert else str(value)


def records(rows: Sequence[Sequence[Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Make plain records of *rows*; the usual batch, plain already, costs one look at each value's type."""
    if {value.__class__ for row in rows for value in row} <= PLAIN:
        return [dict(zip(names, row, strict=True)) for row in rows]
    return [{name: plain(value) for name, value in zip(names, row, strict=True)} for row in rows]


def positions(
    rows: Sequence[Sequence[Any]], names: Sequence[str], fields: Sequence[str]
) -> list[tuple[Any, ...]] | None:
    """Return the cursor values as the driver gave them, where ``records`` changed any."""
    columns = [names.index(field) for field in fields]
    values = [tuple(row[column] for column in columns) for row in rows]
    return None if {value.__class__ for row in values for value in row} <= PLAIN else values


def bindable(value: Any, nested: bool = False) -> Any:
    """Make what SQLite binds; a value no column can take is Rejected. *nested*: objects become JSON text."""
    kind = value.__class__
    if kind is str or value is None or kind is bool or kind is bytes:
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**63 else str(value)
    if kind is float:
        return _finite(value)
    if kind is Decimal:
        return decimal(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping | list | tuple):
        return _json(value, nested)
    return str(value)


def _finite(value: float) -> float:
    if math.isfinite(value):
        return value
    raise Rejected(f"{value} is not a number a database keeps")


def decimal(value: Decimal) -> int | float | str:
    """Give SQLite the number where it can hold it exactly, else the digits as text."""
    if not value.is_finite():
        raise Rejected(f"{value} is not a number a database keeps")
    if value == value.to_integral_value() and -(2**63) <= value < 2**63:
        return int(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


def _json(value: Any, nested: bool) -> str:
    if not nested:
        kind = "an object" if isinstance(value, Mapping) else "a list"
        raise Rejected(f"{kind} does not fit a column; pick its fields, or set nested: json to store JSON text")
    try:
        return encode(value).decode("utf-8")
    except NotJson as error:
        raise Rejected(f"not writable as JSON: {error}") from None
