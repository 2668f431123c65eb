"""Filters over lists and objects."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

from engine.errors import RecordError
from engine.expressions import convert
from engine.expressions.jinja import limits
from engine.expressions.jinja.data import as_list, attribute_of, defined
from engine.expressions.library.base import MAX_TEXT, NUMBERS, kind_of, too_large

Filter = Callable[..., Any]


def join(value: Any, separator: str = "", attribute: str | None = None) -> str:
    """Join the texts and numbers of a list."""
    found = as_list(value, "join")
    if attribute is not None:
        found = [attribute_of(item, attribute) for item in found]
    parts = [item if item.__class__ is str else convert.to_text(item) for item in found]
    if len(separator) * len(parts) > MAX_TEXT:
        raise too_large("join")
    return limits.joined((separator.join(parts),))


def _ordered(value: Any, name: str, attribute: str | None = None, reverse: bool = False) -> list[Any]:
    items = as_list(value, name)
    limits.spend(len(items))
    try:
        return sorted(items, key=lambda item: _key(attribute_of(item, attribute)), reverse=reverse)
    except TypeError:
        raise RecordError("type", f"{name} needs values of one kind") from None


def _key(value: Any) -> Any:
    return Decimal(repr(value)) if value.__class__ is float else value


def total(value: Any, attribute: str | None = None, start: Any = 0) -> Any:
    """Add up the numbers of a list, exactly when there are decimals."""
    for item in as_list(value, "sum"):
        number = attribute_of(item, attribute)
        if number.__class__ not in NUMBERS:
            raise RecordError("type", f"sum needs numbers, got {kind_of(number)}")
        start = limits.calculate("+", start, number)
    return start


def unique(value: Any, attribute: str | None = None) -> list[Any]:
    """Keep the first of those that are equal."""
    kept: list[Any] = []
    seen: list[Any] = []
    for item in as_list(value, "unique"):
        mark = attribute_of(item, attribute)
        limits.spend(1 + len(seen) // 16)
        if mark not in seen:
            seen.append(mark)
            kept.append(item)
    return kept


@pass_context
def mapped(
    context: Context,
    value: Any,
    name: str | None = None,
    *arguments: Any,
    attribute: str | None = None,
    default: Any = None,
) -> list[Any]:
    """Apply a filter, or read a field, of every element."""
    items = as_list(defined(value), "map")
    limits.spend(1 + len(items))
    if attribute is not None:
        if "." not in attribute:
            read = [item.get(attribute) if item.__class__ is dict else None for item in items]
            return read if default is None else [default if item is None else item for item in read]
        read = [attribute_of(item, attribute) for item in items]
        return [default if item is None else item for item in read]
    call = context.environment.filters.get(name or "")
    if call is None:
        raise RecordError("type", f"there is no filter '{name}'")
    if getattr(call, "jinja_pass_arg", None) is not None:
        raise RecordError("type", f"'{name}' cannot be mapped")
    return [call(item, *arguments) for item in items]


def _choosing(name: str, keep: bool, by_field: bool) -> Filter:
    @pass_context
    def run(context: Context, value: Any, *arguments: Any) -> list[Any]:
        items = as_list(defined(value), name)
        limits.spend(1 + len(items))
        field = arguments[0] if by_field else None
        asked = arguments[1:] if by_field else arguments
        rest = asked[1:]
        tested: dict[str, Any] = context.environment.tests
        check = tested.get(asked[0]) if asked else bool
        if check is None:
            raise RecordError("type", f"there is no test '{asked[0]}'")
        return [item for item in items if bool(check(attribute_of(item, field), *rest)) is keep]

    return run


def length(value: Any) -> int:
    """Count characters, elements or fields."""
    if isinstance(value, (str, list, dict, tuple)):
        return len(value)
    raise RecordError("type", f"length needs text, a list or an object, got {kind_of(value)}")


def _end(name: str, position: int) -> Filter:
    def run(value: Any) -> Any:
        items = value if isinstance(value, str) else as_list(value, name)
        return items[position] if items else None

    return run


def _reverse(value: Any) -> Any:
    return value[::-1] if isinstance(value, str) else as_list(value, "reverse")[::-1]


def _items(value: Any) -> list[list[Any]]:
    if not isinstance(value, dict):
        raise RecordError("type", f"items needs an object, got {kind_of(value)}")
    return [[key, item] for key, item in value.items()]


def _list(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple, dict)):
        return list(value)
    raise RecordError("type", f"list needs a list, got {kind_of(value)}")


LISTS: dict[str, Filter] = {
    "join": join,
    "length": length,
    "count": length,
    "first": _end("first", 0),
    "last": _end("last", -1),
    "reverse": _reverse,
    "items": _items,
    "list": _list,
    "sort": lambda value, reverse=False, attribute=None: _ordered(value, "sort", attribute, reverse),
    "min": lambda value, attribute=None: (_ordered(value, "min", attribute) or [None])[0],
    "max": lambda value, attribute=None: (_ordered(value, "max", attribute) or [None])[-1],
    "sum": total,
    "unique": unique,
}
CONTEXTUAL: dict[str, Filter] = {
    "map": mapped,
    "select": _choosing("select", True, False),
    "reject": _choosing("reject", False, False),
    "selectattr": _choosing("selectattr", True, True),
    "rejectattr": _choosing("rejectattr", False, True),
}
"""Those that use other filters or tests."""
