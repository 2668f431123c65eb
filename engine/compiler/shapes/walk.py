"""One pipeline from its source to its targets: the type of the record at every place, and what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.compiler.shapes.desk import Desk, at
from engine.compiler.shapes.records import Reading, of_params, of_tests
from engine.compiler.shapes.takes import Taking, asked
from engine.definition.model import PipelineDefinition, Step, Target, Use
from engine.definition.nearest import did_you_mean
from engine.definition.schema import Role
from engine.errors import Path
from engine.expressions import Issue, Settings
from engine.expressions.types.acts import unions, without_nulls
from engine.expressions.types.follow import Follower
from engine.expressions.types.model import ANY, TEXT, Field, Type, listed, made_of

_RUN = made_of(dict.fromkeys(("id", "pipeline", "started"), Field(TEXT)))
"""What templates see of a run."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The record at one place of its way."""

    what: str
    """``source``, the kind of a step, or ``target``."""
    path: Path
    record: Type
    id: str = ""
    """Of the target."""


@dataclass(slots=True)
class Walk:
    """What was seen on the way through one pipeline."""

    issues: list[Issue] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)


def walk(desk: Desk, definition: PipelineDefinition, settings: Settings) -> Walk:
    """Follow the record through a pipeline."""
    return _Walker(desk, definition, settings).go()


class _Walker:
    def __init__(self, desk: Desk, definition: PipelineDefinition, settings: Settings) -> None:
        self._desk, self._definition, self._settings = desk, definition, settings
        self._seen = Walk()
        self._params = of_params(definition, desk.files)
        self._base = Follower(ANY, settings, {"params": self._params, "run": _RUN})
        self._said: list[Issue] = []
        self._reading = Reading(desk, self._base, self._said)

    def go(self) -> Walk:
        body, sent = self._reading.webhooks(self._definition)
        self._triggers(body)
        record, sure = self._record(sent)
        first = self._first(record, self._called(body), sure)
        self._stop("source", self._source_path(), record)
        last = self._steps(first)
        taken = [self._target(target, last, record) for target in self._definition.targets] or [last.record]
        if len(taken) == 1:  # of several targets a caller is told what all of them got
            self._replies(taken[0])
        self._seen.issues = _apart([*self._base.issues, *first.issues], self._said)
        return self._seen

    def _called(self, body: Type) -> dict[str, Type]:
        """Return what ``trigger`` is in a pipeline that nothing but webhooks starts."""
        triggers = self._definition.triggers
        if not triggers or not all("webhook" in one for one in triggers):
            return {}
        if self._definition.source is None and not any(map(_with_result, triggers)):
            # records of many calls go together: none of their bodies is there
            return {"trigger": made_of({name: Field(ANY) for name in ("type", "id", "params")})}
        return {} if body.any else {"trigger": made_of({"body": Field(body)}, "yes")}

    def _first(self, record: Type, names: Mapping[str, Type], sure: bool) -> Follower:
        known = {"params": self._params, "run": _RUN, **names}
        return Follower(record, self._settings, known, sure=sure)

    def _stop(self, what: str, path: Path, record: Type, id: str = "") -> None:
        self._seen.stops.append(Stop(what, path, record, id))

    def _source_path(self) -> Path:
        source = self._definition.source
        return source.use.path if source is not None else ("triggers",)

    def _record(self, sent: Type) -> tuple[Type, bool]:
        """Return what comes in, and whether that is sure or only a sample of it."""
        definition = self._definition
        if definition.source is not None:
            record = self._reading.records(definition.source.use)
            self._source(record)
        elif any("webhook" in trigger for trigger in definition.triggers):
            record = sent
        else:
            record = self._params
        if not record.any:
            return record, True
        return of_tests(self._desk.project.tests.get(definition.name, ())), False

    def _source(self, record: Type) -> None:
        source = self._definition.source
        assert source is not None
        names: dict[str, Type] = {}
        if source.cursor is not None:
            names["cursor"] = made_of({name: Field(ANY) for name in source.cursor.fields}, "no", "source.cursor.fields")
            if not isinstance(source.cursor.reset, bool):
                self._base.template(source.cursor.reset, ("source", "cursor", "reset"))
            self._cursor(source.cursor.fields, record)
        self._asks(source.use, self._base.over(ANY, {}, **names))

    def _cursor(self, fields: tuple[str, ...], record: Type) -> None:
        for index, name in enumerate(fields):
            if record.further == "no" and record.only("object") and name not in record.fields:
                hint = did_you_mean(name, record.fields) or f"there are: {', '.join(list(record.fields)[:12])}"
                fact = f"the records have no field '{name}'"
                self._said.append(Issue("unknown-field", fact, hint, ("source", "cursor", "fields", index)))

    def _triggers(self, body: Type) -> None:
        for index, trigger in enumerate(self._definition.triggers):
            path: Path = ("triggers", index)
            around = self._around(trigger, body)
            follower = self._base.over(ANY, {}, trigger=around) if around is not None else self._base
            if trigger.get("params"):
                follower.template(trigger["params"], (*path, "params"))
            webhook = trigger.get("webhook")
            event = webhook.get("event_id") if isinstance(webhook, Mapping) else None
            value = event.get("value") if isinstance(event, Mapping) else None
            if isinstance(value, str) and not body.any:
                place = (*path, "webhook", "event_id", "value")
                if "{{" in value or "{%" in value:
                    follower.template(value, place)
                else:
                    follower.expression(value, place, body)

    def _around(self, trigger: Mapping[str, Any], body: Type) -> Type | None:
        """Return what ``trigger`` is while the params of a run are made."""
        if "webhook" in trigger:
            return None if body.any else made_of({"body": Field(body)}, "yes")
        after = trigger.get("after")
        if after is None:
            return None
        names = [after] if isinstance(after, str) else list(after)
        known = [self._desk.project.pipelines.get(str(name)) for name in names]
        if not known or any(one is None for one in known):
            return None
        given = unions(of_params(one, self._desk.files) for one in known if one is not None)
        return made_of({"params": Field(given)}, "yes")

    def _steps(self, first: Follower) -> Follower:
        steps = self._definition.steps
        answers = {step.path: self._reading.answer(step) for step in steps if step.use is not None}
        before = first
        for step, after in zip(steps, first.steps(steps, answers), strict=True):
            if step.use is not None:
                self._asking(step, step.use, before)
                self._matched(step, answers[step.path])
            before = after.follower
            self._stop(step.kind, step.path, before.record)
        return before

    def _asks(self, use: Use, follower: Follower) -> None:
        self._options(use, "source", follower)
        Taking(self._desk, use, "source", follower, self._said).check()

    def _matched(self, step: Step, answer: Type) -> None:
        """Look at the fields by which a lookup finds its rows."""
        row = answer.items if answer.only("list") and answer.items is not None else answer
        match = step.body.get("match")
        if row.any or not row.only("object") or not isinstance(match, Mapping):
            return
        for name in match:
            if name not in row.fields and row.further == "no":
                hint = did_you_mean(str(name), row.fields) or f"there are: {', '.join(list(row.fields)[:12])}"
                fact = f"what is looked up has no field '{name}'"
                self._said.append(Issue("unknown-field", fact, hint, (*step.path, "match", name, "$key")))

    def _asking(self, step: Step, use: Use, before: Follower) -> None:
        role: Role = "source" if step.kind == "lookup" else "call"
        if isinstance(step.body.get("when"), str | bool):
            before = before.holding(step.body["when"], (*step.path, "when"))
        if role == "source":
            self._asks(use, before)
            self._said.extend(asked(use, before.record))
        else:
            self._options(use, role, before)
            Taking(self._desk, use, role, before, self._said).check()

    def _target(self, target: Target, last: Follower, source: Type) -> Type:
        path = target.path
        follower = last
        if target.when is not None:
            follower = follower.holding(target.when, (*path, "when"))
        if not source.any:
            follower = follower.over(follower.record, follower.made, input=source)
        if target.mapping is not None:
            follower = follower.mapped(target.mapping, (*path, "mapping"))
        if target.omit_null:
            follower = follower.over(without_nulls(follower.record), follower.made)
        self._stop("target", path, follower.record, target.id)
        if target.key is not None:
            follower.key(target.key, (*path, "key"))
        if target.batch.written and not follower.record.any:
            follower = follower.over(follower.record, follower.made, records=listed(follower.record))
        self._options(target.use, "target", follower)
        Taking(self._desk, target.use, "target", follower, self._said).check(target)
        return follower.record

    def _options(self, use: Use, role: Role, follower: Follower) -> None:
        for path, kind in use.values.items():
            value = at(use.options, path)
            if value is None or "item" in path:
                continue
            if kind == "template":
                inner = (
                    follower if "statements" not in path else follower.over(follower.record, follower.made, item=ANY)
                )
                inner.template(value, use.path + path)
            elif self._desk.over(use, role, path) == "record" and path[-1] not in ("each", "when"):
                follower.expression(value, use.path + path, follower.record)

    def _replies(self, record: Type) -> None:
        if record.any:
            return
        for index, trigger in enumerate(self._definition.triggers):
            respond = (trigger.get("webhook") or {}).get("respond")
            written: Mapping[str, Any] = respond if isinstance(respond, Mapping) else {}
            for part in ("status", "headers", "body"):
                if part in written:
                    inner = self._base.over(record, {}, records=listed(record))
                    inner.template(written[part], ("triggers", index, "webhook", "respond", part))


def _with_result(trigger: Mapping[str, Any]) -> bool:
    respond = trigger["webhook"].get("respond")
    return isinstance(respond, Mapping) and respond.get("with") == "result"


def _apart(followed: list[Issue], said: list[Issue]) -> list[Issue]:
    """Return every mistake once: a field that is made of one that is not there is not wrong besides."""
    wrong = {one.path for one in followed}
    kept = [*followed]
    for one in said:
        place = one.path[:-1] if one.path[-1:] == ("$key",) else one.path
        if not any(path[: len(place)] == place for path in wrong) or one.code == "file":
            kept.append(one)
    return list({(one.code, one.path, one.message): one for one in kept}.values())
