"""What the filters of templates take and give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from jinja2 import nodes

from engine.expressions.library import library
from engine.expressions.types import calls
from engine.expressions.types.acts import NUMERIC, never, solid, union
from engine.expressions.types.model import ANY, INTEGER, NUMBER, TEXT, Kind, Type, listed
from engine.expressions.types.report import Told
from engine.expressions.types.words import describe


class Values(Protocol):
    """What gives the type of an expression."""

    def value(self, node: nodes.Node) -> Type:
        """Return the type of an expression."""
        ...


def of_filter(node: Any, values: Values, told: Told) -> Type:
    """Return what a filter gives, and judge what it is put on."""
    name = node.name
    if node.node is None:
        return ANY
    if name in ("default", "d"):
        return _default(node, values, told)
    given = values.value(node.node)
    others = [values.value(part) for part in (*node.args, *(pair.value for pair in node.kwargs))]
    if name in library():
        words = [word(part) for part in (node.node, *node.args)]
        return calls.of_library(name, [given, *others], told, words)
    known = FILTERS.get(name)
    if known is None:
        return ANY
    wanted, inner, attribute, gives = known
    if name in _WITH_FALLBACK and others:
        wanted = "any"
    if wanted != "any" and not calls.argument(told, name, given, wanted, word(node.node)):
        return ANY
    read = _attribute(node, attribute)
    element = given.items if given.items is not None else ANY
    if read is not None:
        element = _read(element, read, told)
    if inner and never(element, _INNER[inner]):
        what = f"'{read}' is" if read else "each element is"
        told.mismatch(f"{name} needs {_SPOKEN[inner]}, and {what} {describe(element.without_null())}", "", read or name)
    return gives(given, ANY if read is None else element, others)


def _default(node: Any, values: Values, told: Told) -> Type:
    before, told.excused = told.excused, True
    inner = values.value(node.node)
    told.excused = before
    other = values.value(node.args[0]) if node.args else TEXT
    for part in (*node.args[1:], *(pair.value for pair in node.kwargs)):
        values.value(part)
    return union(inner.without_null(), other) if solid(inner) else other


def word(node: Any) -> str:
    """Write an expression as people call it."""
    from engine.expressions.jinja.code import place_of

    if isinstance(node, (nodes.Getattr, nodes.Getitem)):
        return place_of(node)
    if isinstance(node, nodes.Name):
        return str(node.name)
    if isinstance(node, nodes.Const):
        return f"'{node.value}'" if isinstance(node.value, str) else str(node.value)
    return ""


def _attribute(node: Any, position: int | None) -> str | None:
    """Return the field a filter reads of each element: by name, or at its place among the arguments."""
    if position is None:
        return None
    for pair in node.kwargs:
        if pair.key == "attribute" and isinstance(pair.value, nodes.Const) and isinstance(pair.value.value, str):
            return str(pair.value.value)
    if 0 < position <= len(node.args):
        part = node.args[position - 1]
        if isinstance(part, nodes.Const) and isinstance(part.value, str):
            return str(part.value)
    return None


def _read(element: Type, attribute: str, told: Told) -> Type:
    """Follow a dotted field of an element; null where it is absent."""
    nullable = False
    for name in attribute.split("."):
        if element.any:
            return ANY
        found = told.field(element, name, attribute)
        if found is None:
            return ANY
        nullable = nullable or not found.always or element.kinds != {"object"}
        element = found.type
    return element.or_null() if nullable else element


Gives = Callable[[Type, Type, list[Type]], Type]


def _end(given: Type, element: Type, others: list[Type]) -> Type:
    if given.any or given.items is None:
        return ANY if "list" in given.kinds else TEXT.or_null()
    made = given.items.or_null()
    return union(made, TEXT) if "text" in given.kinds else made


def _same(given: Type, element: Type, others: list[Type]) -> Type:
    if given.any:
        return ANY
    return Type(solid(given) & {"list", "text"} or given.kinds, items=given.items)


def _list(given: Type, element: Type, others: list[Type]) -> Type:
    return listed(given.items if solid(given) == {"list"} else TEXT if solid(given) == {"object"} else None)


def _kept(given: Type, element: Type, others: list[Type]) -> Type:
    return listed(given.items)


def _extreme(given: Type, element: Type, others: list[Type]) -> Type:
    return ANY if given.items is None else given.items.or_null()


def _converted(made: Type) -> Gives:
    return lambda given, element, others: union(made, others[0]) if others else made


def _fixed(made: Type) -> Gives:
    return lambda given, element, others: made


def _mapped(given: Type, element: Type, others: list[Type]) -> Type:
    return listed() if element.any or len(others) > 1 else listed(element)


def _absolute(given: Type, element: Type, others: list[Type]) -> Type:
    kept = given.kinds & NUMERIC
    return Type(kept) if kept else NUMBER


_WITH_FALLBACK = frozenset({"int", "float", "number", "decimal"})
_INNER: Mapping[str, frozenset[Kind]] = {
    "number": NUMERIC,
    "scalar": NUMERIC | frozenset[Kind]({"text", "boolean"}),
}
_SPOKEN = {"number": "numbers", "scalar": "texts or numbers"}

FILTERS: Mapping[str, tuple[str, str, int | None, Gives]] = {
    "join": ("list", "scalar", 2, _fixed(TEXT)),
    "length": ("sized", "", None, _fixed(INTEGER)),
    "count": ("sized", "", None, _fixed(INTEGER)),
    "first": ("text or list", "", None, _end),
    "last": ("text or list", "", None, _end),
    "reverse": ("text or list", "", None, _same),
    "items": ("object", "", None, _fixed(listed(listed()))),
    "list": ("any", "", None, _list),
    "sort": ("list", "", 2, _kept),
    "min": ("list", "", 1, _extreme),
    "max": ("list", "", 1, _extreme),
    "sum": ("list", "number", 1, _fixed(NUMBER)),
    "unique": ("list", "", 1, _kept),
    "map": ("list", "", 0, _mapped),
    "select": ("list", "", None, _kept),
    "reject": ("list", "", None, _kept),
    "selectattr": ("list", "", 1, _kept),
    "rejectattr": ("list", "", 1, _kept),
    "tojson": ("any", "", None, _fixed(TEXT)),
    "abs": ("number", "", None, _absolute),
    "int": ("text or number", "", None, _converted(INTEGER)),
    "float": ("text or number", "", None, _converted(NUMBER)),
    "number": ("text or number", "", None, _converted(NUMBER)),
    "decimal": ("text or number", "", None, _converted(NUMBER)),
    "string": ("scalar", "", None, _fixed(TEXT)),
    "urlencode": ("scalar", "", None, _fixed(TEXT)),
}
"""What a filter is put on, what its elements (or the field read of them) are, which argument names that field,
and what comes out."""
