"""``engine list`` and ``engine show``: what is loaded, and one thing of it in full."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from engine.cli.commands import Command
from engine.cli.groups import counted, groups, of_template, title, together
from engine.cli.names import read_from
from engine.cli.session import Session, pass_session, unknown
from engine.cli.table import Cell, table
from engine.cli.upcoming import Paused, next_firing, next_text, paused, paused_text
from engine.cli.yamltext import flow, lines
from engine.errors import EngineError, dotted
from engine.store.base import Page, Where
from engine.telemetry.words import clip, count, moment, position

if TYPE_CHECKING:
    from engine.definition.model import ConnectionDefinition, PipelineDefinition, Project, Use
    from engine.store.base import RunRow


@click.command("list", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="One JSON line each.")
@click.option("--all", "apart", is_flag=True, help="Each instance of for_each on a line of its own.")
@pass_session
def list_(session: Session, as_json: bool, apart: bool) -> None:
    """List the pipelines and connections of the project; the instances of one for_each on one line."""
    project, problems = session.read()
    pipelines = [project.pipelines[name] for name in sorted(project.pipelines)]
    connections = [project.connections[name] for name in sorted(project.connections)]
    held = paused(session, project) if pipelines else {}
    if as_json:
        for one in pipelines:
            coming = next_firing(project, one, _now()) if one.name not in held else None
            session.out.json({**_brief(one), "paused": held.get(one.name), "next": coming})
        for other in connections:
            session.out.json({"connection": other.name, "kind": other.use.connector, "file": other.origin.file})
    else:
        _pipelines(session, project, groups(pipelines, apart), held)
        _connections(session, project, groups(connections, apart), bool(pipelines))
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
        "source": _used(one.source.use) if one.source else read_from(one),
        "targets": [_used(target.use) for target in one.targets],
        "triggers": [trigger_text(trigger) for trigger in one.triggers],
        "labels": one.labels,
        "file": one.origin.file,
    }


def _used(use: Use) -> str:
    return f"{use.connector} {use.connection}" if use.connection else use.connector


def _pipelines(
    session: Session, project: Project, listed: Sequence[Sequence[PipelineDefinition]], held: Paused
) -> None:
    now = _now()
    rows = [_row(session, project, group, held, now) for group in listed]
    heads = ("pipeline", "reads", "sends to", "starts", "next", "")
    for line in table(rows, session.out.look, heads) if rows else ():
        session.out.line(line)


def _row(
    session: Session, project: Project, group: Sequence[PipelineDefinition], held: Paused, now: datetime
) -> list[str | Cell]:
    first, origins = group[0], [one.origin for one in group]
    free = {id(one.triggers): one for one in group if one.name not in held}
    slots = [at for one in free.values() if (at := next_firing(project, one, now)) is not None]
    reads = [_used(one.source.use) if one.source else read_from(one) for one in group]
    sends = [", ".join(dict.fromkeys(_used(target.use) for target in one.targets)) for one in group]
    return [
        Cell(title(first.name, group), "strong" if any(one.enabled for one in group) else "detail", whole=True),
        together(reads, origins),
        together(sends, origins),
        _started(group, held, now),
        next_text(session, first.name, min(slots, default=None), now),
        Cell(counted(group, first.description), "detail"),
    ]


def _now() -> datetime:
    return datetime.now(UTC)


def _started(group: Sequence[PipelineDefinition], held: Paused, now: datetime) -> str | Cell:
    resting = [one for one in group if one.name in held]
    if resting:
        said = paused_text(held[resting[0].name], now)
        return Cell(said if len(group) == 1 else f"{len(resting)} of {len(group)} {said}", "warning")
    texts = [("; ".join(map(trigger_text, one.triggers)) or "by hand") if one.enabled else "disabled" for one in group]
    return together(texts, [one.origin for one in group])


def trigger_text(trigger: Mapping[str, Any]) -> str:
    """Say in a few words what starts a run."""
    for kind in ("cron", "every", "after", "file", "webhook"):
        if kind in trigger:
            value = trigger[kind]
            if isinstance(value, Mapping):
                path, pattern = value.get("path", ""), value.get("pattern")
                value = f"{path.rstrip('/')}/{pattern}" if pattern else path
            said = f"{kind} {', '.join(value) if isinstance(value, list) else _span(value)}"
            between = f" {trigger['between']}" if "between" in trigger else ""
            return said + between + (f" {trigger['weekdays']}" if "weekdays" in trigger else "")
    return "by hand"


def _span(value: Any) -> str:
    from engine.telemetry.words import duration

    return duration(value) if isinstance(value, (int, float)) else str(value)


def _connections(
    session: Session, project: Project, listed: Sequence[Sequence[ConnectionDefinition]], apart: bool
) -> None:
    from engine.compiler.facts import connections_of

    users: dict[str, int] = {}
    for definition in project.pipelines.values():
        for name in connections_of(definition):
            users[name] = users.get(name, 0) + 1
    rows: list[list[str | Cell]] = [
        [
            Cell(title(group[0].name, group), "strong", whole=True),
            group[0].use.connector,
            count(sum(users.get(one.name, 0) for one in group), "pipeline"),
            group[0].origin.file + (f"   {counted(group)}" if len(group) > 1 else ""),
        ]
        for group in listed
    ]
    if rows and apart:
        session.out.line()
    for line in table(rows, session.out.look, ("connection", "kind", "used by", "file")) if rows else ():
        session.out.line(line)


@click.command("show", cls=Command)
@click.argument("name")
@click.option("--types", "types", is_flag=True, help="The record after each step of a pipeline, as far as it is known.")
@click.option("--json", "as_json", is_flag=True, help="With --types: as one JSON document.")
@pass_session
def show(session: Session, name: str, types: bool, as_json: bool) -> None:
    """Show a pipeline or a connection: what it reads, does and writes, and where it stands."""
    project, problems = session.read()
    if types or as_json:
        _types(session, project, name, types, as_json)
        return
    if name in project.pipelines:
        definition = project.pipelines[name]
        _pipeline(session, project, definition)
        file = definition.origin.file
    elif name in project.connections:
        found = project.connections[name]
        session.out.line(f"{session.out.look.paint(name, 'strong')}  {found.origin.file}")
        _use(session, "kind", found.use)
        _facts(session, _users(project, name))
        file = found.origin.file
    elif instances := [one for one in project.pipelines.values() if of_template(one, name)]:
        _template(session, name, instances)
        file = instances[0].origin.file
    elif others := [one for one in project.connections.values() if of_template(one, name)]:
        _template(session, name, others)
        file = others[0].origin.file
    else:
        known = [*project.pipelines, *project.connections]
        raise click.UsageError(unknown("pipeline or connection", name, known, "engine list"))
    if any(problem.file == file and problem.severity == "error" for problem in problems):
        session.err.line(f"it has errors, see  engine validate {file}")


def _types(session: Session, project: Project, name: str, types: bool, as_json: bool) -> None:
    from engine.cli.types import show_types

    if not types:
        raise click.UsageError("--json goes with --types")
    instances = [one for one in project.pipelines.values() if one.name == name or of_template(one, name)]
    if not instances:
        raise click.UsageError(unknown("pipeline", name, project.pipelines, "engine list"))
    show_types(session, project, instances[0], as_json)


def _users(project: Project, connection: str) -> list[list[str]]:
    from engine.compiler.facts import connections_of

    users = sorted(one.name for one in project.pipelines.values() if connection in connections_of(one))
    return [["used by", ", ".join(users) or "no pipeline"]]


def _template(
    session: Session, name: str, group: Sequence[PipelineDefinition] | Sequence[ConnectionDefinition]
) -> None:
    look, origin = session.out.look, group[0].origin
    session.out.line(f"{look.paint(name, 'strong')}  {look.paint(origin.file, 'detail')}   {counted(group)}")
    for one in group:
        place = one.origin.row
        session.out.line(f"  {one.name}   {look.paint(f'{place.file}:{place.line}', 'detail')}")


def _pipeline(session: Session, project: Project, one: PipelineDefinition) -> None:
    look = session.out.look
    state = "" if one.enabled else look.paint("   disabled: only by hand", "warning")
    session.out.line(f"{look.paint(one.name, 'strong')}  {look.paint(one.origin.file, 'detail')}{state}")
    if one.description:
        session.out.line(f"  {one.description}")
    if one.origin.instance:
        place = one.origin.row
        _facts(session, [["row", f"{place.file}:{place.line}"]])
    if one.source:
        _use(session, "reads", one.source.use)
    else:
        _facts(session, [["reads", _without_source(one)]])
    kept = [f"{key} {value}" for promise in one.promises for key, value in promise.items()]
    if kept:
        _facts(session, [["promises", ", ".join(kept)]])
    held = paused(session, project).get(one.name)
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
    if held:
        undo = look.paint(f"engine resume {one.name}", "strong")
        _facts(session, [["paused", f"{look.paint(paused_text(held, _now()), 'warning')}   {undo}"]])
    elif (coming := next_firing(project, one, _now())) is not None:
        _facts(session, [["next", next_text(session, one.name, coming, _now())]])
    _facts(session, [["param", _param(name, schema)] for name, schema in one.params.items()])
    if runs:
        started = moment(runs[0].started, session.zone(one.name))
        _facts(session, [["last run", f"{runs[0].status.replace('_', ' ')}, {started}   {look.short(runs[0].id)}"]])
    if dead:
        _facts(session, [["rejected", f"{look.number(dead)} wait   engine dead-letters list --pipeline {one.name}"]])


def _without_source(one: PipelineDefinition) -> str:
    hooks = [trigger["webhook"]["path"] for trigger in one.triggers if "webhook" in trigger]
    return f"what comes by webhook: {', '.join(hooks)}" if hooks else "one record made of params"


def _facts(session: Session, facts: Sequence[Sequence[str]]) -> None:
    look = session.out.look
    for label, text in facts:
        shown = clip(text, max(look.width - 12, 20), look.sign("…"))
        session.out.line(f"  {look.paint(f'{label:<10}', 'detail')}{shown}".rstrip())


def _use(session: Session, label: str, use: Use) -> None:
    _facts(session, [[label, _used(use)]])
    written = {**use.options, **use.checks}
    for line in lines(session.out.mask(written)) if written else ():
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
