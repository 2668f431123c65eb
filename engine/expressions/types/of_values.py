"""Types of values: of one literal, exactly; of samples, as far as they tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from engine.expressions.types.acts import union
from engine.expressions.types.model import ANY, BOOLEAN, INTEGER, NULL, TEXT, Field, Kind, Type, made_of

_OTHER = Type(frozenset({"other"}))
_LIST: frozenset[Kind] = frozenset({"list"})
_FRACTION = Type(frozenset({"number"}))
_NOTHING = Type(frozenset())
MAX_DEPTH = 24


def exactly(value: Any) -> Type:
    """Return the type of one literal, of which nothing is left open."""
    if value is None:
        return NULL
    if isinstance(value, str):
        return Type(TEXT.kinds, longest=len(value), choices=(value,))
    if isinstance(value, (bool, int, float, Decimal)):
        return Type(_plain(value).kinds, choices=(value,))
    if isinstance(value, Mapping):
        return made_of({str(name): Field(exactly(item)) for name, item in value.items()})
    if isinstance(value, (list, tuple)):
        items: Type | None = None
        for item in value:
            items = exactly(item) if items is None else union(items, exactly(item))
        return Type(_LIST, items=items)
    return _OTHER


def type_of_values(values: Iterable[Any], known_from: str = "") -> Type:
    """Return what samples are; what they do not have nobody knows."""
    made = _NOTHING
    for value in values:
        made = _joined(made, _sample(value, 0))
    return ANY if not made.kinds else _closed(made, known_from)


def _plain(value: Any) -> Type:
    if isinstance(value, bool):
        return BOOLEAN
    return INTEGER if isinstance(value, int) else _FRACTION


def _sample(value: Any, depth: int) -> Type:
    if value is None:
        return NULL
    if isinstance(value, str):
        return TEXT
    if isinstance(value, (bool, int, float, Decimal)):
        return _plain(value)
    if depth >= MAX_DEPTH:
        return ANY
    if isinstance(value, Mapping):
        fields = {str(name): Field(_sample(item, depth + 1)) for name, item in value.items()}
        return made_of(fields, "unsaid")
    if isinstance(value, (list, tuple)):
        items = _NOTHING
        for item in value:
            items = _joined(items, _sample(item, depth + 1))
        return Type(_LIST, items=items)
    return _OTHER


def _joined(one: Type, other: Type) -> Type:
    """Join two samples; what none has yet, such as the elements of an empty list, adds nothing."""
    if not one.kinds:
        return other
    if not other.kinds or one is other:
        return one
    if one.any or other.any:
        return ANY
    fields: Mapping[str, Field] = one.fields or other.fields
    if "object" in one.kinds and "object" in other.kinds:
        names = dict.fromkeys((*one.fields, *other.fields))
        fields = {name: _joined_field(one.fields.get(name), other.fields.get(name)) for name in names}
    items = one.items or other.items
    if one.items is not None and other.items is not None:
        items = _joined(one.items, other.items)
    return Type(one.kinds | other.kinds, fields, "unsaid", items)


def _joined_field(one: Field | None, other: Field | None) -> Field:
    if one is None or other is None:
        there = one or other
        assert there is not None
        return Field(there.type, False)
    return Field(_joined(one.type, other.type), one.always and other.always)


def _closed(made: Type, known_from: str) -> Type:
    """Say where objects are known from, and let lists of nothing be lists of anything."""
    fields = {name: Field(_closed(field.type, known_from), field.always) for name, field in made.fields.items()}
    items = _closed(made.items, known_from) if made.items is not None and made.items.kinds else None
    return replace(made, fields=fields, items=items, known_from=known_from if "object" in made.kinds else "")
