"""What the values of a mapping give: plain paths, expressions, objects, fields with their ``$`` keys, elements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from engine.errors import Path, dotted
from engine.expressions.plan import Const, Each, Fields, Items, Lookup, Node, Query, Text
from engine.expressions.plan import Field as FieldNode
from engine.expressions.types import naming
from engine.expressions.types.acts import NUMERIC, Step, never, solid, union, unions
from engine.expressions.types.model import ANY, BOOLEAN, INTEGER, NULL, NUMBER, SOME, TEXT, Field, Kind, Type, listed
from engine.expressions.types.narrowing import guarded
from engine.expressions.types.of_values import exactly
from engine.expressions.types.queries import Queries
from engine.expressions.types.report import Report, Told
from engine.expressions.types.words import describe
from engine.expressions.values import Settings

_OBJECT: frozenset[Kind] = frozenset({"object"})
_LIST: frozenset[Kind] = frozenset({"list"})
_CONVERTED: Mapping[str, tuple[frozenset[Kind], Type]] = {
    "string": (NUMERIC | {"text", "boolean"}, TEXT),
    "integer": (NUMERIC | {"text"}, INTEGER),
    "number": (NUMERIC | {"text"}, NUMBER),
    "decimal": (NUMERIC | {"text"}, NUMBER),
    "boolean": (NUMERIC | {"text", "boolean"}, BOOLEAN),
    "date": (frozenset({"text"}), TEXT),
    "datetime": (frozenset({"text"}), TEXT),
}
"""What a ``$type`` takes, and what it makes."""


class Values:
    """Follows the nodes of values over one record."""

    __slots__ = ("broken", "names", "report", "settings")

    def __init__(self, report: Report, settings: Settings, names: Mapping[str, Type]) -> None:
        self.report = report
        self.settings = settings
        self.names = names
        self.broken: frozenset[Path] = frozenset()
        """Where the reader found mistakes: of these nothing is known."""

    def of(self, node: Node, given: Type) -> Type:
        """Return the type of what *node* gives; JMESPath sees *given*."""
        return _FOLLOW[type(node)](self, node, given)

    def _plain(self, node: Any, given: Type) -> Type:
        return self._lookup(node, given, self.settings.missing == "null")

    def _const(self, node: Any, given: Type) -> Type:
        return ANY if node.path in self.broken else exactly(node.value)

    def _template(self, node: Any, given: Type) -> Type:
        return self._text(node)

    def _fields(self, node: Any, given: Type) -> Type:
        fields = {name: Field(self.of(item, given)) for name, item in node.fields}
        return Type(_OBJECT, fields, "no", known_from=made_at(node.path))

    def _items(self, node: Any, given: Type) -> Type:
        return listed(unions(self.of(item, given) for item in node.items) if node.items else None)

    def _elements(self, node: Any, given: Type) -> Type:
        return self._each(node, given, self.settings.missing == "null")

    def _query(self, node: Query, given: Type, excused: bool = False) -> Type:
        told = _ToldOfQuery(self.report, node.path, node.text, False)
        told.tree, told.excused = node.tree, excused
        return Queries(told).of(node.tree, SOME if given.any else given.without_null())

    def document(self, node: Query, given: Type) -> Type:
        """Return the type of JMESPath over a document."""
        return self._query(node, given)

    def _text(self, node: Text, lenient: bool = False) -> Type:
        from engine.expressions.jinja.check import unjudged
        from engine.expressions.types.templates import of_template

        tree = unjudged(node.text)
        if tree is None:
            return ANY
        return of_template(tree, node, self.names, self.report, lenient=lenient)

    def _lookup(self, node: Lookup, given: Type, lenient: bool) -> Type:
        """Follow a plain path: what is absent rejects the record, or *lenient* is null."""
        current, nullable = given, False
        for position, step in enumerate(node.steps):
            if current.any:
                return ANY
            found: Field | None
            if isinstance(step, str):
                found = current.fields.get(step)
                if found is None:
                    self._absent(node, position, current, lenient)
                    return ANY
                whole = solid(current) == _OBJECT
            else:
                found = self._element(node, step, current)
                whole = False
            nullable = nullable or (position > 0 and current.nullable) or (lenient and not (found.always and whole))
            current = found.type
        return current.or_null() if nullable and not current.any else current

    def _absent(self, node: Lookup, position: int, owner: Type, lenient: bool) -> None:
        told = self.report.at(node.path, self._written(node))
        told.excused = lenient
        told.field(owner, str(node.steps[position]), naming.path_text(node.steps[: position + 1]))

    def _element(self, node: Lookup, step: int, owner: Type) -> Field:
        if never(owner, _LIST):
            told = self.report.at(node.path, self._written(node))
            what = describe(owner.without_null())
            told.mismatch(f"[{step}] goes into a list, and this is {what}", "", f"[{step}]")
        return Field(owner.items if owner.items is not None else ANY, False)

    def _written(self, node: Lookup) -> str:
        return str(node.steps[0]) if naming.raw(node.path) else naming.path_text(node.steps)

    def _each(self, node: Each, given: Type, lenient: bool) -> Type:
        base = self._source(node.source, given, lenient)
        if never(base, _LIST):
            what = describe(base.without_null())
            self.report.at(node.source.path, "").mismatch(f"$each goes over a list, and this is {what}", "")
        element = base.items if base.items is not None else ANY
        inner = Values(self.report, self.settings, {**self.names, "item": element})
        inner.broken = self.broken
        made = listed(inner.of(node.body, element))
        return made.or_null() if base.nullable and not base.any else made

    def _source(self, node: Node, given: Type, lenient: bool) -> Type:
        if isinstance(node, Lookup):
            return self._lookup(node, given, lenient)
        if isinstance(node, Each):
            return self._each(node, given, lenient)
        if isinstance(node, Text):
            return self._text(node, lenient)
        if isinstance(node, Query) and lenient:
            return self._query(node, given, excused=True)
        return self.of(node, given)

    def _field(self, node: FieldNode, given: Type) -> Type:
        lenient = node.has_default or node.required is False or (not node.required and self.settings.missing == "null")
        made = self._shaped(node, self._source(node.source, given, lenient))
        if node.has_default:
            default = exactly(node.default)
            return union(made.without_null(), default) if solid(made) else default
        if node.required:
            return SOME if made.any else made.without_null() if solid(made) else made
        return made

    def _shaped(self, node: FieldNode, given: Type) -> Type:
        """Return what ``$type``, ``$scale`` and ``$format`` make of a value."""
        if node.type is None and node.scale is None and node.format is None:
            return given
        kind = node.type or ("decimal" if node.scale is not None else "")
        made = given
        if kind == "json":
            made = given if not given.kinds & {"text"} and not given.any else ANY
        elif kind in _CONVERTED:
            made = self._converted(node, kind, given)
        if node.format is not None:
            made = TEXT.or_null() if _told_null(given) else TEXT
        return made

    def _converted(self, node: FieldNode, kind: str, given: Type) -> Type:
        wanted, made = _CONVERTED[kind]
        if never(given, wanted):
            self._refused(node, kind, given)
        elif kind == "string" and given.kinds == TEXT.kinds:
            return given
        elif kind in ("integer", "number", "decimal") and solid(given) and solid(given) <= made.kinds:
            made = replace(made, kinds=solid(given), choices=given.choices)
        if not solid(given):
            return NULL
        return made.or_null() if _told_null(given) else made

    def _refused(self, node: FieldNode, kind: str, given: Type) -> None:
        what = describe(given.without_null())
        hint = "take one element, or one field of each: path[*].name"
        if "list" not in given.kinds:
            hint = "take one of its fields" if "object" in given.kinds else ""
        place = node.source.path if isinstance(node.source, (Lookup, Query, Text)) else node.path
        text = self._written(node.source) if isinstance(node.source, Lookup) else ""
        self.report.at(place, text).mismatch(f"$type: {kind} never takes {what}", hint)


_FOLLOW: Mapping[type[Node], Callable[[Values, Any, Type], Type]] = {
    Lookup: Values._plain,
    Const: Values._const,
    FieldNode: Values._field,
    Query: Values._query,
    Text: Values._template,
    Fields: Values._fields,
    Items: Values._items,
    Each: Values._elements,
}


class _ToldOfQuery(Told):
    """Reports for one JMESPath text."""

    __slots__ = ("tree",)

    tree: dict[str, Any]

    def asked(self) -> Any:
        """Return the names whose absence the expression provides for."""
        if not self.names:
            self.names = {"", *guarded(self.tree)}
        return self.names


def _told_null(given: Type) -> bool:
    """Tell whether null is known to come; of what nothing is known, it is not."""
    return given.nullable and not given.any


def made_at(path: Path) -> str:
    """Say where an object is made."""
    return f"what {dotted(path)} makes" if path else ""


def origins(node: Node, at: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Path]]:
    """Give for every field that *node* makes the path of the node that makes it; the whole stands at ``()``."""
    yield at, node.path
    if isinstance(node, Fields):
        for name, item in node.fields:
            yield from origins(item, (*at, name))
    elif isinstance(node, Items) and len(node.items) == 1:
        yield from origins(node.items[0], (*at, "*"))
    elif isinstance(node, FieldNode) and isinstance(node.source, Each):
        yield from origins(node.source.body, (*at, "*"))
