"""What generated code calls: JMESPath's comparisons, with decimals as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any

from engine.errors import RecordError
from engine.expressions.generate.blame import Absent
from engine.expressions.library.base import NUMBERS, kind_of, shown

EMPTY: dict[str, Any] = {}


def equal(left: Any, right: Any) -> bool:
    """Compare as JMESPath does: a boolean is never a number, numbers are equal by value."""
    one, other = left.__class__, right.__class__
    if one is other:
        if left == right:
            return True
        return (one is list or one is dict) and alike(left, right)
    if one is bool or other is bool:
        return False
    if one is Decimal or other is Decimal:
        return alike(left, right)
    return bool(left == right)


def alike(left: Any, right: Any) -> bool:
    """Compare deeply; a decimal meets a float by its shortest writing."""
    one, other = left.__class__, right.__class__
    if one is list and other is list:
        return len(left) == len(right) and all(map(alike, left, right))
    if one is dict and other is dict:
        return len(left) == len(right) and all(key in right and alike(value, right[key]) for key, value in left.items())
    if one is Decimal and other is float:
        return bool(left == Decimal(repr(right)))
    if one is float and other is Decimal:
        return bool(Decimal(repr(left)) == right)
    return bool(left == right)


def comparable(value: Any) -> Any:
    """Return a number whose order with decimals is that of its writing."""
    return Decimal(repr(value)) if value.__class__ is float else value


def _ordered(sign: str, compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def run(left: Any, right: Any) -> Any:
        one, other = left.__class__, right.__class__
        if one in NUMBERS and other in NUMBERS:
            if one is Decimal or other is Decimal:
                return compare(comparable(left), comparable(right))
            return compare(left, right)
        if one is str and other is str:
            return compare(left, right)
        if (one is str or one in NUMBERS) and (other is str or other in NUMBERS):
            raise RecordError(
                "type", f"{shown(left)} {sign} {shown(right)} compares {kind_of(left)} with {kind_of(right)}"
            )
        return None

    return run


ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "lt": _ordered("<", lt),
    "lte": _ordered("<=", le),
    "gt": _ordered(">", gt),
    "gte": _ordered(">=", ge),
}


def flatten(value: Any) -> list[Any] | None:
    """Make one list of the lists in a list."""
    if value.__class__ is not list:
        return None
    merged: list[Any] = []
    for element in value:
        if element.__class__ is list:
            merged += element
        else:
            merged.append(element)
    return merged


def item(value: Any, name: str) -> Any:
    """Follow a plain path into what is not an object: null goes on, anything else has no such field."""
    if value is None:
        return None
    raise Absent(name)


def attribute(value: Any, name: Any) -> Any:
    """Follow a template's path into what is not a plain object."""
    if isinstance(value, Mapping) or (value.__class__ in (list, str) and name.__class__ is int):
        try:
            return value[name]
        except LookupError:
            raise Absent(name) from None
    raise Absent(name)


def attribute_or_null(value: Any, name: Any) -> Any:
    """Follow a template's path; what is not there is null."""
    try:
        return attribute(value, name)
    except Absent:
        return None
