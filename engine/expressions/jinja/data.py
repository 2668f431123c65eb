"""What filters take and give: plain data, and JSON text of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from jinja2 import Undefined

from engine.errors import RecordError
from engine.expressions.jinja import limits
from engine.expressions.library.base import MAX_TEXT, kind_of, too_large


def defined(value: Any) -> Any:
    """Return the value, or raise RecordError for what is not there."""
    if isinstance(value, Undefined):
        raise RecordError("missing-field", str(value._undefined_name))
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
        made = to_json_text(plain_data(value))  # tuples become lists; what is not there is named
    if len(made) > MAX_TEXT:
        raise too_large("tojson")
    return made


def plain_data(value: Any) -> Any:
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
        defined(value)
    if value is None or value.__class__ in (str, int, float, bool, Decimal):
        return value
    if value.__class__.__name__ in {"dict_items", "dict_keys", "dict_values"}:
        return [_walk(item, budget) for item in value]
    raise RecordError("type", f"the template gives {kind_of(value)}, which is not data")


def _name(key: Any) -> str:
    if isinstance(key, str):
        return key
    raise RecordError("type", f"the name of a field is text, got {kind_of(key)}")
