"""What a field's ``$type``, ``$scale`` and ``$format`` make of a value that is there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from engine.errors import RecordError
from engine.expressions.convert import converter, to_decimal
from engine.expressions.library.base import NUMBERS, kind_of
from engine.expressions.library.dates import write_format
from engine.expressions.library.numbers import format_pattern, rounded
from engine.expressions.plan import Field
from engine.expressions.values import Settings

Shape = Callable[[Any], Any]


def shape(field: Field, settings: Settings) -> Shape | None:
    """Return what turns a value into the field's type and writing; None where nothing changes."""
    steps: list[Shape] = []
    if field.type:
        steps.append(converter(field.type, settings.timezone))
    if field.scale is not None:
        steps.append(_scaled(field.scale, field.type))
    if field.format is not None:
        steps.append(_formatted(field.format))
    elif field.type in ("date", "datetime"):
        steps.append(_written)
    if not steps:
        return None
    return steps[0] if len(steps) == 1 else _chain(steps)


def _chain(steps: list[Shape]) -> Shape:
    def run(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return run


def _written(value: Any) -> str:
    return value.isoformat()  # type: ignore[no-any-return]


def _scaled(places: int, kind: str | None) -> Shape:
    def run(value: Any) -> Any:
        exact: Decimal = rounded(to_decimal(value), places)
        return float(exact) if kind == "number" and isinstance(value, float) else exact

    return run


def _formatted(pattern: str) -> Shape:
    def run(value: Any) -> str:
        if isinstance(value, (datetime, date)):
            return write_format(value, pattern)
        if value.__class__ not in NUMBERS:
            raise RecordError("type", f"$format writes numbers, got {kind_of(value)}")
        return format_pattern(value, pattern)

    return run
