"""The commands that act on a run: ``cancel``, ``rerun``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from engine.cli.commands import Command
from engine.cli.lookup import by_id
from engine.cli.session import Session, pass_session
from engine.errors import Unavailable
from engine.store.base import RunRow
from engine.store.rules import UNFINISHED

if TYPE_CHECKING:
    from engine.definition.model import Project


async def one(session: Session, project: Project, text: str) -> RunRow:
    """Return one run by id or its beginning."""
    async with session.reader(project) as store:
        row: RunRow = await by_id(store, "runs", text, "run")
        return row


@click.command("cancel", cls=Command)
@click.argument("run", metavar="ID")
@pass_session
def cancel(session: Session, run: str) -> None:
    """Cancel a run of the server: it ends at the end of its batch.

    What was delivered stays delivered; the next run goes on from there.
    """
    project = session.project()
    row = asyncio.run(_cancel(session, project, run))
    if not session.quiet:
        look = session.out.look
        more = look.paint(f"engine runs show {look.short(row.id)}", "strong")
        session.out.line(f"{look.paint(row.pipeline, 'strong')}  ends after this batch        what came of it:  {more}")


async def _cancel(session: Session, project: Project, text: str) -> RunRow:
    from engine.cli.hands import server

    row = await one(session, project, text)
    if row.status not in UNFINISHED:
        raise click.UsageError(f"{row.id} is not running: it ended {row.status.replace('_', ' ')}")
    client = await server(project)
    if client is not None and await client.cancel(row.id):
        return row
    if client is not None:
        raise Unavailable(f"{row.id} ended at this moment; see: engine runs show {row.id}")
    raise Unavailable(
        f"{row.id} is no run of a server: where it was started, Ctrl-C (or SIGTERM) ends it after its batch. If its "
        "process is gone, the next command that writes marks it interrupted"
    )


@click.command("rerun", cls=Command)
@click.argument("run", metavar="ID")
@click.option("--fresh", is_flag=True, help="Start over a run with reset that was interrupted.")
@click.option("--strict", is_flag=True, help="Exit 1 also when records were rejected or all were dropped.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line instead of the summary.")
@click.option("--queue", is_flag=True, help="Let the server run it when its turn comes; do not wait for it.")
@pass_session
def rerun(session: Session, run: str, fresh: bool, strict: bool, as_json: bool, queue: bool) -> int:
    """Run a pipeline again with the params of an earlier run.

    It reads from where the cursor stands now. To send rejected records again: engine dead-letters replay --run ID
    """
    project = session.project()
    row = asyncio.run(one(session, project, run))
    if queue:
        return _queued(session, project, row)
    from engine.cli.run import select

    project, chosen = select(session, [row.pipeline])
    from engine.app import Request
    from engine.cli.runner import Foreground, Job

    job = Job(chosen[0].name, Request(params=row.params, fresh=fresh, rerun_of=row.id))
    return Foreground(session, project, as_json, strict).run([job])


def _queued(session: Session, project: Project, row: RunRow) -> int:
    async def fire() -> str:
        from engine.cli.hands import server

        client = await server(project)
        if client is None:
            raise Unavailable("no server runs that could queue it; without --queue this command runs it itself")
        return await client.rerun(row.id)

    asyncio.run(fire())
    if not session.quiet:
        look = session.out.look
        more = look.paint(f"engine runs --pipeline {row.pipeline}", "strong")
        session.out.line(f"{look.paint(row.pipeline, 'strong')}  queued again        see it:  {more}")
    return 0
