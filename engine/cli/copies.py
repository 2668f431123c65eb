"""``engine backup`` and ``engine restore``: a consistent copy of the store, and back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.commands import Command
from engine.cli.session import Session, pass_session
from engine.errors import Unavailable
from engine.telemetry.words import duration

if TYPE_CHECKING:
    from engine.definition.model import Project

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@click.command("backup", cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def backup(session: Session, file: Path) -> None:
    """Write a consistent copy of the store to FILE, also while the server works.

    It holds what the store holds: cursors, what waits, history, dead letters with their records.
    """
    project = session.project()
    _no_memory(project)
    if file.exists():
        raise click.UsageError(f"{file} is there already; a backup never writes over anything")
    began = time.monotonic()
    asyncio.run(_backup(project, file))
    if not session.quiet:
        took = duration(time.monotonic() - began)
        session.out.line(f"{file}  {size(file.stat().st_size)} in {took}")


async def _backup(project: Project, file: Path) -> None:
    from engine.app import open_reader
    from engine.cli.hands import server

    client = await server(project)
    if client is not None:
        await client.backup(file.absolute())
        return
    async with open_reader(project) as store:  # beside a run in the foreground too
        await store.backup(file.absolute())


@click.command("restore", cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def restore(session: Session, file: Path, yes: bool) -> None:
    """Put a backup in the place of the store, which is moved aside. Refused while a process writes to it.

    A restored store is older than the world: its cursors stand further back, so records are sent again.
    """
    from engine.app import store_path

    project = session.project()
    _no_memory(project)
    path = store_path(project)
    if not file.is_file():
        raise click.UsageError(f"{file} is not there")
    _refuse_while_served(project)
    if path.exists() and not yes and not _sure(session, path):
        session.err.line("nothing was restored")
        return
    from engine.store.sqlite import restore as put_back

    moved = asyncio.run(put_back(file, path, aside=True))
    if not session.quiet:
        look = session.out.look
        session.out.line(f"{_short(path)}  is {file} now        look:  {look.paint('engine runs', 'strong')}")
        if moved is not None:
            session.out.line(f"what was there:  {_short(moved)}")


def _no_memory(project: Project) -> None:
    if "memory" in (project.settings.get("store") or {}):
        raise click.UsageError("the store is memory only (store.memory in engine.yaml): there is nothing to copy")


def _refuse_while_served(project: Project) -> None:
    from engine.cli.hands import server

    if asyncio.run(server(project)) is not None:
        raise Unavailable("a server works with this store; stop it, restore, and start it again")


def _sure(session: Session, path: Path) -> bool:
    if not session.err.look.terminal:
        raise click.UsageError(f"{_short(path)} will be replaced: say --yes")
    return click.confirm(f"replace {_short(path)}? it is moved aside", err=True)


def _short(path: Path) -> Path:
    """Say a path as from here, where it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def size(number: int) -> str:
    """Say how large: ``512 B``, ``4.2 MiB``."""
    amount, unit = float(number), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit else f"{number} B"
