"""``engine list`` and ``engine show``: what is loaded, and one thing of it in full."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from engine.cli.commands import Command
from engine.cli.session import Session, pass_session, unknown
from engine.cli.table import Cell, table
from engine.cli.yamltext import flow, lines
from engine.errors import EngineError, dotted
from engine.store.base import Page, Where
from engine.telemetry.words import clip, count, moment, position

if TYPE_CHECKING:
    from engine.definition.model import ConnectionDefinition, PipelineDefinition, Project, Use
    from engine.store.base import RunRow


@click.command("list", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="One JSON line each.")
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the pipelines and connections of the project."""
    project, problems = session.read()
    pipelines = [project.pipelines[name] for name in sorted(project.pipelines)]
    connections = [project.connections[name] for name in sorted(project.connections)]
    if as_json:
        for one in pipelines:
            session.out.json(_brief(one))
        for other in connections:
            session.out.json({"connection": other.name, "kind": other.use.connector, "file": other.origin.file})
    else:
        _pipelines(session, pipelines)
        _connections(session, project, connections, bool(pipelines))
        if not pipelines and not connections:
            session.err.line("nothing is loaded; begin with:  engine init")
    broken = {problem.file for problem in problems if problem.severity == "error"}
    if broken:
        look = session.err.look
        more = look.paint("engine validate", "strong")
        session.err.line(f"{look.paint(count(len(broken), 'file'), 'error')} with errors, see  {more}")


def _brief(one: PipelineDefinition) -> dict[str, Any]:
    return {
        "pipeline": one.name,
        "description": one.description,
        "enabled": one.enabled,
        "source": _used(one.source.use) if one.source else "params",
        "targets": [_used(target.use) for target in one.targets],
        "triggers": [trigger_text(trigger) for trigger in one.triggers],
        "labels": one.labels,
        "file": one.origin.file,
    }


def _used(use: Use) -> str:
    return f"{use.connector} {use.connection}" if use.connection else use.connector


def _pipelines(session: Session, pipelines: Sequence[PipelineDefinition]) -> None:
    look = session.out.look
    rows: list[list[str | Cell]] = [
        [
            Cell(one.name, "strong" if one.enabled else "detail"),
            _used(one.source.use) if one.source else "params",
            ", ".join(dict.fromkeys(_used(target.use) for target in one.targets)),
            _started(one),
            Cell(one.description, "detail"),
        ]
        for one in pipelines
    ]
    for line in table(rows, look, ("pipeline", "reads", "sends to", "starts", "")) if rows else ():
        session.out.line(line)


def _started(one: PipelineDefinition) -> str:
    if not one.enabled:
        return "disabled"
    return "; ".join(map(trigger_text, one.triggers)) or "by hand"


def trigger_text(trigger: Mapping[str, Any]) -> str:
    """Say in a few words what starts a run."""
    for kind in ("cron", "every", "after", "file", "webhook"):
        if kind in trigger:
            value = trigger[kind]
            if isinstance(value, Mapping):
                value = value.get("path", "")
            said = f"{kind} {', '.join(value) if isinstance(value, list) else _span(value)}"
            between = f" {trigger['between']}" if "between" in trigger else ""
            return said + between + (f" {trigger['weekdays']}" if "weekdays" in trigger else "")
    return "by hand"


def _span(value: Any) -> str:
    from engine.telemetry.words import duration

    return duration(value) if isinstance(value, (int, float)) else str(value)


def _connections(session: Session, project: Project, connections: Sequence[ConnectionDefinition], apart: bool) -> None:
    users: dict[str, int] = {}
    for one in project.pipelines.values():
        uses = [target.use for target in one.targets] + ([one.source.use] if one.source else [])
        for name in {use.connection for use in uses if use.connection}:
            users[name] = users.get(name, 0) + 1
    rows: list[list[str | Cell]] = [
        [Cell(one.name, "strong"), one.use.connector, count(users.get(one.name, 0), "pipeline"), one.origin.file]
        for one in connections
    ]
    if rows and apart:
        session.out.line()
    for line in table(rows, session.out.look, ("connection", "kind", "used by", "file")) if rows else ():
        session.out.line(line)


@click.command("show", cls=Command)
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> None:
    """Show a pipeline or a connection: what it reads, does and writes, and where it stands."""
    project, problems = session.read()
    if name in project.pipelines:
        definition = project.pipelines[name]
        _pipeline(session, project, definition)
        file = definition.origin.file
    elif name in project.connections:
        found = project.connections[name]
        session.out.line(f"{session.out.look.paint(name, 'strong')}  {found.origin.file}")
        _use(session, "kind", found.use)
        file = found.origin.file
    else:
        known = [*project.pipelines, *project.connections]
        raise click.UsageError(unknown("pipeline or connection", name, known, "engine list"))
    if any(problem.file == file and problem.severity == "error" for problem in problems):
        session.err.line(f"it has errors, see  engine validate {file}")


def _pipeline(session: Session, project: Project, one: PipelineDefinition) -> None:
    look = session.out.look
    state = "" if one.enabled else look.paint("   disabled: only by hand", "warning")
    session.out.line(f"{look.paint(one.name, 'strong')}  {look.paint(one.origin.file, 'detail')}{state}")
    if one.description:
        session.out.line(f"  {one.description}")
    if one.source:
        _use(session, "reads", one.source.use)
    else:
        _facts(session, [["reads", "one record made of params"]])
    row, runs, dead = _stored(session, project, one.name)
    _facts(session, _cursor(one, row))
    for step in one.steps:
        _block(session, step.kind, dotted(step.path), step.body)
    for target in one.targets:
        _use(session, "sends to", target.use)
        if target.when is not None:
            _facts(session, [["when", str(target.when)]])
        if target.mapping is not None:
            _block(session, "map", dotted((*target.path, "mapping")), target.mapping)
        _facts(session, [["", _delivery(target)]])
    starts = [trigger_text(trigger) for trigger in one.triggers]
    _facts(session, [["starts" if not number else "", text] for number, text in enumerate(starts)])
    _facts(session, [["param", _param(name, schema)] for name, schema in one.params.items()])
    if runs:
        started = moment(runs[0].started, session.zone(one.name))
        _facts(session, [["last run", f"{runs[0].status.replace('_', ' ')}, {started}   {look.short(runs[0].id)}"]])
    if dead:
        _facts(session, [["rejected", f"{look.number(dead)} wait   engine dead-letters list --pipeline {one.name}"]])


def _facts(session: Session, facts: Sequence[Sequence[str]]) -> None:
    look = session.out.look
    for label, text in facts:
        shown = clip(text, max(look.width - 12, 20), look.sign("…"))
        session.out.line(f"  {look.paint(f'{label:<10}', 'detail')}{shown}".rstrip())


def _use(session: Session, label: str, use: Use) -> None:
    _facts(session, [[label, _used(use)]])
    for line in lines(session.out.mask(dict(use.options))) if use.options else ():
        session.out.line(f"            {line}")


def _block(session: Session, label: str, place: str, body: Any) -> None:
    look = session.out.look
    if not isinstance(body, (Mapping, list)):
        _facts(session, [[label, str(body)]])
        return
    _facts(session, [[label, look.paint(place, "detail")]])
    for line in lines(body):
        session.out.line(f"            {line}")


def _cursor(one: PipelineDefinition, row: Any) -> list[list[str]]:
    if one.source is None or one.source.cursor is None:
        return []
    from engine.cli.cursor import position as stands

    values = stands(row)
    where = f"at {position(values)}" if values else "not moved yet"
    return [["cursor", f"{', '.join(one.source.cursor.fields)}   {where}"]]


_KEPT = {
    "dead_letter": "rejected ones are kept",
    "drop": "rejected ones are dropped",
    "fail": "a rejected one fails the run",
}


def _delivery(target: Any) -> str:
    said = [f"batches of {target.batch.size}" if target.batch.written else ""]
    said.append(f"key {target.key}" if target.key is not None else "no key")
    said.append(_KEPT[target.on_rejected])
    return ", ".join(text for text in said if text)


def _param(name: str, schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "any")
    kind = " or ".join(kind) if isinstance(kind, list) else kind
    default = f", default {flow(schema['default'])}" if "default" in schema else ""
    about = f"   {schema['description']}" if schema.get("description") else ""
    return f"{name}   {kind}{default}{about}"


def _stored(session: Session, project: Project, name: str) -> tuple[Any, Sequence[RunRow], int]:
    """Return the lane, the last run and the open dead letters; nothing when the store cannot be read."""
    from engine.cli.cursor import lane_row

    async def read() -> tuple[Any, Sequence[RunRow], int]:
        async with session.reader(project) as store:
            runs, _ = await store.find("runs", Where(pipeline=name), Page(1))
            causes, _ = await store.find("causes", Where(pipeline=name), Page(1000))
            return await lane_row(store, name), runs, sum(cause.letters for cause in causes)

    try:
        return asyncio.run(read())
    except EngineError as error:
        session.err.line(f"the store cannot be read: {error}")
        return None, (), 0
