"""Cursor arithmetic: which values to read after, and where a stream of records may safely resume. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.errors import RecordError
from engine.pipeline import CursorPlan
from engine.record import Batch

Position = tuple[Any, ...]


def bind(plan: CursorPlan, stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the values to read after: the stored ones, or the initial ones, less the lookback."""
    values = dict(plan.initial if stored is None else stored)
    if plan.lookback and stored is not None:
        first = plan.fields[0]
        values[first] = _less(values[first], plan)
    return values


def _less(value: Any, plan: CursorPlan) -> Any:
    back = plan.lookback or 0.0
    if not plan.lookback_is_time:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise RecordError("cursor", f"a lookback in numbers needs a numeric cursor, and it stands at {value!r}")
        return value - Decimal(str(back)) if isinstance(value, Decimal) else value - type(value)(back)
    if isinstance(value, datetime | date):
        return value - timedelta(seconds=back)
    try:
        earlier = datetime.fromisoformat(str(value)) - timedelta(seconds=back)
    except ValueError:
        raise RecordError("cursor", f"a lookback in time needs a date, and the cursor stands at {value!r}") from None
    return _like(str(value), earlier)


def _like(text: str, moment: datetime) -> str:
    """Write *moment* in the shape of *text*, so that the database compares like with like."""
    if len(text) == 10:
        return moment.date().isoformat()
    separator = "T" if "T" in text else " "
    fraction = text[19:].lstrip(".").split("+")[0].split("Z")[0].split("-")[0]
    spec = "microseconds" if len(fraction) > 3 else "milliseconds" if fraction else "seconds"
    written = moment.isoformat(separator, spec)
    return written.replace("+00:00", "Z") if text.endswith("Z") else written


def positions(batch: Batch, fields: Sequence[str]) -> list[Position]:
    """Return each record's cursor values. Raises RecordError ``cursor`` where a field is missing or null."""
    found = batch.positions
    if found is None:
        try:
            found = [tuple(record[field] for field in fields) for record in batch.records]
        except (KeyError, TypeError):
            raise RecordError("cursor", f"a record has not all the cursor's fields: {', '.join(fields)}") from None
    for position in found:
        if None in position:
            raise RecordError("cursor", f"a record has null in a cursor field ({', '.join(fields)}): it has no order")
    return list(found)


def check_order(before: Position | None, here: Sequence[Position]) -> None:
    """Raise RecordError ``cursor-order`` when the values decrease: a checkpoint would skip records."""
    last = before
    for position in here:
        if last is not None:
            _compare(last, position)
        last = position


def _compare(last: Position, position: Position) -> None:
    try:
        descends = position < last
    except TypeError:
        raise RecordError(
            "cursor-order", f"the cursor cannot be compared: {_show(last)} was followed by {_show(position)}"
        ) from None
    if descends:
        raise RecordError(
            "cursor-order",
            f"the cursor went back from {_show(last)} to {_show(position)}: order the source by its fields",
        )


def _show(position: Position) -> str:
    return ", ".join(map(str, position))


def later(left: Mapping[str, Any] | None, right: Mapping[str, Any] | None, fields: Sequence[str]) -> bool:
    """Tell whether *left* stands after *right*; anything stands after None."""
    if left is None or right is None:
        return left is not None
    try:
        return tuple(left[f] for f in fields) > tuple(right[f] for f in fields)
    except (KeyError, TypeError):
        return True


def safe_stop(here: Sequence[Position], start: int, stop: int) -> int:
    """Return the last place in (*start*, *stop*] before which the value changes; *stop* itself when there is none."""
    end = stop
    while end > start and here[end - 1] == here[end]:
        end -= 1
    return end if end > start else stop
