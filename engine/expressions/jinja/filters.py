"""The filters and tests templates may use: the function library, JMESPath's own functions, and a few of Jinja's."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

from engine.errors import RecordError
from engine.expressions import convert
from engine.expressions.jinja import limits
from engine.expressions.library import library
from engine.expressions.library.base import MAX_TEXT, NUMBERS, kind_of, too_large
from engine.expressions.values import Settings

Filter = Callable[..., Any]

SIZED = frozenset({str, list, dict})
SHORT = 256
"""Texts up to this length cost nothing beyond what the loop around them is charged."""


def _defined(value: Any) -> Any:
    if isinstance(value, Undefined):
        raise RecordError("missing-field", str(value._undefined_name))
    return value


def _guarded(call: Filter) -> Filter:
    def run(*arguments: Any, **named: Any) -> Any:
        for given in arguments:
            if given.__class__ in SIZED:
                if len(given) > SHORT:
                    limits.weigh(given)
            elif given is not None:
                _defined(given)
        made = call(*arguments, **named)
        if made.__class__ in SIZED and len(made) > SHORT:
            limits.weigh(made)
        return made

    return run


def default(value: Any, other: Any = "", falsy: bool = False) -> Any:
    """Stand in for what is missing or null; with true also for what is empty or false."""
    if value is None or isinstance(value, Undefined) or (falsy and not value):
        return other
    return value


def as_list(value: Any, name: str) -> list[Any]:
    """Take a list, or raise RecordError."""
    if value.__class__ is list:
        return value
    if isinstance(value, tuple):
        return list(value)
    raise RecordError("type", f"{name} needs a list, got {kind_of(value)}")


def attribute_of(element: Any, attribute: str | None) -> Any:
    """Read a dotted field of an element; null where it is absent."""
    for part in attribute.split(".") if attribute else ():
        element = element.get(part) if isinstance(element, dict) else None
    return element


def tojson(value: Any) -> str:
    """Write as JSON, and spend what it costs."""
    made = write_json(value)
    limits.spend(len(made) // 24)
    return made


def write_json(value: Any) -> str:
    """Write as JSON; decimals keep their digits."""
    from engine.expressions.jsontext import to_json_text

    try:
        made = to_json_text(value)
    except (RecordError, TypeError):
        made = to_json_text(_plain(value))  # tuples become lists; what is not there is named
    if len(made) > MAX_TEXT:
        raise too_large("tojson")
    return made


def _plain(value: Any) -> Any:
    """Refuse what is not data and what is not there, wherever it stands."""
    budget = [limits.MAX_NODES]
    return _walk(value, budget)


def _walk(value: Any, budget: list[int]) -> Any:
    budget[0] -= 1
    if budget[0] < 0:
        raise RecordError("too-large", "the template makes more data than is allowed")
    if isinstance(value, dict):
        return {_name(key): _walk(item, budget) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_walk(item, budget) for item in value]
    if isinstance(value, Undefined):
        _defined(value)
    if value is None or value.__class__ in (str, int, float, bool, Decimal):
        return value
    if value.__class__.__name__ in {"dict_items", "dict_keys", "dict_values"}:
        return [_walk(item, budget) for item in value]
    raise RecordError("type", f"the template gives {kind_of(value)}, which is not data")


plain_data = _plain


def _name(key: Any) -> str:
    if isinstance(key, str):
        return key
    raise RecordError("type", f"the name of a field is text, got {kind_of(key)}")


def join(value: Any, separator: str = "", attribute: str | None = None) -> str:
    """Join the texts and numbers of a list."""
    found = as_list(value, "join")
    if attribute is not None:
        found = [attribute_of(item, attribute) for item in found]
    parts = [item if item.__class__ is str else convert.to_text(item) for item in found]
    if len(separator) * len(parts) > MAX_TEXT:
        raise too_large("join")
    return limits.joined((separator.join(parts),))


def _number_filter(name: str, read: Callable[[Any], Any]) -> Filter:
    def run(value: Any, *other: Any) -> Any:
        try:
            return read(value)
        except RecordError:
            if other:
                return other[0]
            raise

    run.__name__ = name
    return run


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
    items = as_list(_defined(value), "map")
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
        items = as_list(_defined(value), name)
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


def _absolute(value: Any) -> Any:
    if not isinstance(value, (int, float, Decimal)):
        raise RecordError("type", f"abs needs a number, got {kind_of(value)}")
    return abs(value)


def _items(value: Any) -> list[list[Any]]:
    if not isinstance(value, dict):
        raise RecordError("type", f"items needs an object, got {kind_of(value)}")
    return [[key, item] for key, item in value.items()]


def _list(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple, dict)):
        return list(value)
    raise RecordError("type", f"list needs a list, got {kind_of(value)}")


def _urlencode(value: Any) -> str:
    return quote(convert.to_text(value), safe="")


PLAIN: dict[str, Filter] = {
    "tojson": tojson,
    "join": join,
    "length": length,
    "count": length,
    "first": _end("first", 0),
    "last": _end("last", -1),
    "reverse": _reverse,
    "abs": _absolute,
    "items": _items,
    "list": _list,
    "sort": lambda value, reverse=False, attribute=None: _ordered(value, "sort", attribute, reverse),
    "min": lambda value, attribute=None: (_ordered(value, "min", attribute) or [None])[0],
    "max": lambda value, attribute=None: (_ordered(value, "max", attribute) or [None])[-1],
    "sum": total,
    "unique": unique,
    "int": _number_filter("int", convert.to_integer),
    "float": _number_filter("float", lambda value: float(convert.to_number(value))),
    "number": _number_filter("number", convert.to_number),
    "decimal": _number_filter("decimal", convert.to_decimal),
    "string": convert.to_text,
    "urlencode": _urlencode,
}
CONTEXTUAL: dict[str, Filter] = {
    "map": mapped,
    "select": _choosing("select", True, False),
    "reject": _choosing("reject", False, False),
    "selectattr": _choosing("selectattr", True, True),
    "rejectattr": _choosing("rejectattr", False, True),
}
UNGUARDED: dict[str, Filter] = {"default": default, "d": default}


def filter_names() -> set[str]:
    """Return every filter's name."""
    return {*PLAIN, *CONTEXTUAL, *UNGUARDED, *library()}


def filters_for(settings: Settings) -> dict[str, Filter]:
    """Return every filter, bound to the settings."""
    made = {name: _guarded(call) for name, call in PLAIN.items()}
    for name, function in library().items():
        made[name] = (
            _timed(function.call)
            if function.needs == "now"
            else _guarded(_bound(function.call, function.needs, settings))
        )
    return {**made, **CONTEXTUAL, **UNGUARDED}


def _bound(call: Filter, needs: str, settings: Settings) -> Filter:
    return (lambda *arguments: call(settings, *arguments)) if needs else call


def _timed(call: Filter) -> Filter:
    @pass_context
    def run(context: Context, *arguments: Any) -> Any:
        return call(context.parent["_now"], *map(_defined, arguments))

    return run


def tests() -> dict[str, Filter]:
    """Return every test."""
    return {
        "defined": lambda value: not isinstance(value, Undefined),
        "undefined": lambda value: isinstance(value, Undefined),
        "none": lambda value: _defined(value) is None,
        "null": lambda value: _defined(value) is None,
        "string": lambda value: isinstance(_defined(value), str),
        "number": lambda value: _defined(value).__class__ in NUMBERS,
        "boolean": lambda value: isinstance(_defined(value), bool),
        "mapping": lambda value: isinstance(_defined(value), dict),
        "sequence": lambda value: isinstance(_defined(value), (list, tuple)),
        "true": lambda value: value is True,
        "false": lambda value: value is False,
        "odd": lambda value: convert.to_integer(_defined(value)) % 2 == 1,
        "even": lambda value: convert.to_integer(_defined(value)) % 2 == 0,
        "divisibleby": lambda value, by: limits.calculate("%", _defined(value), by) == 0,
        "in": lambda value, items: limits.compare("in", _defined(value), _defined(items)),
        **{
            name: (lambda value, other, sign=sign: limits.compare(sign, _defined(value), _defined(other)))
            for names, sign in (
                (("eq", "equalto", "=="), "eq"),
                (("ne", "!="), "ne"),
                (("lt", "lessthan", "<"), "lt"),
                (("le", "<="), "lteq"),
                (("gt", "greaterthan", ">"), "gt"),
                (("ge", ">="), "gteq"),
            )
            for name in names
        },
    }
