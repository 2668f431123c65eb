"""Which kinds go together: in comparisons, in arithmetic, as arguments."""

from __future__ import annotations

from collections.abc import Mapping

from engine.expressions.types.acts import NUMERIC, mark, never, solid
from engine.expressions.types.model import KINDS, Kind, Type

ARGUMENTS: Mapping[str, tuple[frozenset[Kind], str]] = {
    "text": (frozenset({"text"}), "text"),
    "number": (NUMERIC, "a number"),
    "integer": (NUMERIC, "a whole number"),
    "list": (frozenset({"list"}), "a list"),
    "object": (frozenset({"object"}), "an object"),
    "boolean": (frozenset({"boolean"}), "true or false"),
    "text or number": (NUMERIC | {"text"}, "text or a number"),
    "text or list": (frozenset({"text", "list"}), "text or a list"),
    "scalar": (NUMERIC | {"text", "boolean"}, "text, a number or true or false"),
    "sized": (frozenset({"text", "list", "object"}), "text, a list or an object"),
    "any": (KINDS, "anything"),
}
"""What arguments are called in the function library, and which kinds that is."""

_NUMBERS: frozenset[Kind] = NUMERIC | frozenset[Kind]({"boolean"})


def disjoint(one: Type, other: Type, *, flags_are_numbers: bool = False) -> bool:
    """Tell whether two values are surely never equal. Null is a value here: two nulls are equal."""
    kinds, wanted = one.kinds, other.kinds
    if not solid(one) or not solid(other) or "other" in kinds or "other" in wanted:
        return False
    if flags_are_numbers and kinds & _NUMBERS and wanted & _NUMBERS:
        return False
    return not kinds & wanted and not (kinds & NUMERIC and wanted & NUMERIC)


def unordered(one: Type, other: Type, groups: tuple[frozenset[Kind], ...]) -> bool:
    """Tell whether two values surely have no order: no group has a kind of each."""
    if not solid(one) or not solid(other) or "other" in one.kinds or "other" in other.kinds:
        return False
    return not any(one.kinds & group and other.kinds & group for group in groups)


JMESPATH_ORDER: tuple[frozenset[Kind], ...] = (NUMERIC, frozenset({"text"}))
JINJA_ORDER: tuple[frozenset[Kind], ...] = (_NUMBERS, frozenset({"text"}), frozenset({"list"}))


def strange(one: Type, other: Type) -> object:
    """Return the one choice of either that the other never is; None where there is none, or it is not known."""
    for literal, known in ((one, other), (other, one)):
        if len(literal.choices) != 1 or not known.choices or literal.nullable:
            continue
        if solid(known) & solid(literal) and mark(literal.choices[0]) not in {mark(choice) for choice in known.choices}:
            return literal.choices[0]
    return None


def refused(given: Type, wanted: str) -> str:
    """Return what an argument must be where *given* never is, else nothing."""
    kinds, spoken = ARGUMENTS[wanted]
    return spoken if never(given, kinds) else ""


def refused_items(given: Type, wanted: str) -> str:
    """Return what the elements of a list must be where those of *given* never are, else nothing."""
    if given.items is None or "list" not in given.kinds:
        return ""
    return refused(given.items, wanted)
