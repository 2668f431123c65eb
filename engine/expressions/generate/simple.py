"""The templates that become generated code: paths, library filters, arithmetic, comparisons, conditions."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes

from engine.expressions import convert
from engine.expressions.generate import runtime
from engine.expressions.generate.query import as_object, literal
from engine.expressions.generate.text import RECORDS
from engine.expressions.generate.writer import Scope, Writer
from engine.expressions.jinja import filters, limits, lists
from engine.expressions.jinja.code import place_of
from engine.expressions.jinja.data import write_json
from engine.expressions.jinja.sandbox import in_text
from engine.expressions.library import library
from engine.expressions.library.base import MAX_TEXT, too_large
from engine.expressions.values import Settings

_INLINE = {"upper": "upper()", "lower": "lower()", "trim": "strip()"}
_OWN = {
    "tojson": write_json,
    "string": convert.to_text,
    "int": convert.to_integer,
    "number": convert.to_number,
    "decimal": convert.to_decimal,
    "length": lists.length,
    "count": lists.length,
    "urlencode": filters.PLAIN["urlencode"],
}
_ORDERED = {"eq", "ne", "lt", "lteq", "gt", "gteq"}


def is_simple(node: Any, names: dict[str, str]) -> bool:
    """Return whether an expression of a template is of the simple kind."""
    if isinstance(node, nodes.TemplateData):
        return True
    if isinstance(node, nodes.Const):
        return literal(node.value) is not None
    if isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem)):
        return _path(node, names) is not None
    if isinstance(node, nodes.Filter):
        return (
            not node.kwargs
            and _filter_is_simple(node)
            and all(is_simple(part, names) for part in (node.node, *node.args))
        )
    if isinstance(node, nodes.Call):
        named = isinstance(node.node, nodes.Name) and node.node.name in library()
        return named and not node.kwargs and all(is_simple(part, names) for part in node.args)
    if isinstance(node, nodes.BinExpr):
        return is_simple(node.left, names) and is_simple(node.right, names)
    if isinstance(node, nodes.Compare):
        return (
            len(node.ops) == 1
            and node.ops[0].op in _ORDERED
            and all(is_simple(part, names) for part in (node.expr, node.ops[0].expr))
        )
    if isinstance(node, nodes.Not):
        return is_simple(node.node, names)
    if isinstance(node, nodes.Concat):
        return all(is_simple(part, names) for part in node.nodes)
    if isinstance(node, nodes.CondExpr):
        return node.expr2 is not None and all(is_simple(part, names) for part in (node.test, node.expr1, node.expr2))
    return False


def _filter_is_simple(node: nodes.Filter) -> bool:
    if node.name in ("default", "d"):
        return len(node.args) <= 1
    return node.name in library() or (node.name in _OWN and not node.args)


def _path(node: Any, names: dict[str, str]) -> list[str | int] | None:
    """Return the steps of a lookup that begins at a known name."""
    parts: list[str | int] = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        key = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
        if key.__class__ not in (str, int):
            return None
        parts.insert(0, key)
        node = node.node
    if not isinstance(node, nodes.Name) or node.name not in names:
        return None
    return [node.name, *parts]


class SimpleWriter:
    """Writes the expressions of one template."""

    def __init__(self, writer: Writer, settings: Settings, names: dict[str, str], scope: Scope) -> None:
        self.writer = writer
        self.settings = settings
        self.names = names
        self.scope = scope

    def single(self, node: Any, lenient: bool) -> str:
        """Write a template that is one value."""
        if lenient and isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem)):
            return self._lookup(node, True)
        return self.value(node)

    def text(self, parts: list[Any]) -> str:
        """Write a template that is a text."""
        writer = self.writer
        pieces = " ".join([self._piece(part) for part in parts])
        made = writer.let(f"({pieces}).strip()")
        writer.line(f"if len({made}) > {MAX_TEXT}: raise {writer.constant(too_large, 'too_large')}('the template')")
        return made

    def _piece(self, part: Any) -> str:
        """Write one of the adjacent literals that Python joins into one f-string."""
        if isinstance(part, nodes.TemplateData):
            return repr(part.data)
        return "f'{" + self._as_text(self.value(part)) + "}'"

    def _as_text(self, name: str) -> str:
        return self.writer.let(
            f"{name} if {name}.__class__ is str else {self.writer.constant(in_text, 'in_text')}({name})"
        )

    def value(self, node: Any) -> str:
        """Write an expression; return the variable of its value."""
        if isinstance(node, nodes.Const):
            return self.writer.let(str(literal(node.value)))
        if isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem)):
            return self._lookup(node, False)
        if isinstance(node, nodes.Filter):
            return self._filter(node)
        if isinstance(node, nodes.Call):
            return self._function(node.node.name, [self.value(part) for part in node.args])  # type: ignore[attr-defined]
        if isinstance(node, nodes.CondExpr):
            return self._choice(node)
        if isinstance(node, nodes.Concat):
            joined = self.writer.constant(limits.joined, "joined")
            return self.writer.let(
                f"{joined}(({''.join(self._as_text(self.value(part)) + ', ' for part in node.nodes)}))"
            )
        return self._operator(node)

    def _operator(self, node: Any) -> str:
        writer = self.writer
        if isinstance(node, nodes.Not):
            return writer.let(f"not {self.value(node.node)}")
        if isinstance(node, nodes.Compare):
            left, right = self.value(node.expr), self.value(node.ops[0].expr)
            return writer.let(f"{writer.constant(limits.compare, 'compare')}({node.ops[0].op!r}, {left}, {right})")
        if isinstance(node, (nodes.And, nodes.Or)):
            made = writer.let(self.value(node.left))
            with writer.block(f"if {'' if isinstance(node, nodes.And) else 'not '}{made}:"):
                writer.line(f"{made} = {self._inside(node.right)}")
            return made
        left, right = self.value(node.left), self.value(node.right)
        return writer.let(f"{writer.constant(limits.calculate, 'calculate')}({node.operator!r}, {left}, {right})")

    def _inside(self, node: Any) -> str:
        """Write an expression that may not run: what it finds is not known outside."""
        return SimpleWriter(self.writer, self.settings, self.names, self.scope.inner()).value(node)

    def _choice(self, node: nodes.CondExpr) -> str:
        test = self.value(node.test)
        made = self.writer.temp()
        with self.writer.block(f"if {test}:"):
            self.writer.line(f"{made} = {self._inside(node.expr1)}")
        with self.writer.block("else:"):
            self.writer.line(f"{made} = {self._inside(node.expr2)}")
        return made

    def _filter(self, node: nodes.Filter) -> str:
        if node.name in ("default", "d"):
            return self._default(node)
        arguments = [self.value(part) for part in (node.node, *node.args)]
        return self._function(node.name, arguments)

    def _default(self, node: nodes.Filter) -> str:
        inner = node.node
        if isinstance(inner, (nodes.Name, nodes.Getattr, nodes.Getitem)):
            found = self._lookup(inner, True)
        else:
            found = self.value(inner)
        made = self.writer.let(found)
        with self.writer.block(f"if {made} is None:"):
            self.writer.line(f"{made} = {self._inside(node.args[0]) if node.args else repr('')}")
        return made

    def _function(self, name: str, arguments: list[str]) -> str:
        writer, given = self.writer, ", ".join(arguments)
        if name in _OWN and name not in library():
            return writer.let(f"{writer.constant(_OWN[name], 'filter')}({given})")
        function = library()[name]
        bound = writer.constant(function.call, f"f_{name}")
        if name in _INLINE and len(arguments) == 1:
            return writer.let(f"{given}.{_INLINE[name]} if {given}.__class__ is str else {bound}({given})")
        if function.needs == "now":
            writer.uses.add("now")
            given = f"now, {given}"
        elif function.needs:
            given = f"{writer.constant(self.settings, 'settings')}, {given}"
        return writer.let(f"{bound}({given})")

    def _lookup(self, node: Any, lenient: bool) -> str:
        steps = _path(node, self.names)
        assert steps is not None
        name = str(steps[0])
        current = self.names[name]
        self.writer.uses.add(name)
        for position, step in enumerate(steps[1:], 1):
            key = ("template path", tuple(steps[: position + 1]), self.names[name], lenient)
            if key not in self.scope.memo:
                shown = place_of(_prefix(node, len(steps) - 1 - position))
                self.scope.memo[key] = self._step(current, step, shown, lenient, name in RECORDS and position == 1)
            current = self.scope.memo[key]
        return current

    def _step(self, current: str, step: str | int, place: str, lenient: bool, first: bool) -> str:
        writer = self.writer
        if first and isinstance(step, str):
            known = self.scope.memo.get(("path", (step,), current, False))
            if known:
                return known
            source = as_object(writer, self.scope, current)
            found = writer.let(f"{source}.get({step!r})") if lenient else writer.let(f"{source}[{step!r}]", place)
            if not lenient:
                self.scope.memo.setdefault(("path", (step,), current, False), found)
            self.scope.memo.setdefault(("field", step, current), found)
            return found
        helper = runtime.attribute_or_null if lenient else runtime.attribute
        slow = f"{writer.constant(helper, 'attribute')}({current}, {step!r})"
        if isinstance(step, int):
            return writer.let(slow, place)
        fast = f"{current}.get({step!r})" if lenient else f"{current}[{step!r}]"
        return writer.let(f"{fast} if {current}.__class__ is dict else {slow}", place)


def _prefix(node: Any, levels: int) -> Any:
    for _ in range(levels):
        node = node.node
    return node
