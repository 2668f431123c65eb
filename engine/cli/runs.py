"""``engine runs``: history, and running something again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.commands import Command, Group
from engine.cli.lookup import by_id, collect, since
from engine.cli.names import names_of
from engine.cli.run_changes import cancel, one, rerun
from engine.cli.session import Session, pass_session
from engine.cli.table import Cell, table
from engine.cli.yamltext import flow
from engine.store.base import RunRow, Where
from engine.telemetry.look import Look, Meaning
from engine.telemetry.runlog import Line, human
from engine.telemetry.summary import render
from engine.telemetry.words import duration, moment

if TYPE_CHECKING:
    from engine.definition.model import Project

STATUS: Final[dict[str, Meaning]] = {
    "success": "done",
    "partial": "warning",
    "empty": "warning",
    "cancelled": "warning",
    "failed": "error",
    "timed_out": "error",
    "interrupted": "error",
}
_HEADS = ("run", "pipeline", "status", "started", "took", "read", "sent", "rejected")


@click.group("runs", cls=Group, invoke_without_command=True)
@click.option("--pipeline", metavar="NAME", help="Only of this pipeline.")
@click.option("--status", metavar="STATUS", help="Only with this status, such as failed.")
@click.option("--since", "age", metavar="WHEN", help="Not before: 2h, 3d, 2026-11-21.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a run.")
@click.pass_context
def runs(
    context: click.Context, pipeline: str | None, status: str | None, age: str | None, limit: int, as_json: bool
) -> None:
    """List the runs, newest first. An ID may be shortened as long as it is the only one that begins so."""
    if context.invoked_subcommand is not None:
        return
    session = context.ensure_object(Session)
    project = session.project()
    where = Where(pipeline=pipeline, status=status, since=since(age, datetime.now(UTC)))
    found = asyncio.run(_find(session, project, where, limit))
    if as_json:
        for row in found:
            session.out.json(row._asdict())
        return
    if not found:
        chosen = any(value is not None for value in (pipeline, status, age))
        session.err.line("no such runs" if chosen else "no runs yet; begin with:  engine run NAME")
        return
    for line in table([_row(row, session) for row in found], session.out.look, _HEADS):
        session.out.line(line)


async def _find(session: Session, project: Project, where: Where, limit: int) -> Sequence[RunRow]:
    async with session.reader(project) as store:
        return await collect(store, "runs", where, limit)


def _row(row: RunRow, session: Session) -> list[str | Cell]:
    summary, look = row.summary, session.out.look
    sent = summary.get("sent", {})
    return [
        look.short(row.id),
        row.pipeline,
        Cell(row.status.replace("_", " "), STATUS.get(row.status)),
        moment(row.started, session.zone(row.pipeline)),
        Cell(took(row), None, True),
        Cell(_count(summary.get("read"), look), None, True),
        Cell(_count(sum(sent.values()) if sent else None, look), None, True),
        Cell(_count(summary.get("rejected") or None, look), "warning", True),
    ]


def _count(number: Any, look: Look) -> str:
    return "" if number is None else look.number(number)


def took(row: RunRow) -> str:
    """Say how long a run took."""
    if row.finished is None:
        return ""
    return duration((datetime.fromisoformat(row.finished) - datetime.fromisoformat(row.started)).total_seconds())


@runs.command("show", cls=Command)
@click.argument("run", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@pass_session
def show(session: Session, run: str, as_json: bool) -> None:
    """Show one run: what came of it and why."""
    project = session.project()
    row = asyncio.run(one(session, project, run))
    if as_json:
        session.out.json(row._asdict(), indent=2)
        return
    look, zone = session.out.look, session.zone(row.pipeline)
    session.out.line(f"{look.paint(row.pipeline, 'strong')}  run {look.short(row.id)}")
    facts: list[list[str | Cell]] = [["started", f"{moment(row.started, zone, seconds=True)}   by {row.trigger}"]]
    if row.rerun_of:
        facts.append(["again", f"of {look.short(row.rerun_of)}"])
    if row.params:
        facts.append(["params", ", ".join(f"{name}={flow(value)}" for name, value in row.params.items())])
    facts.append(["revision", row.revision[:12]])
    for line in table(facts, look, indent="  "):
        session.out.line(line)
    session.out.line()
    for line in _outcome(row, project, look):
        session.out.line(line)
    session.out.line(f"its log:  {look.paint(f'engine runs logs {look.short(row.id)}', 'strong')}")


def _outcome(row: RunRow, project: Project, look: Look) -> list[str]:
    if "status" not in row.summary or "read" not in row.summary:
        return [look.paint(row.status.replace("_", " "), STATUS.get(row.status, "strong"))]
    blank = {"dropped": {}, "sent": {}, "rejected": 0, "reasons": [], "cursor": None, "error": None, "seconds": 0}
    # the row knows best: a run whose process died still calls itself running in its summary
    summary = {**blank, **row.summary, "run": row.id, "pipeline": row.pipeline, "status": row.status}
    text = render(summary, look, names_of(project.pipelines.get(row.pipeline)))
    # here one is already where "what happened" leads to
    return [line for line in text.splitlines() if "what happened:" not in line]


@runs.command("logs", cls=Command)
@click.argument("run", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a line.")
@pass_session
def logs(session: Session, run: str, as_json: bool) -> None:
    """Print the log of a run."""
    project = session.project()
    row, lines = asyncio.run(_logs(session, project, run))
    for line in lines:
        if as_json:
            session.out.json(line._asdict())
        else:
            session.out.line(human(Line(*line), row.pipeline, session.out.look))
    if not lines and not as_json:
        session.err.line("nothing was logged")


async def _logs(session: Session, project: Project, text: str) -> tuple[RunRow, Sequence[Any]]:
    async with session.reader(project) as store:
        row = await by_id(store, "runs", text, "run")
        return row, await collect(store, "logs", Where(run=row.id))


for _command in (cancel, rerun):
    runs.add_command(_command)
