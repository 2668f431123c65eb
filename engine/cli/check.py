"""``engine check``: tries the real connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from engine.cli.commands import Command
from engine.cli.session import Session, Stopped, pass_session, unknown
from engine.cli.table import Cell, table
from engine.errors import CircuitOpen, ConnectorError, Unavailable
from engine.telemetry.words import count, duration

if TYPE_CHECKING:
    from engine.app import App
    from engine.definition.model import Project


class Outcome(NamedTuple):
    """What came of trying one connection."""

    name: str
    kind: str
    ok: bool
    said: str
    seconds: float


@click.command("check", cls=Command)
@click.argument("names", nargs=-1, metavar="[CONNECTION]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a connection.")
@pass_session
def check(session: Session, names: tuple[str, ...], as_json: bool) -> int:
    """Try the real connections, all or these; exit 3 when one cannot be used."""
    project, problems = session.read()
    for name in names:
        session.refuse([problem for problem in problems if problem.path.startswith(f"connections.{name}")])
        if name not in project.connections:
            raise click.UsageError(unknown("connection", name, project.connections, "engine list"))
    if not names:  # one that was not loaded must not pass for one that is not there
        session.refuse([problem for problem in problems if problem.path.startswith("connections.")])
    wanted = list(dict.fromkeys(names or project.connections))
    files = {project.connections[name].origin.file for name in wanted} | {"engine.yaml"}
    session.refuse([problem for problem in problems if problem.file in files])
    if not wanted:
        session.err.line("no connections to try; make one with:  engine new connection NAME")
        return 0
    outcomes = asyncio.run(_all(project, wanted))
    if as_json:
        for one in outcomes:
            session.out.json({"connection": one.name, "ok": one.ok, "message": one.said, "seconds": one.seconds})
    else:
        _tell(session, outcomes)
    if any(not one.ok for one in outcomes):
        raise Stopped(3)
    return 0


async def _all(project: Project, names: Sequence[str]) -> list[Outcome]:
    from engine.app import open_app

    async with open_app(project, emit=lambda event: None) as app:
        return list(await asyncio.gather(*(_one(app, project, name) for name in names)))


async def _one(app: App, project: Project, name: str) -> Outcome:
    kind, began = project.connections[name].use.connector, time.perf_counter()
    try:
        said, ok = await app.check(name), True
    except (ConnectorError, CircuitOpen, Unavailable) as error:
        said, ok = str(error) or type(error).__name__, False
    return Outcome(name, kind, ok, said, time.perf_counter() - began)


def _tell(session: Session, outcomes: Sequence[Outcome]) -> None:
    look = session.out.look
    rows: list[list[str | Cell]] = [
        [
            Cell(look.sign("✓") if one.ok else look.sign("✗"), "done" if one.ok else "error"),
            Cell(one.name, "strong"),
            one.kind,
            Cell(duration(one.seconds), "detail", True),
            one.said,
        ]
        for one in outcomes
        if not (session.quiet and one.ok)
    ]
    for line in table(rows, look):
        session.out.line(line)
    bad = sum(not one.ok for one in outcomes)
    if bad and len(outcomes) > 1:
        session.err.line(f"{bad} of {count(len(outcomes), 'connection')} cannot be used")
