"""``engine pause`` and ``engine resume``: hold what starts a pipeline, until further notice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from engine.cli.commands import Command
from engine.cli.session import Session, pass_session

if TYPE_CHECKING:
    from engine.definition.model import Project


@click.command("pause", cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@pass_session
def pause(session: Session, names: tuple[str, ...]) -> None:
    """Hold pipelines: nothing starts them by itself until `engine resume`.

    It is kept in the store, over restarts too. Webhooks are accepted and wait; by hand still works.
    """
    asyncio.run(_change(session, session.project(), names, True))
    _said(session, names, "paused", "resume")


@click.command("resume", cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@pass_session
def resume(session: Session, names: tuple[str, ...]) -> None:
    """Undo `engine pause`: triggers fire again, and what waited is worked."""
    project = session.project()
    held = asyncio.run(_paused(session, project))
    for name in names:
        if name not in held:  # a pipeline that is gone may still be paused
            session.pipeline(project, name)
    there = tuple(name for name in names if name in held)
    for name in names:
        if name not in held and not session.quiet:
            session.err.line(f"{name} was not paused")
    if there:
        asyncio.run(_change(session, project, there, False))
        _said(session, there, "resumed", "pause")


def _said(session: Session, names: tuple[str, ...], what: str, back: str) -> None:
    if session.quiet:
        return
    look = session.out.look
    undo = look.paint(f"engine {back} {' '.join(names)}", "strong")
    session.out.line(f"{look.paint(', '.join(names), 'strong')}  {what}        back:  {undo}")


async def _paused(session: Session, project: Project) -> frozenset[str]:
    from engine.service.pauses import paused

    async with session.reader(project) as store:
        return frozenset(await paused(store))


async def _change(session: Session, project: Project, names: tuple[str, ...], hold: bool) -> None:
    from engine.app import open_app
    from engine.cli.hands import server, user
    from engine.service import pauses

    client = await server(project)
    if client is not None:
        # the server knows which pipelines there are: one whose file is broken now still runs as it was
        for name in names:
            await (client.pause(name, user()) if hold else client.resume(name, user()))
        return
    if hold:
        for name in names:
            session.pipeline(project, name)
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    async with open_app(project, emit=lambda event: None) as app:
        for name in names:
            if hold:
                await pauses.pause(app.store, name, user(), at)
            else:
                await pauses.resume(app.store, name, user())
