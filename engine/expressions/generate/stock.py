"""JMESPath's own functions: as the ``jmespath`` package has them, with decimals as numbers and results bounded."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.errors import RecordError
from engine.expressions.convert import to_text
from engine.expressions.generate.runtime import alike, comparable
from engine.expressions.library.allowance import making
from engine.expressions.library.base import MAX_TEXT, NUMBERS, kind_of, too_large


def _refuse(name: str, wanted: str, value: Any) -> RecordError:
    return RecordError("type", f"{name}() needs {wanted}, got {kind_of(value)}")


def _number(name: str, value: Any) -> None:
    if value.__class__ not in NUMBERS:
        raise _refuse(name, "a number", value)


def _text(name: str, value: Any) -> None:
    if value.__class__ is not str:
        raise _refuse(name, "text", value)


def _list(name: str, value: Any) -> None:
    if value.__class__ is not list:
        raise _refuse(name, "a list", value)


def _object(name: str, value: Any) -> None:
    if value.__class__ is not dict:
        raise _refuse(name, "an object", value)


def _numbers(name: str, value: Any) -> bool:
    """Check a list of numbers; return whether there are decimals."""
    _list(name, value)
    exact = False
    for element in value:
        kind = element.__class__
        if kind not in NUMBERS:
            raise _refuse(name, "a list of numbers", element)
        exact = exact or kind is Decimal
    return exact


def _sortable(name: str, value: Any) -> bool:
    """Check a list of numbers, or of texts; return whether there are decimals."""
    _list(name, value)
    if value and value[0].__class__ is str:
        for element in value:
            if element.__class__ is not str:
                raise _refuse(name, "values of one kind", element)
        return False
    return _numbers(name, value)


def absolute(value: Any) -> Any:
    """``abs``."""
    _number("abs", value)
    return abs(value)


def total(value: Any) -> Any:
    """``sum``."""
    return sum(map(comparable, value)) if _numbers("sum", value) else sum(value)


def average(value: Any) -> Any:
    """``avg``."""
    exact = _numbers("avg", value)
    if not value:
        return None
    return sum(map(comparable, value)) / len(value) if exact else sum(value) / len(value)


def ceiling(value: Any) -> Any:
    """``ceil``."""
    _number("ceil", value)
    return math.ceil(_bounded(value))


def floor(value: Any) -> Any:
    """``floor``."""
    _number("floor", value)
    return math.floor(_bounded(value))


def _bounded(value: Any) -> Any:
    if value.__class__ is Decimal and value.is_finite() and value.adjusted() > 400:
        raise RecordError("type", "a number is too large")
    return value


_SETTLED = frozenset({str, bool, int, type(None)})


def contains(subject: Any, search: Any) -> bool:
    """``contains``."""
    if subject.__class__ is str:
        if search.__class__ is not str:
            raise RecordError("type", f"contains() looks for text in text, got {kind_of(search)}")
        return search in subject
    _list("contains", subject)
    # ``in`` settles all but a decimal beside a float, and those inside lists and objects
    return search in subject or (
        search.__class__ not in _SETTLED and any(alike(search, element) for element in subject)
    )


def starts_with(text: Any, prefix: Any) -> bool:
    """``starts_with``."""
    _text("starts_with", text)
    _text("starts_with", prefix)
    return text.startswith(prefix)  # type: ignore[no-any-return]


def ends_with(text: Any, suffix: Any) -> bool:
    """``ends_with``."""
    _text("ends_with", text)
    _text("ends_with", suffix)
    return text.endswith(suffix)  # type: ignore[no-any-return]


def join(separator: Any, parts: Any) -> str:
    """``join``."""
    _text("join", separator)
    _list("join", parts)
    for part in parts:
        if part.__class__ is not str:
            raise _refuse("join", "a list of texts", part)
    if len(separator) > 64 and len(separator) * len(parts) > MAX_TEXT:
        raise too_large("join()")
    return making(separator.join(parts))  # type: ignore[no-any-return]


def keys(value: Any) -> list[Any]:
    """``keys``."""
    _object("keys", value)
    return list(value)


def values(value: Any) -> list[Any]:
    """``values``."""
    _object("values", value)
    return list(value.values())


def length(value: Any) -> int:
    """``length``."""
    kind = value.__class__
    if kind is str or kind is list or kind is dict:
        return len(value)
    raise _refuse("length", "text, a list or an object", value)


def largest(value: Any) -> Any:
    """``max``."""
    exact = _sortable("max", value)
    return (max(value, key=comparable) if exact else max(value)) if value else None


def smallest(value: Any) -> Any:
    """``min``."""
    exact = _sortable("min", value)
    return (min(value, key=comparable) if exact else min(value)) if value else None


def merge(first: Any, *others: Any) -> dict[str, Any]:
    """``merge``; like the package it judges the kind of the first only, and takes pairs after it."""
    _object("merge", first)
    merged: dict[str, Any] = dict(first)
    for value in others:
        try:
            merged.update(value)
        except (TypeError, ValueError):
            raise _refuse("merge", "objects", value) from None
    return merged


def not_null(*values: Any) -> Any:
    """``not_null``."""
    return next((value for value in values if value is not None), None)


def reverse(value: Any) -> Any:
    """``reverse``."""
    if value.__class__ is str or value.__class__ is list:
        return value[::-1]
    raise _refuse("reverse", "text or a list", value)


def sort(value: Any) -> list[Any]:
    """``sort``."""
    return sorted(value, key=comparable) if _sortable("sort", value) else sorted(value)


def to_array(value: Any) -> list[Any]:
    """``to_array``."""
    return value if value.__class__ is list else [value]


def to_string(value: Any) -> str | None:
    """``to_string``; null stays null, decimals are JSON numbers."""
    kind = value.__class__
    if kind is str or value is None:
        return value  # type: ignore[no-any-return]
    if kind is Decimal:
        return to_text(value)
    try:
        return making(json.dumps(value, separators=(",", ":")))  # type: ignore[no-any-return]
    except TypeError:
        from engine.expressions.jsontext import to_json_text

        return making(to_json_text(value, plain=False))  # type: ignore[no-any-return]


def to_number(value: Any) -> Any:
    """``to_number``."""
    kind = value.__class__
    if kind in NUMBERS:
        return value
    if kind is not str:
        return None
    try:
        return int(value)
    except ValueError:
        try:
            return float(value)
        except ValueError:
            return None


_TYPES = {
    str: "string",
    bool: "boolean",
    list: "array",
    dict: "object",
    int: "number",
    float: "number",
    Decimal: "number",
}


def type_of(value: Any) -> str | None:
    """``type``."""
    return "null" if value is None else _TYPES.get(value.__class__)


def _by_key(name: str, found: list[Any], first_decides: bool) -> bool:
    """Check what ``&…`` gave for the elements; return whether there are decimals."""
    exact = False
    for key in found:
        kind = key.__class__
        if kind is not str and kind not in NUMBERS:
            raise _refuse(name, "texts or numbers to go by", key)
        if first_decides and (kind is str) is not (found[0].__class__ is str):
            raise _refuse(name, "values of one kind to go by", key)
        exact = exact or kind is Decimal
    return exact


def sort_by(items: Any, found: list[Any]) -> Any:
    """``sort_by``: *found* is what the expression gave for each element."""
    exact = _by_key("sort_by", found, True)
    if not items:
        return items
    marks = [comparable(key) for key in found] if exact else found
    return [items[index] for index in sorted(range(len(items)), key=marks.__getitem__)]


def _extreme(name: str, choose: Callable[..., int]) -> Callable[[Any, list[Any]], Any]:
    def run(items: Any, found: list[Any]) -> Any:
        exact = _by_key(name, found, False)
        if not items:
            return None
        marks = [comparable(key) for key in found] if exact else found
        return items[choose(range(len(items)), key=marks.__getitem__)]

    return run


min_by = _extreme("min_by", min)
max_by = _extreme("max_by", max)
BY: dict[str, Callable[[Any, list[Any]], Any]] = {"sort_by": sort_by, "min_by": min_by, "max_by": max_by}


def a_list(value: Any, name: str) -> Any:
    """Check the list of ``map``, ``sort_by`` …"""
    _list(name, value)
    return value


STOCK: dict[str, Callable[..., Any]] = {
    "abs": absolute,
    "avg": average,
    "ceil": ceiling,
    "contains": contains,
    "ends_with": ends_with,
    "floor": floor,
    "join": join,
    "keys": keys,
    "length": length,
    "max": largest,
    "merge": merge,
    "min": smallest,
    "not_null": not_null,
    "reverse": reverse,
    "sort": sort,
    "starts_with": starts_with,
    "sum": total,
    "to_array": to_array,
    "to_number": to_number,
    "to_string": to_string,
    "type": type_of,
    "values": values,
}
