"""Mappings to Python: objects, fields with their ``$`` keys, plain paths, elements."""

from __future__ import annotations

from typing import Any

from engine.errors import RecordError
from engine.expressions.fields import shape
from engine.expressions.generate import runtime
from engine.expressions.generate.query import QueryWriter, as_object, literal
from engine.expressions.generate.text import TextWriter
from engine.expressions.generate.writer import Scope, Writer
from engine.expressions.library.base import kind_of
from engine.expressions.plan import Const, Each, Field, Fields, Items, Lookup, Node, Query, Text, written
from engine.expressions.values import Settings

PLAIN = {"string": (str,), "integer": (int,), "boolean": (bool,), "number": (int,)}
"""The classes a type leaves as they are, without a call."""


def not_a_list(value: Any) -> RecordError:
    """Make the error for ``$each`` over something else."""
    return RecordError("type", f"$each needs a list, got {kind_of(value)}")


def required(name: str) -> RecordError:
    """Make the error for a null in a field that is required."""
    return RecordError("missing-field", name)


class ValueWriter:
    """Writes plans into a function. *given* is the variable JMESPath sees, *names* the variables templates see."""

    def __init__(self, writer: Writer, settings: Settings, queries: QueryWriter, texts: TextWriter) -> None:
        self.writer = writer
        self.settings = settings
        self.queries = queries
        self.texts = texts

    def emit(self, node: Node, given: str, names: dict[str, str], scope: Scope) -> str:
        """Write what evaluates *node*; return an atom: a variable or a literal."""
        with self.writer.at(node.where, node.path):
            if isinstance(node, Lookup):
                return self.lookup(node.steps, given, scope, self.settings.missing == "null")
            if isinstance(node, Query):
                return self.queries.emit(node.tree, given, scope)
            if isinstance(node, Text):
                return self.texts.emit(node.text, names, scope)
            if isinstance(node, Const):
                text = literal(node.value)
                return text if text is not None else self._constant(node.value)
            if isinstance(node, Items):
                return f"[{', '.join([self.emit(item, given, names, scope) for item in node.items])}]"
            if isinstance(node, Fields):
                return self._fields(node, given, names, scope)
            if isinstance(node, Each):
                return self._each(node, given, names, scope, self.settings.missing == "null")
            assert isinstance(node, Field)
            return self._field(node, given, names, scope)

    def _constant(self, value: Any) -> str:
        if isinstance(value, list):
            return f"[{', '.join([literal(item) or self._constant(item) for item in value])}]"
        if isinstance(value, dict):
            return (
                f"{{{', '.join([f'{key!r}: {literal(item) or self._constant(item)}' for key, item in value.items()])}}}"
            )
        return self.writer.constant(value)

    def _fields(self, node: Fields, given: str, names: dict[str, str], scope: Scope) -> str:
        pairs = [f"{name!r}: {self.emit(item, given, names, scope)}" for name, item in node.fields]
        return f"{{{', '.join(pairs)}}}"

    def lookup(self, steps: tuple[str | int, ...], given: str, scope: Scope, lenient: bool) -> str:
        """Write a plain path; a KeyError of its lines means that the field up to there is absent."""
        current = given
        for position, step in enumerate(steps):
            key = ("path", steps[: position + 1], given, lenient)
            if key not in scope.memo:
                scope.memo[key] = self._step(current, step, steps[: position + 1], scope, lenient)
                if isinstance(step, str):
                    # where the step was found, JMESPath finds the same
                    scope.memo.setdefault(("field", step, current), scope.memo[key])
            current = scope.memo[key]
        return current

    def _step(self, current: str, step: str | int, so_far: tuple[str | int, ...], scope: Scope, lenient: bool) -> str:
        writer = self.writer
        if lenient:
            if isinstance(step, str):
                return self.queries.emit({"type": "field", "value": step, "children": []}, current, scope)
            return self.queries.emit({"type": "index", "value": step, "children": []}, current, scope)
        absent = written(so_far)
        if len(so_far) == 1 and isinstance(step, str):
            return writer.let(f"{as_object(writer, scope, current)}[{step!r}]", absent)
        kind = "dict" if isinstance(step, str) else "list"
        other = f"{writer.constant(runtime.item, 'item')}({current}, {absent!r})"
        return writer.let(f"{current}[{step!r}] if {current}.__class__ is {kind} else {other}", absent)

    def _each(self, node: Each, given: str, names: dict[str, str], scope: Scope, lenient: bool) -> str:
        writer = self.writer
        base = self._source(node.source, given, names, scope, lenient)
        made, element = writer.let("None"), writer.temp()
        with writer.block(f"if {base} is not None:"):
            with writer.block(f"if {base}.__class__ is not list:"):
                writer.line(f"raise {writer.constant(not_a_list, 'not_a_list')}({base})")
            writer.line(f"{made} = []")
            with writer.loop(f"for {element} in {base}:"):
                self.queries.roots.add(element)
                inner = scope.inner()
                result = self.emit(node.body, element, {**names, "item": element}, inner)
                writer.line(f"{made}.append({result})")
        return made

    def _source(self, node: Node, given: str, names: dict[str, str], scope: Scope, lenient: bool) -> str:
        with self.writer.at(node.where, node.path):
            if isinstance(node, Lookup):
                return self._atom(self.lookup(node.steps, given, scope, lenient))
            if isinstance(node, Each):
                return self._each(node, given, names, scope, lenient)
            if isinstance(node, Text) and lenient:
                return self._atom(self.texts.emit(node.text, names, scope, lenient=True))
            return self._atom(self.emit(node, given, names, scope))

    def _atom(self, text: str) -> str:
        """Return a variable: a literal gets one."""
        return text if text.isidentifier() and text not in ("None", "True", "False") else self.writer.let(text)

    def _field(self, node: Field, given: str, names: dict[str, str], scope: Scope) -> str:
        writer = self.writer
        lenient = node.has_default or node.required is False or (not node.required and self.settings.missing == "null")
        source = self._source(node.source, given, names, scope, lenient)
        finish = shape(node, self.settings)
        made = source
        if finish is not None:
            call = f"{writer.constant(finish, 'shape')}({source})"
            same = PLAIN.get(node.type or "") if node.scale is None and node.format is None else None
            if same:
                test = " or ".join(f"{source}.__class__ is {self._class(kind)}" for kind in (*same, type(None)))
                made = writer.let(f"{source} if {test} else {call}")
            else:
                made = writer.let(f"{call} if {source} is not None else None")
        if node.has_default:
            if made == source:
                made = writer.let(source)
            default = literal(node.default) or self._constant(node.default)
            writer.line(f"if {made} is None: {made} = {default}")
        elif node.required:
            name = (
                written(node.source.steps)
                if isinstance(node.source, Lookup)
                else str(node.path[-1] if node.path else "value")
            )
            writer.line(f"if {made} is None: raise {writer.constant(required, 'required')}({name!r})")
        return made

    def _class(self, kind: type) -> str:
        return self.writer.constant(kind, "null") if kind is type(None) else kind.__name__
