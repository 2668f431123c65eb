"""``engine learn``: asks a real system once what its data looks like, and writes that down without the data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from engine import whole
from engine.cli.commands import Command
from engine.cli.session import Session, Stopped, pass_session, unknown
from engine.errors import CircuitOpen, ConnectorError, RecordError, Unavailable, dotted
from engine.telemetry.words import count

if TYPE_CHECKING:
    from engine.definition.model import ConnectionDefinition, PipelineDefinition, Project


class Learned(NamedTuple):
    """What was learned, where it goes, and the line that makes use of it."""

    content: Mapping[str, Any]
    said: str
    where: str
    """The key to add the line under."""
    option: str
    file: str
    """The definition's."""


@click.command("learn", cls=Command)
@click.argument("name", metavar="PIPELINE|CONNECTION")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Records to look at.")
@click.option("--param", "params", multiple=True, metavar="K=V", help="An input of the pipeline; may be repeated.")
@click.option("--to", "file", metavar="FILE", help="Where to write it; else beside the definition.")
@click.option("--path", default="/graphql", show_default=True, help="Of an http connection: where GraphQL is.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@pass_session
def learn(
    session: Session, name: str, limit: int, params: tuple[str, ...], file: str | None, path: str, force: bool
) -> None:
    """Ask a real system once what its data looks like; names and types are written, no values.

    Of a pipeline its source is sampled; of a sql connection the tables are listed; of an http connection the GraphQL
    schema is asked for. It only reads.
    """
    project, definition = _named(session, name)
    target = _target(session, definition.origin.file, name, file, force)
    try:
        learned = asyncio.run(_learned(project, definition, params, limit, path))
    except (ConnectorError, CircuitOpen, RecordError, Unavailable) as error:
        session.err.line(session.err.look.paint(f"nothing was learned: {error}", "error"))
        raise Stopped(3) from None
    _write(session.root / target, learned.content)
    strong = session.out.look.paint(f"{learned.option}: {target}", "strong")
    session.out.line(f"wrote {target}: {learned.said}")
    session.out.line(f"add under {learned.where} in {learned.file}:  {strong}")


def _named(session: Session, name: str) -> tuple[Project, PipelineDefinition | ConnectionDefinition]:
    from engine.cli.run import select

    project, problems = session.read()
    if name in project.connections:
        return project, project.connections[name]
    session.refuse([one for one in problems if one.path.startswith(f"connections.{name}")])
    if name not in project.pipelines and not any(one.severity == "error" for one in problems):
        known = [*project.pipelines, *project.connections]
        raise click.UsageError(unknown("pipeline or connection", name, known, "engine list"))
    project, chosen = select(session, [name])
    return project, chosen[0]


def _target(session: Session, beside: str, name: str, file: str | None, force: bool) -> str:
    plain = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in name).strip("-")
    target = file or str(PurePath(beside).parent / f"{plain}.shape.json")
    path = session.root / target
    if not target.endswith(".json"):
        raise click.UsageError(f"--to {target}: what is learned is JSON; write a name that ends with .json")
    if path.exists() and not force:
        raise click.UsageError(f"{target} is there already; --force writes over it, --to FILE writes elsewhere")
    if not path.parent.is_dir():
        raise click.UsageError(f"there is no folder {PurePath(target).parent}")
    return target


async def _learned(
    project: Project,
    definition: PipelineDefinition | ConnectionDefinition,
    params: tuple[str, ...],
    limit: int,
    path: str,
) -> Learned:
    from engine.definition.model import ConnectionDefinition

    if isinstance(definition, ConnectionDefinition):
        return await _of_connection(project, definition, path)
    return await _of_pipeline(project, definition, params, limit)


async def _of_connection(project: Project, connection: ConnectionDefinition, path: str) -> Learned:
    from engine.service import learning

    where, file = dotted(connection.use.path), connection.origin.file
    if connection.use.connector == "sql":
        found = await learning.tables(project, connection)
        columns = sum(len(table["columns"]) for table in found["tables"].values())
        said = f"{count(len(found['tables']), 'table')} with {count(columns, 'column')}"
        return Learned(found, said, where, "tables", file)
    if connection.use.connector == "http":
        from engine.compiler.shapes.learned import server_file

        schema = server_file(await learning.introspection(project, connection, path))
        said = f"the GraphQL schema with {count(len(schema['__schema']['types']), 'type')}"
        return Learned(schema, said, "graphql: of what uses it", "schema", "its pipelines")
    raise click.UsageError(
        f"{connection.name} is a connection of kind {connection.use.connector}: nothing to ask there"
    )


async def _of_pipeline(project: Project, one: PipelineDefinition, params: tuple[str, ...], limit: int) -> Learned:
    from engine.cli.params import parse
    from engine.compiler.shapes.learned import record_file
    from engine.service import learning

    use = one.source.use if one.source is not None else None
    if use is None:
        raise click.UsageError(f"{one.name} has no source to look at; what comes by webhook is said by its schema:")
    if use.connector not in ("http", "file"):
        other = f"; try:  engine learn {use.connection}" if use.connection else ""
        raise click.UsageError(f"the records of {use.connector} say themselves what they are{other}")
    records = await learning.sample(project, one, parse(params, one.params, one.name), limit)
    if not records:
        raise Unavailable(f"{one.name} gave no record; try other --param, or another time")
    schema = record_file(records, f"A record of {one.name}, learned from {count(len(records), 'record')}")
    fields = len(schema.get("properties", ()))
    said = f"{count(fields, 'field')}, learned from {count(len(records), 'record')}"
    return Learned(schema, said, dotted(use.path), "schema", one.origin.file)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    whole.write(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
