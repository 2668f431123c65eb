"""Steps as stages: runs of pure ones as one function each, and between them those that ask a remote system."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine import codec
from engine.compiler.options import compile_options
from engine.compiler.registry import connector
from engine.compiler.remotes import part, remote_of
from engine.connector import Names
from engine.definition.model import PipelineDefinition, Project, Step, Use
from engine.definition.units import seconds
from engine.errors import Path, dotted
from engine.expressions import (
    Settings,
    compile_condition,
    compile_key,
    compile_steps,
    field_path,
    key_text,
)
from engine.pipeline import AskPlan, CachePlan, CallPlan, Key, LookupPlan, Stage
from engine.record import Record

_BIND = re.compile(r"(?<![:\w]):record((?:\.\w+)+)")


def compile_stages(project: Project, definition: PipelineDefinition, settings: Settings) -> tuple[Stage | AskPlan, ...]:
    """Compile the steps of a pipeline. Raises Unavailable where a driver is missing."""
    stages: list[Stage | AskPlan] = []
    run: list[Step] = []
    for step in definition.steps:
        if step.use is None:
            run.append(step)
            continue
        stages += compile_steps(run, settings)
        run = []
        make = _lookup if step.kind == "lookup" else _call
        stages.append(make(project, definition.name, step, settings))
    return (*stages, *compile_steps(run, settings))


def _lookup(project: Project, pipeline: str, step: Step, settings: Settings) -> LookupPlan:
    use, body, label = _use(step), step.body, dotted(step.path)
    make = part(connector(use.connector), "source")
    options = compile_options(use, settings)
    match, row_match = _match(body.get("match"), (*step.path, "match"), settings)
    missing = body.get("missing", "reject")
    return LookupPlan(
        label=label,
        connector=use.connector,
        remote=remote_of(project, use, f"{pipeline}.{label}", None),
        resilience=step.resilience,
        build=lambda context: make(context, **options),
        question=_question(use, options),
        into=field_path(body["into"]) or (),
        when=_when(step, settings),
        match=match,
        row_match=row_match,
        many=body.get("all", False),
        cache=_cache(body.get("cache")),
        missing="null" if missing in (None, "null") else "reject",
        retry_for=_seconds(missing["retry_for"]) if isinstance(missing, Mapping) else None,
    )


def _call(project: Project, pipeline: str, step: Step, settings: Settings) -> CallPlan:
    use, body, label = _use(step), step.body, dotted(step.path)
    make = part(connector(use.connector), "call")
    options = compile_options(use, settings)
    return CallPlan(
        label=label,
        connector=use.connector,
        remote=remote_of(project, use, f"{pipeline}.{label}", None),
        resilience=step.resilience,
        build=lambda context: make(context, **options),
        into=(field_path(body["into"]) or ()) if "into" in body else (),
        when=_when(step, settings),
        key=compile_key(body["key"], (*step.path, "key"), settings) if "key" in body else None,
    )


def _use(step: Step) -> Use:
    assert step.use is not None
    return step.use


def _when(step: Step, settings: Settings) -> Any:
    when = step.body.get("when")
    return None if when is None else compile_condition(when, (*step.path, "when"), settings)


def _cache(value: Mapping[str, Any] | None) -> CachePlan | None:
    return None if value is None else CachePlan(_seconds(value["ttl"]), value.get("size", 1000))


def _seconds(value: Any) -> float:
    return seconds(value) if isinstance(value, str) else float(value)


def _match(
    value: Mapping[str, Any] | None, path: Path, settings: Settings
) -> tuple[Key | None, Callable[[Record], str | None]]:
    """Make the texts that are compared, of a record and of a row."""
    if value is None:
        return None, lambda row: None
    names = tuple(value)
    keys = [compile_key(text, (*path, name), settings) for name, text in value.items()]
    if len(keys) == 1:
        return keys[0], lambda row: _texts(row, names)[0]

    def match(*given: Any) -> str:
        return codec.encode([key(*given) for key in keys])

    def row_match(row: Record) -> str | None:
        texts = _texts(row, names)
        return None if None in texts else codec.encode(texts)

    return match, row_match


def _texts(row: Record, names: tuple[str, ...]) -> list[str | None]:
    """Write the fields of a row as keys are written; None for one that is missing, null, empty, or no single value."""
    return [key_text(row.get(name)) if isinstance(row, Mapping) else None for name in names]


def _question(use: Use, options: Mapping[str, Any]) -> Callable[[Names], Any]:
    """Return what an answer depends on: every template as it comes out, and every bind of SQL to the record."""
    templates = [
        made for path, kind in use.values.items() if kind == "template" and callable(made := _at(options, path))
    ]
    binds = sorted({bind for path in use.sql for bind in _binds(_at(options, path))})

    def question(names: Names) -> Any:
        return [*(template(names) for template in templates), *(_reach(names["record"], bind) for bind in binds)]

    return question


def _binds(text: Any) -> Iterator[tuple[str, ...]]:
    for match in _BIND.finditer(text) if isinstance(text, str) else ():
        yield tuple(match[1].strip(".").split("."))


def _reach(value: Any, steps: tuple[str, ...]) -> list[Any]:
    """Walk into plain data: one value, or none where nothing is there, which is not the same as null."""
    for step in steps:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return []
    return [value]


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value
