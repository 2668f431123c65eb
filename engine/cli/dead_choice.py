"""Which dead letters a command means: by filters, or by id."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from engine.cli.lookup import by_id, since
from engine.cli.session import Session
from engine.store.base import DeadLetter, Where

if TYPE_CHECKING:
    from engine.definition.model import Project
    from engine.store.base import Store


def filters(command: Any) -> Any:
    """Give a command the options that choose dead letters; they arrive as one ``Where``."""
    for option in (
        click.option("--since", "age", metavar="WHEN", help="Last seen not before: 2h, 3d, 2026-11-21."),
        click.option("--code", metavar="CODE", help="With this code, such as missing-field."),
        click.option("--reason", metavar="TEXT", help="Whose 'code: message' begins so."),
        click.option("--run", metavar="ID", help="Of this run."),
        click.option("--pipeline", metavar="NAME", help="Of this pipeline."),
    ):
        command = option(command)
    return command


def where_of(chosen: Mapping[str, Any], status: str | None = "open") -> Where:
    """Make a ``Where`` of the filter options."""
    return Where(
        pipeline=chosen["pipeline"],
        run=chosen["run"],
        reason=chosen["reason"],
        code=chosen["code"],
        since=since(chosen["age"], datetime.now(UTC)),
        status=status,
    )


async def whole_run(store: Store, where: Where) -> Where:
    """Replace the beginning of a run's id by the id."""
    if where.run is None:
        return where
    return where._replace(run=(await by_id(store, "runs", where.run, "run")).id)


async def one(session: Session, project: Project, text: str) -> DeadLetter:
    """Return one dead letter by id or its beginning."""
    async with session.reader(project) as store:
        found: DeadLetter = await by_id(store, "dead", text, "dead letter")
        return found
