"""Reads ``steps`` into a plan: what each step does to a record, in order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from engine import regular
from engine.errors import Path, RecordError, dotted
from engine.expressions.paths import field_path, plain_path
from engine.expressions.plan import Fields, Node
from engine.expressions.query import nearest
from engine.expressions.reader import Reader
from engine.expressions.values import Settings, StepLike

MAX_SCHEMA = 4 << 20

KINDS = ("filter", "map", "set", "remove", "check", "validate", "split", "switch")
ASKING = ("lookup", "call")
"""Steps that ask a remote system: not part of any function, but part of what a record becomes."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Step:
    """A step; *path* is where its body stands."""

    path: Path

    @property
    def where(self) -> str:
        """The place as failures carry it."""
        return dotted(self.path)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Filter(Step):
    """Keeps the records for which the condition holds."""

    condition: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Map(Step):
    """Makes a new record."""

    value: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SetFields(Step):
    """Puts fields on the record; all of them see the record as it came."""

    fields: Fields


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Remove(Step):
    """Takes fields off."""

    paths: tuple[tuple[str | int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Check(Step):
    """Rejects with the author's words."""

    that: Node
    code: str
    message: Node | str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Validate(Step):
    """Rejects what does not fit a JSON Schema."""

    schema: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Split(Step):
    """One record per element."""

    source: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Switch(Step):
    """The first case that holds."""

    cases: tuple[tuple[Node | None, tuple[Step, ...]], ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ask(Step):
    """Puts an answer of a remote system into a field."""

    into: tuple[str, ...]
    """Empty: nowhere."""
    sensitive: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OmitNull(Step):
    """Leaves null fields out."""


def splits(step: Step) -> bool:
    """Return whether a step may make several records of one."""
    if isinstance(step, Switch):
        return any(splits(inner) for _, steps in step.cases for inner in steps)
    return isinstance(step, Split)


def _absolute(path: Path, own: Path) -> Path:
    return (*path, *own)


class Program:
    """Reads steps; what is wrong is in ``issues``. With *settings*, the files they name are read too."""

    def __init__(self, visible: Set[str], settings: Settings | None = None) -> None:
        self.reader = Reader(visible)
        self.settings = settings

    @property
    def issues(self) -> list[Any]:
        """Every mistake found so far."""
        return self.reader.issues

    def steps(self, steps: Sequence[StepLike]) -> tuple[Step, ...]:
        """Read a list of steps."""
        return tuple(made for step in steps if (made := self._top(step)) is not None)

    def _top(self, step: StepLike) -> Step | None:
        if step.kind in ASKING and isinstance(step.body, Mapping):
            return self._ask(step.body, step.path)
        return self.step(step.kind, step.body, step.path)

    def _ask(self, body: Mapping[str, Any], path: Path) -> Step:
        into = body.get("into")
        steps = field_path(into) if isinstance(into, str) else ()
        if steps is None:
            hint = "write into: sale, or into: customer.address; quote a name with other characters: '\"zip code\"'"
            self.reader.issue("step", f"into takes a field's name, and {into!r} is none", hint, (*path, "into"))
        if "when" in body:
            self.condition(body["when"], (*path, "when"))
        return Ask(path, steps or (), body.get("sensitive") is True)

    def step(self, kind: str, body: Any, path: Path) -> Step | None:
        """Read one step."""
        if kind in ASKING:
            hint = "put it among the pipeline's steps, with when:"
            self.reader.issue("step", f"a {kind} cannot stand inside a switch", hint, path)
            return None
        if kind not in KINDS:
            hint = nearest(kind, list(KINDS)) or "there are " + ", ".join(KINDS)
            self.reader.issue("unknown-key", f"there is no step '{kind}'", hint, path)
            return None
        return getattr(self, f"_{kind}")(body, path)  # type: ignore[no-any-return]

    def condition(self, value: Any, path: Path) -> Node:
        """Read a condition: an expression, true or false."""
        if not isinstance(value, (str, bool)):
            return self.reader.issue("expression", "a condition is an expression", "quote it", path)
        return self.reader.value(value, path)

    def _filter(self, body: Any, path: Path) -> Step:
        return Filter(path, self.condition(body, path))

    def _map(self, body: Any, path: Path) -> Step:
        return Map(path, self.reader.value(body, path))

    def _set(self, body: Any, path: Path) -> Step | None:
        if not isinstance(body, Mapping):
            self.reader.issue("step", "set takes an object of fields", "write set: {name: expression}", path)
            return None
        made = self.reader.value(body, path)
        if not isinstance(made, Fields):
            self.reader.issue("step", "set takes an object of fields", "write set: {name: {$value: …}}", path)
            return None
        return SetFields(path, made)

    def _remove(self, body: Any, path: Path) -> Step | None:
        names = [body] if isinstance(body, str) else body
        if not isinstance(names, (list, tuple)) or not names:
            self.reader.issue("step", "remove takes field names", "write remove: [name, address.zip]", path)
            return None
        found = []
        for index, name in enumerate(names):
            steps = plain_path(name) if isinstance(name, str) else None
            if steps is None or not isinstance(steps[-1], str):
                hint = "quote a name with other characters inside: '\"zip code\"'"
                self.reader.issue("step", f"remove takes field names, and {name!r} is none", hint, (*path, index))
            else:
                found.append(steps)
        return Remove(path, tuple(found))

    def _check(self, body: Any, path: Path) -> Step | None:
        if not isinstance(body, Mapping) or "that" not in body:
            self.reader.issue("step", "check needs 'that', a condition", "write check: {that: …, message: …}", path)
            return None
        that = self.condition(body["that"], (*path, "that"))
        message = body.get("message", "")
        words: Node | str = str(message)
        if isinstance(message, str) and ("{{" in message or "{%" in message):
            words = self.reader.template(message, (*path, "message"))
        if not words:
            words = f"{body['that']} does not hold"
        return Check(path, that, str(body.get("code", "check")), words)

    def _validate(self, body: Any, path: Path) -> Step | None:
        schema = body.get("schema") if isinstance(body, Mapping) else None
        place = (*path, "schema")
        if isinstance(schema, str) and self.settings is not None:
            schema = self._schema_file(schema, place)
        if schema is None or not isinstance(schema, (Mapping, str, bool)):
            if not self.issues or self.issues[-1].path != place:
                hint = "write validate: {schema: {type: object, …}} or the name of a file"
                self.reader.issue("step", "validate needs a schema", hint, path)
            return None
        if not isinstance(schema, str):
            from engine.expressions.schema import wrong

            problem = wrong(schema)
            if problem:
                self.reader.issue("schema", problem, "", place)
                return None
        return Validate(path, schema)

    def _schema_file(self, name: str, path: Path) -> Any:
        from engine.expressions.library.tables import inside

        assert self.settings is not None
        try:
            return json.loads(regular.read(inside(name, self.settings), MAX_SCHEMA).decode("utf-8"))
        except RecordError as error:
            self.reader.issue("file", error.message, "", path)
        except (OSError, ValueError, RecursionError) as error:
            self.reader.issue("file", f"'{name}' is not a JSON Schema in JSON: {error}", "", path)
        return None

    def _split(self, body: Any, path: Path) -> Step:
        if not isinstance(body, str):
            return Split(path, self.reader.issue("step", "split takes an expression that gives a list", "", path))
        return Split(path, self.reader.value(body, path))

    def _switch(self, body: Any, path: Path) -> Step | None:
        if not isinstance(body, (list, tuple)) or not body:
            hint = "write switch: [{when: …, steps: […]}, {else: […]}]"
            self.reader.issue("step", "switch takes a list of cases", hint, path)
            return None
        return Switch(
            path, tuple(self._case(case, (*path, index), index == len(body) - 1) for index, case in enumerate(body))
        )

    def _case(self, case: Any, path: Path, last: bool) -> tuple[Node | None, tuple[Step, ...]]:
        if isinstance(case, Mapping) and set(case) == {"else"}:
            if not last:
                self.reader.issue("step", "'else' stands last", "", path)
            return None, self._inner(case["else"], (*path, "else"))
        if not isinstance(case, Mapping) or set(case) != {"when", "steps"}:
            self.reader.issue("step", "a case has 'when' and 'steps', or 'else'", "", path)
            return None, ()
        return self.condition(case["when"], (*path, "when")), self._inner(case["steps"], (*path, "steps"))

    def _inner(self, steps: Any, path: Path) -> tuple[Step, ...]:
        if not isinstance(steps, (list, tuple)):
            self.reader.issue("step", "steps are a list", "begin each with '- '", path)
            return ()
        made = []
        for index, step in enumerate(steps):
            place = (*path, index)
            if not isinstance(step, Mapping) or len(step) != 1:
                self.reader.issue("step", "a step has one key, such as filter or map", "", place)
                continue
            ((kind, body),) = step.items()
            read = self.step(str(kind), body, (*place, kind))
            if read is not None:
                made.append(read)
        return tuple(made)
