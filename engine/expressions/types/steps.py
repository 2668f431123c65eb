"""What steps make of a record of a known type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import Path
from engine.expressions.check import read_key
from engine.expressions.plan import Lookup, Node
from engine.expressions.program import (
    ASKING,
    Ask,
    Check,
    Filter,
    Map,
    Remove,
    SetFields,
    Split,
    Step,
    Switch,
    Validate,
)
from engine.expressions.types.acts import both, lacking, never, put, union
from engine.expressions.types.follow import After, Follower, Made
from engine.expressions.types.mapping import made_at, origins
from engine.expressions.types.model import ANY, Field, Kind, Type
from engine.expressions.types.of_schema import type_of_schema
from engine.expressions.types.reading import Known, known_program
from engine.expressions.types.words import describe
from engine.expressions.values import StepLike

_OBJECT: frozenset[Kind] = frozenset({"object"})
_LIST: frozenset[Kind] = frozenset({"list"})


def follow_steps(follower: Follower, steps: Sequence[StepLike], answers: Mapping[Path, Type]) -> tuple[After, ...]:
    """Follow steps; one that cannot be read makes everything unknown behind it."""
    made = []
    for step in steps:
        program = known_program(follower.settings)
        read = program.steps([step])
        if step.kind in ASKING and isinstance(step.body, Mapping):
            follower = _ask(follower, step, read[0] if read else None, answers)
        elif any(issue.severity == "error" for issue in program.issues) or not read:
            follower = follower if step.kind in ("filter", "check") else follower.over(ANY)
        else:
            follower = follow(follower, read[0])
        made.append(After(step.path, follower))
    return tuple(made)


def follow(follower: Follower, step: Step) -> Follower:
    """Follow one step."""
    return _FOLLOW[type(step)](follower, step)


def _filter(follower: Follower, step: Any) -> Follower:
    return follower._holding(step.condition)[0]


def _check(follower: Follower, step: Any) -> Follower:
    held, _ = follower._holding(step.that)
    if isinstance(step.message, Node):
        follower._of(step.message)
    return held


def _map(follower: Follower, step: Any) -> Follower:
    return follower._mapped(step.value)


def _set(follower: Follower, step: Any) -> Follower:
    record = follower.record
    if never(record, _OBJECT):
        what = describe(record.without_null())
        follower._report.at(step.path, "").mismatch(f"set needs a record that is an object, and this is {what}", "")
    fields = follower._of(step.fields)
    made: dict[Any, Path] = {**follower.made}
    for name, item in step.fields.fields:
        made = _cut(made, (name,)) | dict(origins(item, (name,)))
    base = record if "object" in record.kinds and not record.any else ANY
    return follower.over(replace(base, kinds=_OBJECT, fields={**base.fields, **fields.fields}, choices=()), made)


def _cut(made: Made, path: tuple[Any, ...]) -> dict[Any, Path]:
    return {place: node for place, node in made.items() if place[: len(path)] != path}


def _remove(follower: Follower, step: Any) -> Follower:
    record, made = follower.record, dict(follower.made)
    values = follower._values()
    for index, path in enumerate(step.paths):
        values.of(Lookup((*step.path, index), path), record)
    for path in step.paths:
        record, made = lacking(record, path), _cut(made, path)
    return follower.over(record, made)


def _validate(follower: Follower, step: Any) -> Follower:
    if isinstance(step.schema, str):
        return follower
    fits = type_of_schema(step.schema, known_from="the schema of " + step.where)
    return follower.over(both(follower.record, fits), follower.made)


def _split(follower: Follower, step: Any) -> Follower:
    source = follower._of(step.source)
    if never(source, _LIST):
        follower._tell(step.source, f"split goes over a list, and this is {describe(source.without_null())}", "")
    meta = put(follower.names.get("meta", ANY), ("parent",), Field(follower.record))
    element = source.items if source.items is not None else ANY
    return follower.over(element, meta=meta)


def _switch(follower: Follower, step: Any) -> Follower:
    """Join what the cases make; a record that none takes goes on as it is."""
    rest: Follower | None = follower
    ends = []
    for when, steps in step.cases:
        assert rest is not None
        inside, rest = rest._holding(when) if when is not None else (rest, None)
        for inner in steps:
            inside = follow(inside, inner)
        ends.append(inside)
    if rest is not None:
        ends.append(rest)
    record, made = ends[0].record, ends[0].made
    for end in ends[1:]:
        record = union(record, end.record)
        made = {**end.made, **made}
    if any(end.record.known_from != record.known_from for end in ends):
        record = replace(record, known_from=made_at(step.path))
    return follower.over(record, made)


_FOLLOW: Mapping[type[Step], Callable[[Follower, Any], Follower]] = {
    Filter: _filter,
    Check: _check,
    Map: _map,
    SetFields: _set,
    Remove: _remove,
    Validate: _validate,
    Split: _split,
    Switch: _switch,
}


def _ask(follower: Follower, step: StepLike, read: Step | None, answers: Mapping[Path, Type]) -> Follower:
    """Follow a ``lookup`` or ``call``: what it compares, and what it puts where."""
    body = step.body
    inside, when = follower, body.get("when")
    if when is not None:
        inside = follower.holding(when, (*step.path, "when"))
    match = body.get("match")
    reader = Known()
    for name, text in match.items() if isinstance(match, Mapping) else ():
        for node in read_key(reader, text, (*step.path, "match", name)):
            inside._of(node, reader.issues)
    if "key" in body:
        inside.key(body["key"], (*step.path, "key"))
    if not isinstance(read, Ask) or not read.into:
        return follower
    answer = answers.get(step.path, ANY)
    missing = body.get("missing", "reject")
    if missing in (None, "null") and body.get("all") is not True and not answer.any:
        answer = answer.or_null()
    record = put(follower.record, read.into, Field(answer))
    made = {**_cut(follower.made, read.into), read.into: (*step.path, "into")}
    if when is not None and not follower.record.any:
        record = union(record, follower.record)
    return follower.over(record, made)
