"""Follows expressions over a record of a known type: what comes out, and what cannot be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from engine.errors import Path
from engine.expressions.check import read_key
from engine.expressions.paths import is_template
from engine.expressions.plan import Lookup, Node, Query, Text
from engine.expressions.types.acts import NUMERIC, Step, narrowed, never, solid, union
from engine.expressions.types.mapping import Values, made_at, origins
from engine.expressions.types.model import ANY, Field, Type, listed, made_of
from engine.expressions.types.narrowing import holds
from engine.expressions.types.of_values import exactly
from engine.expressions.types.reading import Known, known_program, read_query
from engine.expressions.types.report import Report
from engine.expressions.types.words import describe
from engine.expressions.values import Issue, Settings, StepLike

Made = Mapping[tuple[Step, ...], Path]
_NONE: Mapping[Any, Any] = MappingProxyType({})
_SETTINGS = Settings()


class After(NamedTuple):
    """A step that was followed."""

    path: Path
    """Of its body."""
    follower: Follower
    """Stands behind the step."""


class Follower:
    """Stands before a record; never changed: what makes another record makes another follower."""

    __slots__ = ("_made", "_report", "names", "record", "settings")

    def __init__(
        self,
        record: Type = ANY,
        settings: Settings = _SETTINGS,
        names: Mapping[str, Type] = _NONE,
        *,
        sure: bool = True,
    ) -> None:
        self.record = record
        self.settings = settings
        self.names = {"records": listed(record), **names, "record": record}
        self._made: Made | Node = _NONE
        self._report = Report(sure)

    @property
    def issues(self) -> list[Issue]:
        """Everything found by this follower and those made of it."""
        return self._report.issues

    @property
    def made(self) -> Made:
        """By the path of a field the path of the mapping's node that makes it."""
        if isinstance(self._made, Node):
            self._made = dict(origins(self._made))
        return self._made

    def over(self, record: Type, made: Made | Node = _NONE, **names: Type) -> Follower:
        """Return a follower with the same settings and issues before another record."""
        other = Follower.__new__(Follower)
        other.record, other._made = record, made
        other.settings, other._report = self.settings, self._report
        other.names = {**self.names, "records": listed(record), **names, "record": record}
        return other

    def place(self, field: Sequence[Step]) -> Path | None:
        """Return the path of the mapping's node that makes a field; None where it comes as the source gave it."""
        steps = tuple("*" if isinstance(step, int) else step for step in field)
        for end in range(len(steps), -1, -1):
            if steps[:end] in self.made:
                return self.made[steps[:end]]
        return None

    # single values

    def value(self, value: Any, path: Path) -> Type:
        """Return what a value of a mapping gives."""
        reader = Known()
        node = reader.value(value, path)
        return self._of(node, reader.issues)

    def mapped(self, value: Any, path: Path) -> Follower:
        """Return the follower behind a mapping."""
        reader = Known()
        return self._mapped(reader.value(value, path), reader.issues)

    def _mapped(self, node: Node, issues: Sequence[Issue] = ()) -> Follower:
        return self.over(self._of(node, issues), node)

    def _values(self) -> Values:
        return Values(self._report, self.settings, self.names)

    def _of(self, node: Node, issues: Sequence[Issue] = ()) -> Type:
        values = self._values()
        if issues:
            values.broken = frozenset(issue.path for issue in issues if issue.severity == "error")
        return values.of(node, self.record)

    def key(self, value: Any, path: Path) -> Type:
        """Return what a key is made of; each part must be text or a number."""
        reader = Known()
        parts = [(node, self._of(node, reader.issues)) for node in read_key(reader, value, path)]
        for node, made in parts:
            if never(made, NUMERIC | {"text", "boolean"}):
                what = describe(made.without_null())
                self._tell(node, f"a key is text or a number, and this is {what}", "")
        return parts[0][1].without_null() if len(parts) == 1 and solid(parts[0][1]) else exactly("").without_null()

    def template(self, value: Any, path: Path) -> Type:
        """Return what an option gives whose texts are templates where they have ``{{``, at any depth."""
        if isinstance(value, str):
            return self._template(value, path) if is_template(value) else exactly(value)
        if isinstance(value, Mapping):
            fields = {str(name): Field(self.template(item, (*path, name))) for name, item in value.items()}
            return made_of(fields, known_from=made_at(path))
        if isinstance(value, (list, tuple)):
            made: Type | None = None
            for index, item in enumerate(value):
                one = self.template(item, (*path, index))
                made = one if made is None else union(made, one)
            return listed(made)
        return exactly(value)

    def _template(self, text: str, path: Path) -> Type:
        return self._of(Text(path, text))

    def expression(self, text: str, path: Path, document: Type) -> Type:
        """Return what JMESPath gives over a document, in which missing is null."""
        node = read_query(text, path)
        return self._values().document(node, document) if node is not None else ANY

    # conditions and steps

    def holding(self, condition: Any, path: Path) -> Follower:
        """Follow a condition; return the follower of the records for which it holds."""
        program = known_program()
        node = program.condition(condition, path)
        return self._holding(node, program.issues)[0]

    def _holding(self, node: Node, issues: Sequence[Issue] = ()) -> tuple[Follower, Follower]:
        """Return the followers of the records for which a condition holds, and for which it does not."""
        made = self._of(node, issues)
        if not issues and never(made, frozenset({"boolean"})):
            what = describe(made.without_null())
            self._tell(node, f"a condition is true or false, and this is {what}", _CONDITION)
        record = self.record
        if record.any or not record.fields:
            return self, self
        return self._knowing(node, True), self._knowing(node, False)

    def _knowing(self, node: Node, truth: bool) -> Follower:
        known = _known(node, truth)
        if not known:
            return self
        record = self.record
        for path, value in sorted(known):
            record = narrowed(record, path, value=value)
        return self.over(record, self._made)

    def _tell(self, node: Node, message: str, hint: str) -> None:
        text = node.text if isinstance(node, (Query, Text)) else ""
        self._report.at(node.path, text).mismatch(message, hint)

    def steps(self, steps: Sequence[StepLike], answers: Mapping[Path, Type] = _NONE) -> tuple[After, ...]:
        """Follow steps, one after the other."""
        from engine.expressions.types.steps import follow_steps

        return follow_steps(self, steps, answers)


_CONDITION = "compare it: amount > `0`, name != `null`"


def _known(node: Node, truth: bool) -> frozenset[tuple[tuple[str, ...], bool]]:
    """Return what is sure of fields of the record where a condition is true (or false)."""
    if isinstance(node, Lookup):
        # null is no condition: the record is rejected, whichever side is asked for
        names = tuple(step for step in node.steps if isinstance(step, str))
        return frozenset({(names, True)}) if len(names) == len(node.steps) else frozenset()
    if isinstance(node, Query):
        return frozenset((path, True) for path in holds(node.tree, truth))
    if isinstance(node, Text):
        from engine.expressions.jinja.check import unjudged
        from engine.expressions.jinja.template import single_value
        from engine.expressions.types import guards

        tree = unjudged(node.text)
        single = single_value(tree) if tree is not None else None
        if single is not None:
            found = guards.holds(single, truth)
            return frozenset((path[1:], value) for path, value in found if path[0] == "record" and len(path) > 1)
    return frozenset()
