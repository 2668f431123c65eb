"""What can be done with types: join them, take what fits two, reach into them, change a field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from engine.expressions.types.model import ANY, KINDS, NULL, Field, Further, Kind, Type

NUMERIC: frozenset[Kind] = frozenset({"integer", "number"})
MAX_CHOICES = 64
MAX_DEPTH = 12
"""Beyond it nothing is known: types that come from people's schemas may nest without end."""

_FURTHER: Mapping[Further, int] = {"no": 0, "unsaid": 1, "yes": 2}
Step = str | int


def mark(value: Any) -> tuple[str, Any]:
    """Make of a choice what equals only its like: 1 is not true, 1 is 1.0."""
    return ("boolean" if isinstance(value, bool) else "", value)


def union(one: Type, other: Type) -> Type:
    """Return what is either of two."""
    if one is other:
        return one
    if one.any or other.any:
        return ANY
    if one.kinds == NULL.kinds:
        return other.or_null()
    if other.kinds == NULL.kinds:
        return one.or_null()
    kinds = one.kinds | other.kinds
    return Type(
        kinds,
        _joined_fields(one, other) if one.fields or other.fields else {},
        _joined_further(one, other),
        _joined_items(one, other),
        _joined_longest(one, other),
        _joined_choices(one, other),
        _joined_known(one.known_from, other.known_from),
    )


def unions(types: Iterable[Type]) -> Type:
    """Return what is any of them; ``ANY`` of none."""
    made: Type | None = None
    for one in types:
        made = one if made is None else union(made, one)
    return ANY if made is None else made


def _joined_fields(one: Type, other: Type) -> Mapping[str, Field]:
    if "object" not in other.kinds:
        return one.fields
    if "object" not in one.kinds:
        return other.fields
    made = {}
    for name, field in one.fields.items():
        there = other.fields.get(name)
        if there is not None:
            made[name] = (
                field if there is field else Field(union(field.type, there.type), field.always and there.always)
            )
        elif other.further != "yes":
            # where the other is silent of it, it is taken to be absent there: people name what they send
            made[name] = Field(field.type, False)
    for name, field in other.fields.items():
        if name not in one.fields and one.further != "yes":
            made[name] = Field(field.type, False)
    return made


def _joined_further(one: Type, other: Type) -> Further:
    if "object" not in other.kinds:
        return one.further
    if "object" not in one.kinds:
        return other.further
    return max(one.further, other.further, key=_FURTHER.__getitem__)


def _joined_items(one: Type, other: Type) -> Type | None:
    if "list" not in other.kinds:
        return one.items
    if "list" not in one.kinds:
        return other.items
    return None if one.items is None or other.items is None else union(one.items, other.items)


def _joined_longest(one: Type, other: Type) -> int | None:
    if "text" not in other.kinds:
        return one.longest
    if "text" not in one.kinds:
        return other.longest
    return None if one.longest is None or other.longest is None else max(one.longest, other.longest)


def _joined_choices(one: Type, other: Type) -> tuple[object, ...]:
    if not one.choices or not other.choices:
        return ()
    merged = {mark(choice): choice for choice in (*one.choices, *other.choices)}
    return tuple(merged.values()) if len(merged) <= MAX_CHOICES else ()


def _joined_known(one: str, other: str) -> str:
    if one == other or not other:
        return one
    return other if not one else one if " or " in one else f"{one} or {other}"


def _open(given: Type) -> bool:
    """Tell whether a type asks for nothing at all."""
    return given.any and given.items is None and given.longest is None and not given.choices


def tells(given: Type) -> bool:
    """Tell whether somebody wrote down the fields of an object, and not only which of them must be there."""
    return any(not field.type.any for field in given.fields.values())


def both(one: Type, other: Type) -> Type:
    """Return what fits both; where nothing does, nothing is known."""
    if one is other or _open(one):
        return other
    if _open(other):
        return one
    kinds = one.kinds & other.kinds
    if not kinds:
        return ANY
    is_object = "object" in kinds
    return Type(
        kinds,
        _shared_fields(one, other) if is_object else {},
        min(one.further, other.further, key=_FURTHER.__getitem__) if is_object else "yes",
        _shared_items(one, other) if "list" in kinds else None,
        _shared_longest(one, other) if "text" in kinds else None,
        _shared_choices(one, other),
        one.known_from or other.known_from,
    )


def _shared_fields(one: Type, other: Type) -> Mapping[str, Field]:
    made = dict(one.fields)
    for name, field in other.fields.items():
        mine = made.get(name)
        if mine is not None:
            made[name] = Field(_shared_field(mine, field), mine.always or field.always)
        elif one.further != "no":
            made[name] = field
    if other.further == "no":
        made = {name: field for name, field in made.items() if name in other.fields}
    return made


def _shared_field(one: Field, other: Field) -> Type:
    """Return what fits both; one that is not always there may be of a case that is not this one."""
    if (one.always and other.always) or _open(one.type) or _open(other.type):
        return both(one.type, other.type)
    made, kinds = union(one.type, other.type), one.type.kinds & other.type.kinds
    return replace(made, kinds=kinds) if kinds else made


def _shared_longest(one: Type, other: Type) -> int | None:
    known = [given.longest for given in (one, other) if given.longest is not None]
    return min(known) if known else None


def _shared_items(one: Type, other: Type) -> Type | None:
    if one.items is None or other.items is None:
        return one.items or other.items
    return both(one.items, other.items)


def _shared_choices(one: Type, other: Type) -> tuple[object, ...]:
    if not one.choices or not other.choices:
        return one.choices or other.choices
    allowed = {mark(choice) for choice in other.choices}
    return tuple(choice for choice in one.choices if mark(choice) in allowed) or one.choices


def without_nulls(given: Type) -> Type:
    """Return what ``omit_null`` leaves: fields that were null are absent."""
    if given.any:
        return given
    fields = {
        name: Field(without_nulls(field.type.without_null()), field.always and not field.type.nullable)
        for name, field in given.fields.items()
        if field.type.kinds != NULL.kinds
    }
    items = without_nulls(given.items) if given.items is not None else None
    return replace(given, fields=fields, items=items)


def field_at(given: Type, path: Iterable[Step]) -> Field | None:
    """Return the field at *path*, in which ``"*"`` and numbers go into lists; None where nothing is known of it."""
    found = Field(given)
    for step in path:
        owner = found.type
        if isinstance(step, int) or (step == "*" and "object" not in owner.kinds):
            if owner.items is None:
                return None
            found = Field(owner.items, False)
        elif step in owner.fields:
            there = owner.fields[step]
            found = there if found.always else Field(there.type, False)
        else:
            return None
    return found


def put(given: Type, path: tuple[str, ...], field: Field) -> Type:
    """Return *given* with a field set at *path*; what stands on the way becomes an object."""
    if not path:
        return field.type
    name, rest = path[0], path[1:]
    if rest:
        there = given.fields.get(name)
        inner = there.type if there is not None else ANY if given.further == "yes" else Type(frozenset({"object"}))
        always = there.always if there is not None else False
        field = Field(put(inner, rest, field), always or field.always)
    kinds = given.kinds if given.kinds != KINDS else frozenset[Kind]({"object"})
    return replace(given, kinds=kinds, fields={**given.fields, name: field})


def lacking(given: Type, path: tuple[Step, ...]) -> Type:
    """Return *given* without the field at *path*."""
    name, rest = path[0], path[1:]
    there = given.fields.get(name) if isinstance(name, str) else None
    if there is None:
        return given
    fields = dict(given.fields)
    if rest:
        fields[str(name)] = Field(lacking(there.type, rest), there.always)
    else:
        del fields[str(name)]
    return replace(given, fields=fields)


def narrowed(given: Type, path: tuple[str, ...], *, value: bool) -> Type:
    """Return *given* where the field at *path* is there, and with *value* is not null; unknown fields stay unknown."""
    there = given.fields.get(path[0]) if path else None
    if there is None:
        return given
    rest = path[1:]
    inner = narrowed(there.type, rest, value=value) if rest else there.type
    if (rest or value) and inner.nullable and len(inner.kinds) > 1:
        inner = inner.without_null()
    return replace(given, fields={**given.fields, path[0]: Field(inner)})


def solid(given: Type) -> frozenset[Kind]:
    """Return the kinds that come besides null."""
    return given.kinds - NULL.kinds


def never(given: Type, wanted: frozenset[Kind]) -> bool:
    """Tell whether *given* is surely none of *wanted*; null is set aside, and whole numbers are numbers."""
    kinds = solid(given)
    if not kinds or "other" in kinds or kinds & wanted:
        return False
    return not (kinds & NUMERIC and wanted & NUMERIC)
