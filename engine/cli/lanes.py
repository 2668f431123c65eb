"""``engine lanes``: what is accepted and waits, and what waits for a pipeline that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import click

from engine.cli.commands import Command, Group
from engine.cli.session import Session, pass_session, unknown
from engine.cli.table import Cell, table
from engine.service.orphans import orphaned
from engine.store.base import LaneRow
from engine.telemetry.words import count, moment

if TYPE_CHECKING:
    from engine.definition.model import Project

KINDS = {
    "fire": "to be started",
    "in/0": "accepted, to be delivered",
    "in/replay": "dead letters, to be sent again",
}


@click.group("lanes", cls=Group, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON line each.")
@click.pass_context
def lanes(context: click.Context, as_json: bool) -> None:
    """List what is accepted and waits. A lane whose pipeline is gone is kept until you decide."""
    if context.invoked_subcommand is not None:
        return
    session = context.ensure_object(Session)
    project = session.project()
    found = asyncio.run(_find(session, project))
    if as_json:
        for row in found:
            session.out.json({
                "lane": row.lane, "entries": row.entries, "oldest": row.oldest, "owner": row.owner,
                "orphaned": orphaned(row.lane, names(project)),
            })  # fmt: skip
    elif not found:
        session.err.line("nothing waits")
    else:
        _table(session, project, found)


def names(project: Project) -> frozenset[str]:
    """Return the pipelines whose lanes are nobody's to take: a broken file's pipeline is not gone."""
    return frozenset([*project.pipelines, *(draft.name for draft in project.drafts)])


async def _find(session: Session, project: Project) -> Sequence[LaneRow]:
    from engine.service.orphans import lanes as waiting

    async with session.reader(project) as store:
        return await waiting(store)


def _table(session: Session, project: Project, found: Sequence[LaneRow]) -> None:
    look, known = session.out.look, names(project)
    rows: list[list[str | Cell]] = []
    for row in found:
        name, _, kind = row.lane.partition("/")
        gone = orphaned(row.lane, known)
        said = f"no pipeline '{name}'" if gone else KINDS.get(kind) or _parked(kind)
        oldest = moment(row.oldest, session.zone(name)) if row.oldest else ""
        number = Cell(look.number(row.entries), None, True)
        rows.append([row.lane, number, oldest, Cell(said, "warning" if gone else "detail")])
    for line in table(rows, look, ("lane", "entries", "oldest", "")):
        session.out.line(line)
    lost = [row.lane for row in found if orphaned(row.lane, known)]
    if lost and look.terminal:
        drop = look.paint(f"engine lanes drop {lost[0]}", "strong")
        move = look.paint(f"engine lanes move {lost[0]} PIPELINE", "strong")
        session.out.line(f"give up:  {drop}        give to another:  {move}")


def _parked(kind: str) -> str:
    return f"waits for the target {kind.removeprefix('out/')}" if kind.startswith("out/") else ""


@lanes.command("drop", cls=Command)
@click.argument("lane")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def drop(session: Session, lane: str, yes: bool) -> None:
    """Give up what waits in the lane of a pipeline that is gone."""
    project = session.project()
    number = _orphan(session, project, lane)
    if not yes:
        if not session.err.look.terminal:
            raise click.UsageError("dropping cannot be undone: say --yes")
        if not click.confirm(f"drop {count(number, 'entry', 'entries')} of {lane}?", err=True):
            session.err.line("nothing was dropped")
            return
    done = asyncio.run(_settle(project, lane, "drop"))
    if not session.quiet:
        session.out.line(f"dropped {count(done, 'entry', 'entries')}")


@lanes.command("move", cls=Command)
@click.argument("lane")
@click.argument("to", metavar="PIPELINE")
@pass_session
def move(session: Session, lane: str, to: str) -> None:
    """Give what waits in the lane of a pipeline that is gone to another pipeline."""
    project = session.project()
    session.pipeline(project, to)
    _orphan(session, project, lane)
    done = asyncio.run(_settle(project, lane, "move", to))
    if not session.quiet:
        kind = lane.split("/", 1)[1]
        session.out.line(f"moved {count(done, 'entry', 'entries')} to {to}/{kind}")


def _orphan(session: Session, project: Project, lane: str) -> int:
    """Return how many entries an orphaned lane has; raises click.UsageError when it has none or is not orphaned."""
    found = {row.lane: row.entries for row in asyncio.run(_find(session, project))}
    if lane not in found:
        raise click.UsageError(unknown("lane", lane, list(found), "engine lanes"))
    if not orphaned(lane, names(project)):
        name = lane.split("/")[0]
        raise click.UsageError(f"{lane} is not orphaned: the pipeline {name} is there, and its entries are its own")
    return found[lane]


async def _settle(project: Project, lane: str, do: Literal["drop", "move"], to: str = "") -> int:
    from engine.app import open_app
    from engine.cli.hands import server
    from engine.service import orphans

    client = await server(project)
    if client is not None:
        return await client.orphans(lane, do, to)
    async with open_app(project, emit=lambda event: None) as app:
        return await orphans.settle(app.store, lane, do, to, names(project))
