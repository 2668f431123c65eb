"""Files of tests: their variations, and what a schema cannot say about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from engine.definition.document import Document
from engine.definition.each import Row
from engine.definition.explain import Finding
from engine.definition.instances import Fill
from engine.definition.model import PipelineDefinition, Use
from engine.definition.nearest import did_you_mean, nearest
from engine.definition.rules import misfit
from engine.definition.variables import Prepared
from engine.errors import Path, dotted

Data = Mapping[str, Any]


@dataclass(slots=True)
class Variation:
    """One test as it is run."""

    path: Path
    body: dict[str, Any]
    row: int | None = None
    """The index of its row in ``each``."""
    findings: list[Finding] = field(default_factory=list)
    """What is wrong with that row."""

    @property
    def name(self) -> str:
        """As people call it."""
        return str(self.body.get("test", ""))


def variations(
    document: Document, each: Sequence[Prepared], fills: Callable[[list[Prepared]], Fill]
) -> list[Variation]:
    """Return the tests of a file; one with ``each`` in every variation, the first of them in its place."""
    tests = document.value.get("tests") if isinstance(document.value, dict) else None
    made: list[Variation] = []
    written: list[Any] = tests if isinstance(tests, list) else []
    for index, body in enumerate(written):
        if not isinstance(body, dict):
            continue
        path: Path = ("tests", index)
        rows = body.get("each")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or not rows:
            made.append(Variation(path, body))
            continue
        own = [one for one in each if one.static.path[:2] == path]
        varied = [_varied(document, path, number, row, fills(own)) for number, row in enumerate(rows)]
        named = any(one.static.path == (*path, "test") for one in own)
        for number, one in enumerate(varied):
            if not named:
                one.body["test"] = f"{one.name} [{number + 1}]"
        written[index] = {**varied[0].body, "test": body.get("test"), "each": rows}
        made += varied
    return made


def _varied(document: Document, path: Path, number: int, row: dict[str, Any], fill: Fill) -> Variation:
    index = int(path[1])
    body = {key: deepcopy(value) for key, value in document.value["tests"][index].items() if key != "each"}
    own = replace(document, value={"tests": [None] * index + [body]})
    given = Row(str(number + 1), row, frozenset(), document.file, path=(*path, "each", number))
    resolved = fill(own, given)
    return Variation(path, own.value["tests"][index], number, resolved.findings)


def rules(value: Any) -> Iterator[Finding]:
    """Return what is wrong in one file of tests, besides what the schema says."""
    tests = value.get("tests") if isinstance(value, Mapping) else None
    for index, body in enumerate(tests if isinstance(tests, list) else ()):
        if isinstance(body, Mapping):
            yield from _alone(body, ("tests", index))


def duplicates(found: Iterable[Variation]) -> Iterator[Finding]:
    """Return a finding for each name that another test of the file has already."""
    first: dict[str, Variation] = {}
    for one in found:
        other = first.setdefault(one.name, one)
        if other is not one and one.name:
            fact = f"there is a test '{one.name}' already in this file, at {dotted(other.path)}"
            hint = "name it after what differs" if other.path != one.path else "put ${each.…} into the name"
            yield Finding((*one.path, "test"), False, "duplicate-test", fact, hint)


def _alone(body: Data, path: Path) -> Iterator[Finding]:
    expect = body.get("expect")
    expect = expect if isinstance(expect, Mapping) else {}
    if "reply" in expect and "webhook" not in body:
        fact = "'reply' is what a caller is told, and the test makes no call"
        yield Finding((*path, "expect", "reply"), True, "missing-key", fact, "add webhook: {body: …}", name="webhook")
    if "sent" in expect and "sent_exactly" in expect:
        place = (*path, "expect", "sent_exactly")
        yield Finding(place, True, "too-many", "'sent_exactly' cannot stand beside 'sent'", "keep one")
    if "trigger" in body and "webhook" in body:
        fact = "'trigger' cannot stand beside 'webhook', which is one"
        yield Finding((*path, "trigger"), True, "too-many", fact, "remove it")
    for connection in _maps(body.get("databases")):
        if connection in _maps(body.get("responses")):
            fact = f"'{connection}' has a database already, and that answers"
            yield Finding(
                (*path, "responses", connection), True, "too-many", fact, "keep one of responses and databases"
            )
    yield from _one_answer(_maps(body.get("responses")), (*path, "responses"))
    yield from _beside_records(body.get("records"), (*path, "records"))
    yield from _moments(body, path)


def _one_answer(responses: Data, path: Path) -> Iterator[Finding]:
    for connection, answers in responses.items():
        for index, one in enumerate(answers if isinstance(answers, list) else ()):
            keys = [key for key in _maps(one) if not key.startswith("x-")]
            others = [key for key in keys if key != "error"]
            pair = (others[0], "error") if others and "error" in keys else ("text", "json")
            if {*pair} <= {*keys}:
                fact = f"'{pair[0]}' cannot stand beside '{pair[1]}'"
                yield Finding((*path, connection, index, pair[0]), True, "too-many", fact, "keep one")


def _beside_records(records: Any, path: Path) -> Iterator[Finding]:
    for index, one in enumerate(records if isinstance(records, list) else ()):
        for key in _maps(one) if "$record" in _maps(one) else ():
            if key not in ("$record", "$meta"):
                fact = f"'{key}' cannot stand beside '$record'"
                hint = did_you_mean(key, ["$meta"]) or "put it into $record or $meta"
                fix = nearest(key, ["$meta"]) or ""
                yield Finding((*path, index, key), True, "unknown-key", fact, hint, fix=fix)


def _moments(body: Data, path: Path) -> Iterator[Finding]:
    expect = _maps(body.get("expect"))
    fires = expect.get("fires")
    written: list[tuple[Path, Any]] = [((*path, "now"), body.get("now"))]
    several = fires if isinstance(fires, list) else [fires]
    for number, one in enumerate(several):
        inner: Path = ("expect", "fires", *((number,) if isinstance(fires, list) else ()))
        for key in ("between", "at"):
            found = _maps(one).get(key)
            written += [
                ((*path, *inner, key, at), text) for at, text in enumerate(found if isinstance(found, list) else ())
            ]
    for place, text in written:
        if isinstance(text, str) and len(text) >= 10 and text[:4].isdigit() and moment(text) is None:
            yield Finding(
                place, False, "bad-value", f"there is no moment '{text}'", "write it like 2026-01-02T03:04:05Z"
            )


def moment(text: str) -> datetime | None:
    """Read a moment, aware where it has an offset; None where there is no such one."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Around:
    """What tests may name."""

    pipelines: Mapping[str, PipelineDefinition]
    """Those that hold together."""
    names: Sequence[str]
    """Of all, good or bad."""
    connections: Sequence[str]
    complete: bool
    """Every file could be read: a name that is not known does not exist."""


def against(one: Variation, around: Around) -> Iterator[Finding]:
    """Return what a test says of a pipeline that is not so."""
    name, path = one.body.get("pipeline"), one.path
    if not isinstance(name, str):
        return
    definition = around.pipelines.get(name)
    if definition is None:
        if around.complete and name not in around.names:
            yield _unknown_pipeline(name, (*path, "pipeline"), around.names)
        return
    yield from _connections(one.body, path, definition, around)
    yield from _params(one.body, path, definition)
    yield from _trigger(one.body, path, definition)
    yield from _expect(_maps(one.body.get("expect")), (*path, "expect"), definition)


def _unknown_pipeline(name: str, path: Path, names: Sequence[str]) -> Finding:
    instances = sorted(one for one in names if one.startswith(f"{name}["))
    if instances:
        fact, hint = f"'{name}' has for_each: a test is about one of its instances", f"write {instances[0]}"
        return Finding(path, False, "unknown-pipeline", fact, hint, fix=instances[0])
    hint = did_you_mean(name, names) or "see them: engine list"
    return Finding(
        path, False, "unknown-pipeline", f"there is no pipeline '{name}'", hint, fix=nearest(name, names) or ""
    )


def _connections(body: Data, path: Path, definition: PipelineDefinition, around: Around) -> Iterator[Finding]:
    used = sorted({name for use in uses(definition) for name in _reached(use)})
    expect = _maps(body.get("expect"))
    places = [(path, "responses", body), (path, "databases", body), ((*path, "expect"), "rows", expect)]
    for above, key, holder in places:
        for name in _maps(holder.get(key)):
            if name in used or name.startswith("x-"):
                continue
            code, fact = "wrong-connection", f"{definition.name} does not use the connection '{name}'"
            if name not in around.connections:
                if not around.complete:
                    continue
                code, fact = "unknown-connection", f"there is no connection '{name}'"
            there = f"it uses: {', '.join(used)}" if used else "it uses no connection; remove this"
            hint = did_you_mean(name, used) or there
            yield Finding((*above, key, name), True, code, fact, hint, fix=nearest(name, used) or "")


def uses(definition: PipelineDefinition) -> list[Use]:
    """Return the connectors at work in a pipeline: of its source, its steps and its targets."""
    found = [definition.source.use] if definition.source else []
    found += [step.use for step in definition.steps if step.use]
    return found + [target.use for target in definition.targets]


def _reached(use: Use) -> Iterator[str]:
    """Name what *use* reaches: its connection, or the host of an address of its own."""
    if use.connection:
        yield use.connection
    elif isinstance(url := use.options.get("url"), str) and "://" in url:
        yield url.split("://", 1)[1].split("/", 1)[0].partition(":")[0]


def _params(body: Data, path: Path, definition: PipelineDefinition) -> Iterator[Finding]:
    for name, value in _maps(body.get("params")).items():
        schema = definition.params.get(name)
        place: Path = (*path, "params", name)
        if name.startswith("x-"):
            continue
        if schema is None:
            hint = did_you_mean(name, definition.params) or f"there are: {', '.join(definition.params) or 'none'}"
            fact = f"{definition.name} has no param '{name}'"
            yield Finding(place, True, "unknown-param", fact, hint, fix=nearest(name, definition.params) or "")
        elif misfit(value, schema):
            yield Finding(place, False, "param-type", f"this does not fit the param '{name}' of {definition.name}")


def _trigger(body: Data, path: Path, definition: PipelineDefinition) -> Iterator[Finding]:
    given = body.get("trigger")
    name = given.get("id") if isinstance(given, Mapping) else given
    wanted: list[tuple[Path, Any]] = []
    if given is not None:
        wanted.append(((*path, "trigger", *(("id",) if isinstance(given, Mapping) else ())), name))
    fires = _maps(body.get("expect")).get("fires")
    for number, one in enumerate(fires if isinstance(fires, list) else [fires]):
        inner: Path = ("expect", "fires", *((number,) if isinstance(fires, list) else ()), "trigger")
        wanted.append(((*path, *inner), _maps(one).get("trigger")))
    ids = trigger_names(definition)
    for place, text in wanted:
        if isinstance(text, str) and text not in ids:
            hint = did_you_mean(text, ids) or f"there are: {', '.join(ids) or 'none'}"
            fact = f"{definition.name} has no trigger '{text}'"
            yield Finding(place, False, "unknown-trigger", fact, hint, fix=nearest(text, ids) or "")
    if "webhook" in body and not any("webhook" in trigger for trigger in definition.triggers):
        fact = f"{definition.name} has no webhook"
        yield Finding((*path, "webhook"), True, "unknown-trigger", fact, "give records: in its place")


def trigger_names(definition: PipelineDefinition) -> list[str]:
    """Return the ids of a pipeline's triggers; one without is called by its kind, a webhook by its path."""
    taken = {trigger["id"] for trigger in definition.triggers if "id" in trigger}
    found: list[str] = []
    for trigger in definition.triggers:
        kind = next((key for key in ("cron", "every", "webhook", "after", "file") if key in trigger), "trigger")
        name, number = trigger.get("id"), 1
        if name is None:
            name = kind
            while name in taken:
                number += 1
                name = f"{kind}-{number}"
        taken.add(name)
        found.append(name)
    return found


def _expect(expect: Data, path: Path, definition: PipelineDefinition) -> Iterator[Finding]:
    ids = [target.id for target in definition.targets]
    for key in ("sent", "sent_exactly"):
        sent = expect.get(key)
        if isinstance(sent, list) and len(ids) > 1:
            fact, hint = f"{definition.name} has several targets", f"write {key}: {{{ids[0]}: […]}}"
            yield Finding((*path, key), False, "wrong-type", fact, hint)
        for name in _maps(sent):
            if name not in ids:
                yield _unknown_target(name, (*path, key, name), True, definition, ids)
    rejected = expect.get("rejected")
    for number, one in enumerate(rejected if isinstance(rejected, list) else ()):
        target = _maps(one).get("target")
        if isinstance(target, str) and target not in ids:
            yield _unknown_target(target, (*path, "rejected", number, "target"), False, definition, ids)
    filters = droppers(definition)
    for name in _maps(expect.get("dropped")):
        if name not in filters:
            hint = did_you_mean(name, filters) or f"there are: {', '.join(filters) or 'none'}"
            fact = f"{definition.name} has no filter at '{name}'"
            yield Finding((*path, "dropped", name), True, "unknown-key", fact, hint, fix=nearest(name, filters) or "")


def _unknown_target(name: str, path: Path, key: bool, definition: PipelineDefinition, ids: Sequence[str]) -> Finding:
    hint = did_you_mean(name, ids) or f"there are: {', '.join(ids) or 'none'}"
    fact = f"{definition.name} has no target '{name}'"
    return Finding(path, key, "unknown-target", fact, hint, fix=nearest(name, ids) or "")


def droppers(definition: PipelineDefinition) -> list[str]:
    """Return the places at which records are dropped."""
    found: list[str] = []

    def walk(kind: str, body: Any, path: Path) -> None:
        if kind == "filter":
            found.append(dotted(path))
        for number, case in enumerate(body if kind == "switch" and isinstance(body, list) else ()):
            under = "else" if "else" in case else "steps"
            for at, step in enumerate(case.get(under) or ()):
                inner = next((key for key in step if key != "id" and not key.startswith("x-")), "")
                walk(inner, step.get(inner), (*path, number, under, at, inner))

    for step in definition.steps:
        walk(step.kind, step.body, step.path)
    return found + (["unrouted"] if definition.unrouted == "drop" else [])


def _maps(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
