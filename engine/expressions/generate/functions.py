"""Whole functions: a batch through steps, one value or condition of a record, a document, a template's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from engine.errors import RecordError, dotted
from engine.expressions.generate.blame import blame
from engine.expressions.generate.query import QueryWriter
from engine.expressions.generate.text import TextWriter
from engine.expressions.generate.values import ValueWriter
from engine.expressions.generate.writer import Generated, Scope, Site, Writer
from engine.expressions.library.allowance import begin
from engine.expressions.plan import Node, Text
from engine.expressions.program import Check, Filter, Map, OmitNull, Remove, SetFields, Step, Switch, Validate
from engine.expressions.schema import compile_schema
from engine.expressions.shaping import boolean, without, without_null
from engine.expressions.values import ALL_NAMES, Settings

FRAME = ("params", "trigger", "run", "vars", "results")
_FREE = {name: name for name in FRAME}


class FunctionWriter:
    """Everything one generated function is made with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.writer = Writer()
        self.queries = QueryWriter(self.writer, settings)
        self.texts = TextWriter(self.writer, settings, self._slow)
        self.sessions: list[str] = []
        self.values = ValueWriter(self.writer, settings, self.queries, self.texts)

    def _slow(self, rendering: Any, names: dict[str, str], lenient: bool) -> str:
        """Write a rendering in the sandbox; the names it sees stand in the dictionary ``seen``."""
        self.writer.uses.add("seen")
        session = f"s{len(self.sessions)}"
        made = self.writer.constant(rendering, "rendering")
        self.sessions.append(f"{session} = {made}.session(seen, {lenient})")
        for name, variable in sorted(names.items()):
            if variable != name:
                self.writer.line(f"seen[{name!r}] = {variable}")
        return self.writer.let(f"{session}()")

    def condition(self, node: Node, given: str, names: dict[str, str], scope: Scope) -> str:
        """Write a condition; return the variable, which is true or false."""
        found = self.values.emit(node, given, names, scope)
        if found in ("True", "False"):
            return found
        name = found if found.isidentifier() else self.writer.let(found)
        if name in scope.booleans:
            return name
        with self.writer.at(node.where, node.path):
            check = self.writer.constant(boolean, "boolean")
            self.writer.line(f"if {name} is not True and {name} is not False: {check}({name})")
        return name

    def frame_lines(self) -> list[str]:
        """Give the lines that take from the frame what is used."""
        uses = self.writer.uses
        lines = ["now = frame.now"] if uses & {"now", "seen"} else []
        lines += [f"{name} = frame.{name}" for name in FRAME if name in uses or "seen" in uses]
        if "seen" in uses:
            lines.append(f"seen = {{{', '.join(f'{name!r}: {name}' for name in FRAME)}, '_now': now}}")
        return lines + self.sessions


class BatchWriter(FunctionWriter):
    """Writes a run of steps as one function over a batch."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.counters: dict[str, str] = {}
        self.record = "r"

    def write(self, steps: tuple[Step, ...]) -> Generated:
        """Write the function: records, metas, inputs, frame → records, origin, dropped, None."""
        writer = self.writer
        self.queries.roots.add("r")
        writer.indent = 2
        scope = Scope()
        last = self.steps(steps, "r", scope)
        writer.line(f"put({last})")
        writer.indent = 1
        counts = ", ".join(f"{place!r}: {counter}" for place, counter in self.counters.items())
        origin = (
            "range(len(records)) if not gone else kept(len(records), gone)" if self.counters else "range(len(records))"
        )
        dropped = f"{{place: count for place, count in {{{counts}}}.items() if count}}" if counts else "{}"
        writer.line(f"return out, {origin}, {dropped}, None")
        writer.space["kept"] = kept
        prologue = [*self.frame_lines(), "out = []", "put = out.append"]
        if self.counters:
            prologue += ["gone = []", *(f"{counter} = 0" for counter in self.counters.values())]
        both = writer.uses & {"meta", "input", "seen"}
        prologue.append("for r, m, p in zip(records, metas, inputs):" if both else "for r in records:")
        return writer.finish("def run(records, metas, inputs, frame):", prologue)

    def names(self, record: str) -> dict[str, str]:
        """Give the variables templates see."""
        return {**_FREE, "record": record, "meta": "m", "input": "p"}

    def steps(self, steps: tuple[Step, ...], record: str, scope: Scope) -> str:
        """Write steps one after the other; return the variable of the record they make."""
        for step in steps:
            with self.writer.at(step.where, step.path):
                record = self._writers[type(step)](self, step, record, scope)
        return record

    def _filter(self, step: Filter, record: str, scope: Scope) -> str:
        holds = self.condition(step.condition, record, self.names(record), scope)
        counter = self.counters.setdefault(step.where, f"d{len(self.counters)}")
        with self.writer.block(f"if not {holds}:"):
            self.writer.line(f"gone.append(len(out) + len(gone)); {counter} += 1; continue")
        return record

    def _map(self, step: Map, record: str, scope: Scope) -> str:
        return self._fresh(self.values.emit(step.value, record, self.names(record), scope))

    def _fresh(self, value: str) -> str:
        made = self.writer.let(value)
        self.queries.roots.add(made)
        return made

    def _set(self, step: SetFields, record: str, scope: Scope) -> str:
        with self.writer.block(f"if {record}.__class__ is not dict:"):
            self.writer.line(f"raise {self.writer.constant(not_an_object, 'not_an_object')}()")
        value = self.values.emit(step.fields, record, self.names(record), scope)
        return self._fresh("{**" + record + (", " + value[1:] if value != "{}" else "}"))

    def _remove(self, step: Remove, record: str, scope: Scope) -> str:
        simple = [path[0] for path in step.paths if len(path) == 1]
        made = record
        if simple:
            made = self._fresh(f"{record}.copy() if {record}.__class__ is dict else {record}")
            with self.writer.block(f"if {made}.__class__ is dict:"):
                for name in simple:
                    self.writer.line(f"{made}.pop({name!r}, None)")
        for path in step.paths:
            if len(path) > 1:
                made = self._fresh(f"{self.writer.constant(without, 'without')}({made}, {path!r})")
        return made

    def _check(self, step: Check, record: str, scope: Scope) -> str:
        writer = self.writer
        holds = self.condition(step.that, record, self.names(record), scope)
        with writer.block(f"if not {holds}:"):
            refuse = writer.constant(RecordError, "refuse")
            if isinstance(step.message, Node):
                words = self.values.emit(step.message, record, self.names(record), scope.inner())
                writer.line(f"raise {refuse}({step.code!r}, str({words}))")
            else:
                writer.line(f"raise {refuse}({step.code!r}, {step.message!r})")
        return record

    def _validate(self, step: Validate, record: str, scope: Scope) -> str:
        self.writer.line(f"{self.writer.constant(checker(step.schema), 'valid')}({record})")
        return record

    def _switch(self, step: Switch, record: str, scope: Scope) -> str:
        made = self._fresh(record)
        self._cases(step.cases, record, made, scope)
        return made

    def _cases(self, cases: Any, record: str, made: str, scope: Scope) -> None:
        """Write the first case that holds; the next one's condition is asked only where this one's does not."""
        if not cases:
            return
        writer, (when, steps) = self.writer, cases[0]
        if when is None:
            writer.line(f"{made} = {self.steps(steps, record, scope.inner())}")
            return
        holds = self.condition(when, record, self.names(record), scope)
        with writer.block(f"if {holds}:"):
            writer.line(f"{made} = {self.steps(steps, record, scope.inner())}")
        if cases[1:]:
            with writer.block("else:"):
                self._cases(cases[1:], record, made, scope.inner())

    def _omit_null(self, step: OmitNull, record: str, scope: Scope) -> str:
        return self._fresh(f"{self.writer.constant(without_null, 'without_null')}({record})")

    _writers: ClassVar[dict[type[Step], Callable[..., str]]] = {
        Filter: _filter,
        Map: _map,
        SetFields: _set,
        Remove: _remove,
        Check: _check,
        Validate: _validate,
        Switch: _switch,
        OmitNull: _omit_null,
    }


def kept(count: int, gone: list[int]) -> list[int]:
    """Give the indexes that are not gone."""
    without_them = set(gone)
    return [index for index in range(count) if index not in without_them]


def not_an_object() -> RecordError:
    """Make the error for ``set`` on something else."""
    return RecordError("type", "set needs a record that is an object")


def checker(schema: Any) -> Callable[[Any], None]:
    """Return what raises RecordError for a record that does not fit a schema."""
    find = compile_schema(schema)

    def check(record: Any) -> None:
        found = find(record)
        if found:
            path, message = found[0]
            raise RecordError("schema", f"{dotted(path)}: {message}" if path else message)

    return check


_COUNTED = ("f_", "join", "to_string")
"""How names of functions that make text begin, in generated code."""


def guarded(made: Generated, batches: bool = False) -> Callable[..., Any]:
    """Return the function with its exceptions as record errors; what its functions make is counted anew each time."""
    run = made.run
    counted = any(name.startswith(_COUNTED) for name in made.run.__globals__)

    def call(*arguments: Any) -> Any:
        if counted:
            begin(len(arguments[0]) if batches else 1)
        try:
            return run(*arguments)
        except Exception as error:
            raise blame(error, made) from error

    return call


def batch(steps: tuple[Step, ...], settings: Settings) -> Generated:
    """Generate a run of steps."""
    return BatchWriter(settings).write(steps)


def single(node: Node, settings: Settings, as_condition: bool = False) -> Generated:
    """Generate a value or a condition: record, meta, input, frame → value."""
    writer = FunctionWriter(settings)
    writer.queries.roots.add("r")
    names = {**_FREE, "record": "r", "meta": "m", "input": "p"}
    emit = writer.condition if as_condition else writer.values.emit
    writer.writer.line(f"return {emit(node, 'r', names, Scope())}")
    return writer.writer.finish("def run(r, m, p, frame):", writer.frame_lines())


def query(node: Node, settings: Settings) -> Generated:
    """Generate JMESPath over a document: document → value."""
    writer = FunctionWriter(settings)
    writer.queries.roots.add("r")
    writer.writer.line(f"return {writer.values.emit(node, 'r', {}, Scope())}")
    prologue = [f"now = {writer.writer.constant(settings.clock, 'clock')}()"] if "now" in writer.writer.uses else []
    return writer.writer.finish("def run(r):", prologue)


def template(text: str, settings: Settings) -> Generated | None:
    """Generate a template over given names (``_now`` among them); None: it needs the sandbox."""
    writer = FunctionWriter(settings)
    names = {name: f"n_{name}" for name in ALL_NAMES}
    made = writer.values.emit(Text((), text), "None", names, Scope())
    body = writer.writer
    if "seen" in body.uses:
        return None
    body.line(f"return {made}")
    used = sorted(body.uses & ALL_NAMES)
    body.lines[:0] = [(f" n_{name} = names[{name!r}]", Site("", name)) for name in used]
    return body.finish("def run(names):", ["now = names['_now']"] if "now" in body.uses else [])
