"""``engine cursor``: where an incremental pipeline stands, and moving it by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from engine.cli.commands import Command, Group
from engine.cli.lookup import collect
from engine.cli.session import Session, pass_session, unknown
from engine.cli.table import Cell, table
from engine.store.base import LaneRow, LogLine, Page, Where
from engine.telemetry.words import ago, moment

if TYPE_CHECKING:
    from engine.definition.model import PipelineDefinition, Project
    from engine.store.base import Store


@click.group("cursor", cls=Group)
def cursor() -> None:
    """See and move where an incremental pipeline goes on."""


@cursor.command("show", cls=Command)
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@pass_session
def show(session: Session, name: str, as_json: bool) -> None:
    """Show where a pipeline goes on at its next run."""
    project = session.project()
    definition = session.pipeline(project, name)
    row, audit = asyncio.run(_row(session, project, name))
    stands = position(row)
    if as_json:
        changed = row.changed if row is not None and stands is not None else None
        by_hand = [{"time": line.time, "message": line.message} for line in audit]
        session.out.json({"pipeline": name, "cursor": stands, "changed": changed, "by_hand": by_hand})
        return
    look = session.out.look
    if stands is None:
        initial = definition.source.cursor.initial if definition.source and definition.source.cursor else None
        where = "the beginning" if not initial else "its initial values"
        session.out.line(f"{look.paint(name, 'strong')}  not moved yet: the next run reads from {where}")
        stands = initial or {}
    else:
        assert row is not None
        when = f"{ago(row.changed, datetime.now(UTC))}, {moment(row.changed, session.zone(name), seconds=True)}"
        session.out.line(f"{look.paint(name, 'strong')}  moved {when}")
    for line in table([[field, _text(value)] for field, value in stands.items()], look, indent="  "):
        session.out.line(line)
    for told in audit[-3:]:
        when = moment(told.time, session.zone(name))
        session.out.line(look.paint(f"  {when}  {told.message}", "detail"))


@cursor.command("set", cls=Command)
@click.argument("name")
@click.argument("values", nargs=-1, required=True, metavar="FIELD=VALUE...")
@pass_session
def set_(session: Session, name: str, values: tuple[str, ...]) -> None:
    """Move a pipeline's cursor: the next run reads what comes after these values.

    A value is JSON or text; it takes the type of the value it replaces.
    """
    project = session.project()
    definition = session.pipeline(project, name)
    if definition.source is None or definition.source.cursor is None:
        raise click.UsageError(f"{name} has no cursor: there is none under its source")
    written = dict(_pair(item) for item in values)
    fields, initial = definition.source.cursor.fields, definition.source.cursor.initial
    for field in written:
        if field not in fields:
            raise click.UsageError(unknown("cursor field", field, fields, f"engine cursor show {name}"))

    def change(now: Mapping[str, Any] | None) -> Mapping[str, Any]:
        like = {**initial, **(now or {})}
        after = {**(now or {}), **{field: typed(field, text, like.get(field)) for field, text in written.items()}}
        lacking = [field for field in fields if field not in after]
        if lacking:
            raise click.UsageError(f"the cursor of {name} has {len(fields)} fields; give {', '.join(lacking)} too")
        return {field: after[field] for field in fields}

    before, after = asyncio.run(_move(session, project, name, change))
    _moved(session, definition, before, after)


@cursor.command("reset", cls=Command)
@click.argument("name")
@pass_session
def reset(session: Session, name: str) -> None:
    """Forget where a pipeline stands: the next run reads from the beginning."""
    project = session.project()
    definition = session.pipeline(project, name)
    before, _ = asyncio.run(_move(session, project, name, lambda now: None))
    _moved(session, definition, before, None)


Change = Any
"""The stored values, or None, → the new ones, or None to forget."""


async def _move(
    session: Session, project: Project, name: str, change: Change
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Change the cursor, unless a run moves it meanwhile; give it before and after."""
    from engine.app import open_app
    from engine.cli.hands import server, user
    from engine.service.cursors import Move, put, stands

    async with session.reader(project) as store:
        stored = await stands(store, name)
    before = stored.get("cursor")
    move = Move(name, before, change(before), user())
    client = await server(project)
    if client is not None:
        await client.move(move)
    else:
        async with open_app(project, emit=lambda event: None) as app:
            await put(app.store, move)
    return before if before is not None else stored.get("source"), move.after


def _moved(
    session: Session,
    definition: PipelineDefinition,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    if session.quiet:
        return
    look, name = session.out.look, definition.name
    if before is None and after is None:
        session.out.line(f"{name}  had not moved: it reads from the beginning anyway")
        return
    if before == after:
        session.out.line(f"{name}  stands there already")
        return
    every = dict.fromkeys([*(before or {}), *(after or {})])
    fields = [field for field in every if after is None or (before or {}).get(field) != after.get(field)]
    session.out.line(f"{look.paint(name, 'strong')}  {'moved' if after is not None else 'reset'}")
    rows: list[list[str | Cell]] = [
        [field, _at(before, field), look.sign("→"), _at(after, field) or "from the beginning"] for field in fields
    ]
    for line in table(rows, look, indent="  "):
        session.out.line(line)
    known = definition.source.cursor.fields if definition.source and definition.source.cursor else ()
    if before is not None and set(before) == set(known):
        back = " ".join(_quoted(f"{field}={_json(value)}") for field, value in before.items())
        session.out.line(f"back:  {look.paint(f'engine cursor set {name} {back}', 'strong')}")


def _at(values: Mapping[str, Any] | None, field: str) -> str:
    return _text(values[field]) if values is not None and field in values else ""


async def _row(session: Session, project: Project, name: str) -> tuple[LaneRow | None, Sequence[LogLine]]:
    async with session.reader(project) as store:
        return await lane_row(store, name), await collect(store, "logs", Where(run=f"{name}/cursor"))


async def lane_row(store: Store, pipeline: str) -> LaneRow | None:
    """Return the lane that holds a pipeline's position."""
    found, _ = await store.find("lanes", Where(lane=f"{pipeline}/cursor"), Page(1))
    return next((row for row in found if row.lane == f"{pipeline}/cursor"), None)


def position(row: LaneRow | None) -> Mapping[str, Any] | None:
    """Return the values a lane stands at: the cursor's, or where a source without one stands."""
    if row is None or not row.checkpoint:
        return None
    found = row.checkpoint.get("cursor") or row.checkpoint.get("source")
    return found if isinstance(found, Mapping) else None


def _pair(item: str) -> tuple[str, str]:
    field, equals, text = item.partition("=")
    if not equals:
        raise click.UsageError(f"{item}: write field=value")
    return field, text


def typed(field: str, text: str, like: Any) -> Any:
    """Read *text* as JSON or text, in the type of the value it replaces."""
    try:
        value = json.loads(text, parse_float=Decimal)
    except ValueError:
        value = text
    try:
        if isinstance(like, datetime):
            return datetime.fromisoformat(str(value))
        if isinstance(like, date):
            return date.fromisoformat(str(value))
        if isinstance(like, Decimal):
            return Decimal(str(value))
    except (ValueError, InvalidOperation):
        raise click.UsageError(f"{field}={text}: must be a {type(like).__name__}, like {like}") from None
    if isinstance(like, str):
        return value if isinstance(value, str) else text
    if isinstance(like, int) and not isinstance(like, bool) and not isinstance(value, int):
        raise click.UsageError(f"{field}={text}: must be a whole number, like {like}")
    if value is None or isinstance(value, (bool, dict, list)):
        raise click.UsageError(f"{field}={text}: must be one value that has an order: text, a number, a date")
    return float(value) if isinstance(value, Decimal) and not isinstance(like, Decimal) else value


def _text(value: Any) -> str:
    return str(value) if not isinstance(value, (dict, list)) else json.dumps(value, ensure_ascii=False, default=str)


def _json(value: Any) -> str:
    return str(value) if not isinstance(value, (dict, list)) else json.dumps(value, default=str)


def _quoted(text: str) -> str:
    from shlex import quote

    return quote(text)
