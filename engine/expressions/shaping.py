"""Small acts on records that both ways of evaluating share."""

from __future__ import annotations

from typing import Any

from engine.errors import RecordError
from engine.expressions.library.base import shown


def boolean(value: Any) -> bool:
    """Return true or false as a condition gave it; raises RecordError for anything else."""
    if value is True or value is False:
        return value
    raise RecordError("condition", f"the condition gave {shown(value)}, and it must give true or false")


def without_null(value: Any) -> Any:
    """Return data without the null fields of its objects; what has none is returned as it is."""
    if value.__class__ is dict:
        return {key: without_null(item) for key, item in value.items() if item is not None}
    if value.__class__ is list:
        return [without_null(item) for item in value]
    return value


def without(value: Any, path: tuple[str | int, ...]) -> Any:
    """Return a copy without the field at *path*; what is not there is no mistake."""
    step, *rest = path
    if isinstance(value, dict) and step in value:
        if not rest:
            return {key: item for key, item in value.items() if key != step}
        return {**value, step: without(value[step], tuple(rest))}
    if isinstance(value, list) and isinstance(step, int) and rest and -len(value) <= step < len(value):
        copy = list(value)
        copy[step] = without(value[step], tuple(rest))
        return copy
    return value
