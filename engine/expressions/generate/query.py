"""JMESPath trees to Python: one statement and one variable per node, shared where the same is asked twice."""

from __future__ import annotations

import math
from typing import Any

from engine.expressions.generate import runtime, stock
from engine.expressions.generate.writer import Scope, Writer
from engine.expressions.library import library
from engine.expressions.library.base import NUMBERS
from engine.expressions.values import Settings

Tree = dict[str, Any]
_SIGNS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_INLINE = {"upper": "upper()", "lower": "lower()", "trim": "strip()"}


def literal(value: Any) -> str | None:
    """Write plain data as a Python display; None where there is none, as for NaN."""
    if value is None or value.__class__ in (bool, int, str):
        return repr(value)
    if value.__class__ is float:
        return repr(value) if math.isfinite(value) else None
    if value.__class__ is list:
        parts = [literal(item) for item in value]
        return None if None in parts else f"[{', '.join(map(str, parts))}]"
    if value.__class__ is dict:
        pairs = [(repr(key), literal(item)) for key, item in value.items()]
        return None if any(item is None for _, item in pairs) else f"{{{', '.join(f'{k}: {v}' for k, v in pairs)}}}"
    return None


def as_object(writer: Writer, scope: Scope, name: str) -> str:
    """Return a variable that is *name* where that is an object, else an empty one."""
    key = ("object", name)
    if key not in scope.memo:
        empty = writer.constant(runtime.EMPTY, "empty")
        scope.memo[key] = writer.let(f"{name} if {name}.__class__ is dict else {empty}")
    return scope.memo[key]


def key_of(tree: Any) -> Any:
    """Make a hashable form of a tree, to see when two are the same."""
    if isinstance(tree, dict):
        return (dict, *((name, key_of(value)) for name, value in tree.items()))
    if isinstance(tree, list):
        return (list, *map(key_of, tree))
    return (tree.__class__, repr(tree)) if isinstance(tree, (float, int)) else tree


class QueryWriter:
    """Writes JMESPath trees into a function."""

    def __init__(self, writer: Writer, settings: Settings) -> None:
        self.writer = writer
        self.settings = settings
        self.roots: set[str] = set()
        """Variables whose fields are looked up often: records and elements."""

    def emit(self, tree: Tree, given: str, scope: Scope) -> str:
        """Write what evaluates *tree* on the variable *given*; return the variable that holds the result."""
        kind = tree["type"]
        if kind in ("identity", "current"):
            return given
        key = ("field", tree["value"], given) if kind == "field" else (key_of(tree), given)
        if key not in scope.memo:
            scope.memo[key] = getattr(self, f"_{kind}")(tree, given, scope)
        return scope.memo[key]

    def _field(self, tree: Tree, given: str, scope: Scope) -> str:
        name = repr(tree["value"])
        if given in self.roots:
            return self.writer.let(f"{as_object(self.writer, scope, given)}.get({name})")
        return self.writer.let(f"{given}.get({name}) if {given}.__class__ is dict else None")

    def _literal(self, tree: Tree, given: str, scope: Scope) -> str:
        text = literal(tree["value"])
        return self.writer.let(text if text is not None else self.writer.constant(tree["value"]))

    def _index(self, tree: Tree, given: str, scope: Scope) -> str:
        index = tree["value"]
        enough = f"len({given}) > {index}" if index >= 0 else f"len({given}) >= {-index}"
        return self.writer.let(f"{given}[{index}] if {given}.__class__ is list and {enough} else None")

    def _slice(self, tree: Tree, given: str, scope: Scope) -> str:
        parts = ":".join("" if part is None else str(int(part)) for part in tree["children"])
        return self.writer.let(f"{given}[{parts}] if {given}.__class__ is list else None")

    def _subexpression(self, tree: Tree, given: str, scope: Scope) -> str:
        for child in tree["children"]:
            given = self.emit(child, given, scope)
        return given

    _index_expression = _subexpression
    _pipe = _subexpression

    def _flatten(self, tree: Tree, given: str, scope: Scope) -> str:
        base = self.emit(tree["children"][0], given, scope)
        return self.writer.let(f"{self.writer.constant(runtime.flatten, 'flatten')}({base})")

    def _projection(self, tree: Tree, given: str, scope: Scope) -> str:
        base = self.emit(tree["children"][0], given, scope)
        return self._collect(base, "list", tree["children"][1], scope)

    def _value_projection(self, tree: Tree, given: str, scope: Scope) -> str:
        base = self.emit(tree["children"][0], given, scope)
        return self._collect(base, "dict", tree["children"][1], scope)

    def _filter_projection(self, tree: Tree, given: str, scope: Scope) -> str:
        base = self.emit(tree["children"][0], given, scope)
        right, condition = tree["children"][1:]
        return self._collect(base, "list", right, scope, condition)

    def _collect(self, base: str, kind: str, right: Tree, scope: Scope, condition: Tree | None = None) -> str:
        test = f"{base}.__class__ is {kind}"
        elements = base if kind == "list" else f"{base}.values()"
        writer, made, element = self.writer, self.writer.temp(), self.writer.temp()
        if right["type"] == "identity" and condition is None:
            writer.line(
                f"{made} = [{element} for {element} in {elements} if {element} is not None] if {test} else None"
            )
            return made
        writer.line(f"{made} = None")
        with writer.block(f"if {test}:"):
            writer.line(f"{made} = []")
            with writer.loop(f"for {element} in {elements}:"):
                inner = scope.inner()
                self.roots.add(element)
                if condition is not None:
                    holds = self.emit(condition, element, inner)
                    writer.line(f"if {self.is_false(holds, inner)}: continue")
                result = self.emit(right, element, inner)
                writer.line(f"if {result} is not None: {made}.append({result})")
        return made

    def is_false(self, name: str, scope: Scope) -> str:
        """Write the test for what JMESPath takes as false: null, false, and what is empty; 0 is not."""
        if name in scope.booleans:
            return f"not {name}"
        return f"not {name} and {name}.__class__ not in {self.writer.constant(NUMBERS, 'numbers')}"

    def _or_expression(self, tree: Tree, given: str, scope: Scope) -> str:
        return self._lazy(tree, given, scope, when_false=True)

    def _and_expression(self, tree: Tree, given: str, scope: Scope) -> str:
        return self._lazy(tree, given, scope, when_false=False)

    def _lazy(self, tree: Tree, given: str, scope: Scope, when_false: bool) -> str:
        writer = self.writer
        left = self.emit(tree["children"][0], given, scope)
        made = writer.let(left)
        test = self.is_false(left, scope)
        with writer.block(f"if {test}:" if when_false else f"if not ({test}):"):
            inner = scope.inner()
            right = self.emit(tree["children"][1], given, inner)
            writer.line(f"{made} = {right}")
        if left in scope.booleans and right in inner.booleans:
            scope.booleans.add(made)
        return made

    def _not_expression(self, tree: Tree, given: str, scope: Scope) -> str:
        operand = self.emit(tree["children"][0], given, scope)
        made = self.writer.let(self.is_false(operand, scope))
        scope.booleans.add(made)
        return made

    def _multi_select_list(self, tree: Tree, given: str, scope: Scope) -> str:
        return self._select(tree, given, scope, lambda parts: f"[{', '.join(parts)}]")

    def _multi_select_dict(self, tree: Tree, given: str, scope: Scope) -> str:
        names = [repr(child["value"]) for child in tree["children"]]
        return self._select(
            tree, given, scope, lambda parts: f"{{{', '.join(f'{n}: {p}' for n, p in zip(names, parts, strict=True))}}}"
        )

    def _select(self, tree: Tree, given: str, scope: Scope, write: Any) -> str:
        made = self.writer.let("None")
        with self.writer.block(f"if {given} is not None:"):
            inner = scope.inner()
            parts = [self.emit(child, given, inner) for child in tree["children"]]
            self.writer.line(f"{made} = {write(parts)}")
        return made

    def _key_val_pair(self, tree: Tree, given: str, scope: Scope) -> str:
        return self.emit(tree["children"][0], given, scope)

    def _comparator(self, tree: Tree, given: str, scope: Scope) -> str:
        left, right = tree["children"]
        sign = tree["value"]
        if sign in ("eq", "ne"):
            made = self.writer.let(self._equality(sign, left, right, given, scope))
            scope.booleans.add(made)
            return made
        return self.writer.let(self._order(sign, left, right, given, scope))

    def _equality(self, sign: str, left: Tree, right: Tree, given: str, scope: Scope) -> str:
        if left["type"] == "literal" and right["type"] != "literal":
            left, right = right, left
        one = self.emit(left, given, scope)
        negate = "not " if sign == "ne" else ""
        if right["type"] == "literal":
            value = right["value"]
            if value is None or value is True or value is False:
                return f"{one} is {negate}{value!r}"
            if value.__class__ is str:
                return f"{one} {'!=' if negate else '=='} {value!r}"
            if value.__class__ is int:
                test = f"{one} == {value!r}" + (f" and {one}.__class__ is not bool" if value in (0, 1) else "")
                return f"not ({test})" if negate else test
            if value.__class__ is float and math.isfinite(value):
                slow = f"{self.writer.constant(runtime.equal, 'equal')}({one}, {value!r})"
                test = f"{one} == {value!r} if {one}.__class__ is float or {one}.__class__ is int else {slow}"
                return f"not ({test})" if negate else test
        other = self.emit(right, given, scope)
        return f"{negate}{self.writer.constant(runtime.equal, 'equal')}({one}, {other})"

    def _order(self, sign: str, left: Tree, right: Tree, given: str, scope: Scope) -> str:
        one = self.emit(left, given, scope)
        helper = self.writer.constant(runtime.ORDER[sign], sign)
        value = right["value"] if right["type"] == "literal" else None
        if value.__class__ in (int, float) and math.isfinite(value):
            kinds = f"{one}.__class__ is int or {one}.__class__ is float"
            return f"{one} {_SIGNS[sign]} {value!r} if {kinds} else {helper}({one}, {value!r})"
        if value.__class__ is str:
            return f"{one} {_SIGNS[sign]} {value!r} if {one}.__class__ is str else {helper}({one}, {value!r})"
        return f"{helper}({one}, {self.emit(right, given, scope)})"

    def _function_expression(self, tree: Tree, given: str, scope: Scope) -> str:
        name = tree["value"]
        if name == "map":
            return self._map(tree, given, scope)
        if name in stock.BY:
            return self._by(name, tree, given, scope)
        arguments = [self.emit(child, given, scope) for child in tree["children"]]
        made = self.call(name, arguments)
        if name in ("contains", "starts_with", "ends_with"):
            scope.booleans.add(made)
        return made

    def call(self, name: str, arguments: list[str]) -> str:
        """Write the call of a function; return the variable of its result."""
        given = ", ".join(arguments)
        if name in stock.STOCK:
            return self.writer.let(f"{self.writer.constant(stock.STOCK[name], name)}({given})")
        function = library()[name]
        bound = self.writer.constant(function.call, f"f_{name}")
        if name in _INLINE and len(arguments) == 1:
            return self.writer.let(f"{given}.{_INLINE[name]} if {given}.__class__ is str else {bound}({given})")
        if function.needs == "now":
            self.writer.uses.add("now")
            given = f"now, {given}"
        elif function.needs:
            given = f"{self.writer.constant(self.settings, 'settings')}, {given}"
        return self.writer.let(f"{bound}({given})")

    def _each(self, base: str, expression: Tree, scope: Scope) -> str:
        writer = self.writer
        made, element = writer.let("[]"), writer.temp()
        with writer.loop(f"for {element} in {base}:"):
            inner = scope.inner()
            self.roots.add(element)
            writer.line(f"{made}.append({self.emit(expression, element, inner)})")
        return made

    def _map(self, tree: Tree, given: str, scope: Scope) -> str:
        reference, items = tree["children"]
        base = self._checked("map", self.emit(items, given, scope))
        return self._each(base, reference["children"][0], scope)

    def _checked(self, name: str, base: str) -> str:
        check = self.writer.constant(stock.a_list, "a_list")
        return self.writer.let(f"{base} if {base}.__class__ is list else {check}({base}, {name!r})")

    def _by(self, name: str, tree: Tree, given: str, scope: Scope) -> str:
        items, reference = tree["children"]
        base = self._checked(name, self.emit(items, given, scope))
        marks = self._each(base, reference["children"][0], scope)
        return self.writer.let(f"{self.writer.constant(stock.BY[name], name)}({base}, {marks})")
