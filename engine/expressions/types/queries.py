"""What a JMESPath tree gives on a value of a known type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.expressions.types import calls, kinds, narrowing
from engine.expressions.types.acts import narrowed, never, solid, union, unions
from engine.expressions.types.model import ANY, BOOLEAN, NULL, Field, Kind, Type, listed, made_of
from engine.expressions.types.of_values import exactly
from engine.expressions.types.report import Told
from engine.expressions.types.words import describe

Tree = dict[str, Any]
_LIST: frozenset[Kind] = frozenset({"list"})
_OBJECT: frozenset[Kind] = frozenset({"object"})
_FALSY: frozenset[Kind] = frozenset({"null", "boolean", "text", "list", "object"})
_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


class Queries:
    """Follows the tree of one text."""

    __slots__ = ("told",)

    def __init__(self, told: Told) -> None:
        self.told = told

    def of(self, tree: Tree, given: Type) -> Type:
        """Return the type of what *tree* gives on *given*."""
        return _FOLLOW[tree["type"]](self, tree, given)

    def _same(self, tree: Tree, given: Type) -> Type:
        return given

    def _field(self, tree: Tree, given: Type) -> Type:
        name = tree["value"]
        found = given.fields.get(name)
        if found is None:
            if not given.any:
                self.told.field(given, name)
            return ANY
        return found.type if found.always and given.kinds == _OBJECT else found.type.or_null()

    def _literal(self, tree: Tree, given: Type) -> Type:
        return exactly(tree["value"])

    def _index(self, tree: Tree, given: Type) -> Type:
        if given.any:
            return ANY
        self._listed(given, f"[{tree['value']}]")
        return ANY if given.items is None else given.items.or_null()

    def _slice(self, tree: Tree, given: Type) -> Type:
        if given.any:
            return ANY
        self._listed(given, "[:]")
        return self._nullable(listed(given.items), given, _LIST)

    def _listed(self, given: Type, sign: str) -> None:
        if never(given, _LIST):
            what = describe(given.without_null())
            self.told.mismatch(f"{sign} goes into a list, and this is {what}", "", sign if sign != "[:]" else "")

    def _nullable(self, made: Type, given: Type, wanted: frozenset[Kind]) -> Type:
        return made if given.kinds == wanted else made.or_null()

    def _chain(self, tree: Tree, given: Type) -> Type:
        for child in tree["children"]:
            given = self.of(child, given)
        return given

    def _flatten(self, tree: Tree, given: Type) -> Type:
        base = self.of(tree["children"][0], given)
        if base.any:
            return ANY
        self._listed(base, "[]")
        items = base.items
        if items is not None and not items.any and "list" in items.kinds:
            inner = items.items if items.items is not None else ANY
            others = items.kinds - _LIST
            items = inner if not others else union(inner, Type(others, items.fields, items.further))
        elif items is not None and items.any:
            items = None
        return self._nullable(listed(items), base, _LIST)

    def _projection(self, tree: Tree, given: Type) -> Type:
        base = self.of(tree["children"][0], given)
        if base.any:
            self.of(tree["children"][1], ANY)
            return ANY
        self._listed(base, "[*]")
        return self._nullable(self._each(base.items, tree["children"][1]), base, _LIST)

    def _filter_projection(self, tree: Tree, given: Type) -> Type:
        source, right, condition = tree["children"]
        base = self.of(source, given)
        if base.any:
            self.of(condition, ANY)
            self.of(right, ANY)
            return ANY
        self._listed(base, "[?")
        items = base.items
        if items is not None:
            self.of(condition, items)
        return self._nullable(self._each(items, right), base, _LIST)

    def _value_projection(self, tree: Tree, given: Type) -> Type:
        base = self.of(tree["children"][0], given)
        if base.any:
            return ANY
        if never(base, _OBJECT):
            what = describe(base.without_null())
            self.told.mismatch(f"* goes over the fields of an object, and this is {what}", "", "*")
        return self._nullable(self._each(values_of(base), tree["children"][1]), base, _OBJECT)

    def _each(self, items: Type | None, right: Tree) -> Type:
        """Return the list of what *right* gives for the elements, without nulls."""
        made = self.of(right, ANY if items is None else items)
        if made.any:
            return listed()
        return listed(made.without_null() if solid(made) else None)

    def _multi_select_list(self, tree: Tree, given: Type) -> Type:
        made = listed(unions(self.of(child, given) for child in tree["children"]))
        return made.or_null() if given.nullable and not given.any else made

    def _multi_select_dict(self, tree: Tree, given: Type) -> Type:
        pairs = {child["value"]: Field(self.of(child["children"][0], given)) for child in tree["children"]}
        made = made_of(pairs)
        return made.or_null() if given.nullable and not given.any else made

    def _or(self, tree: Tree, given: Type) -> Type:
        left, other = self._true(tree["children"][0], given), given
        for found in narrowing.holds(tree["children"][0], False):
            other = narrowed(other, found, value=True)
        right = self.of(tree["children"][1], other)
        return union(left, right) if solid(left) else right

    def _true(self, tree: Tree, given: Type) -> Type:
        """Return the type of what *tree* gives where that is not false: of ``a && b`` only ``b``."""
        if tree["type"] == "and_expression":
            self.of(tree["children"][0], given)
            return self._true(tree["children"][1], given)
        return self.of(tree, given).without_null()

    def _and(self, tree: Tree, given: Type) -> Type:
        left, right = (self.of(child, given) for child in tree["children"])
        if left.any:
            return ANY
        falsy = left.kinds & _FALSY
        return union(Type(falsy, left.fields, left.further, left.items), right) if falsy else right

    def _not(self, tree: Tree, given: Type) -> Type:
        self.of(tree["children"][0], given)
        return BOOLEAN

    def _comparator(self, tree: Tree, given: Type) -> Type:
        one, other = tree["children"]
        left, right = self.of(one, given), self.of(other, given)
        sign = tree["value"]
        if sign in ("eq", "ne"):
            if not left.any and not right.any:
                self._equal(tree, left, right)
            return BOOLEAN
        if kinds.unordered(left, right, kinds.JMESPATH_ORDER):
            self._mixed(tree, left, right, f"{_SIGNS[sign]} orders numbers with numbers and texts with texts")
        ordered = (
            left.any or right.any or any(left.kinds <= group and right.kinds <= group for group in kinds.JMESPATH_ORDER)
        )
        return BOOLEAN if ordered else BOOLEAN.or_null()

    def _equal(self, tree: Tree, left: Type, right: Type) -> None:
        if kinds.disjoint(left, right):
            never = "are always different" if tree["value"] == "ne" else "are never equal"
            self._mixed(tree, left, right, f"they {never}")
            return
        wrong = kinds.strange(left, right)
        if wrong is not None:
            one, other = tree["children"]
            if not (one["type"] == "literal" and other["type"] == "literal"):
                known = other if one["type"] == "literal" else one
                choices = left.choices if known is one else right.choices
                calls.strange(self.told, shown(known), wrong, choices)

    def _mixed(self, tree: Tree, left: Type, right: Type, why: str) -> None:
        one, other = tree["children"]
        message = f"{calls.said(shown(one), left)} and {calls.said(shown(other), right)}; {why}"
        hint, fix = "", ""
        for literal, against in ((one, right), (other, left)):
            if literal["type"] == "literal":
                hint, fix = calls.quoted(self.told, literal["value"], against, ("`", "`"))
        self.told.mismatch(message, hint or calls.CONVERT, _word(one) or _word(other), fix)

    def _function(self, tree: Tree, given: Type) -> Type:
        name, children = tree["value"], tree["children"]
        if name in ("map", "sort_by", "min_by", "max_by"):
            return self._by(name, children, given)
        arguments = [self.of(child, given) for child in children]
        return calls.result(name, arguments, self.told, [shown(child) for child in children])

    def _by(self, name: str, children: list[Tree], given: Type) -> Type:
        reference, items = (children[0], children[1]) if name == "map" else (children[1], children[0])
        base = self.of(items, given)
        calls.argument(self.told, name, base, "list", shown(items))
        element = base.items if base.items is not None and not base.any else ANY
        made = self.of(reference["children"][0], element)
        if name == "map":
            return listed(None if made.any else made)
        if made.kinds != NULL.kinds and never(made, kinds.ARGUMENTS["text or number"][0]):
            what = describe(made.without_null())
            self.told.mismatch(f"{name}() goes by texts or numbers, and this is {what}", "", f"{name}(")
        if base.any:
            return ANY
        return listed(base.items) if name == "sort_by" else element.or_null()


def values_of(given: Type) -> Type | None:
    """Return what the fields of an object are, None where not all are known."""
    if given.further != "no" or not given.fields:
        return None
    return unions(field.type for field in given.fields.values())


def shown(tree: Tree) -> str:
    """Write a part of an expression as people call it."""
    kind = tree["type"]
    if kind == "literal":
        value = tree["value"]
        return f"'{value}'" if isinstance(value, str) else "null" if value is None else str(value)
    if kind == "function_expression":
        return f"{tree['value']}()"
    return ".".join(narrowing.place(tree))


def _word(tree: Tree) -> str:
    found = narrowing.place(tree)
    return found[-1] if found else ""


_FOLLOW: Mapping[str, Callable[[Queries, Tree, Type], Type]] = {
    "identity": Queries._same,
    "current": Queries._same,
    "field": Queries._field,
    "literal": Queries._literal,
    "index": Queries._index,
    "slice": Queries._slice,
    "subexpression": Queries._chain,
    "index_expression": Queries._chain,
    "pipe": Queries._chain,
    "flatten": Queries._flatten,
    "projection": Queries._projection,
    "filter_projection": Queries._filter_projection,
    "value_projection": Queries._value_projection,
    "multi_select_list": Queries._multi_select_list,
    "multi_select_dict": Queries._multi_select_dict,
    "or_expression": Queries._or,
    "and_expression": Queries._and,
    "not_expression": Queries._not,
    "comparator": Queries._comparator,
    "function_expression": Queries._function,
}
