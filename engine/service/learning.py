"""Asks a real system what its data looks like: a sample of a source, a database's tables, a server's GraphQL schema.

It only reads. What was read stays in memory, and only names and types leave it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from engine.compiler.compile import compile_pipeline
from engine.compiler.shapes.learned import INTROSPECTION
from engine.definition.model import ConnectionDefinition, PipelineDefinition, Project, Source, Use
from engine.errors import Unavailable
from engine.runtime.assembly import opener
from engine.runtime.request import Request
from engine.runtime.runner import Run, Runtime
from engine.service.surroundings import surroundings
from engine.store.memory import MemoryStore

_SQLITE = """
select m.name as "table", c.name as "column", c.type as "type", c."notnull" as "filled", c.pk as "key",
  c.dflt_value is not null as "given"
from sqlite_master m join pragma_table_info(m.name) c
where m.type in ('table', 'view') and m.name not like 'sqlite_%'
order by m.name, c.cid
"""
_STANDARD = """
select case when c.table_schema = 'public' then c.table_name else c.table_schema || '.' || c.table_name end as "table",
  c.column_name as "column", c.data_type as "type", c.character_maximum_length as "longest",
  case when c.is_nullable = 'NO' then 1 else 0 end as "filled",
  case when c.column_default is not null or c.is_identity = 'YES' or c.is_generated = 'ALWAYS'
    then 1 else 0 end as "given",
  coalesce((select k.ordinal_position from information_schema.table_constraints t
    join information_schema.key_column_usage k on k.constraint_name = t.constraint_name
      and k.table_schema = t.table_schema and k.table_name = t.table_name
    where t.constraint_type = 'PRIMARY KEY' and t.table_schema = c.table_schema and t.table_name = c.table_name
      and k.column_name = c.column_name), 0) as "key"
from information_schema.columns c
where c.table_schema not in ('information_schema', 'pg_catalog')
order by c.table_schema, c.table_name, c.ordinal_position
"""


async def sample(project: Project, definition: PipelineDefinition, params: Mapping[str, Any], limit: int) -> list[Any]:
    """Read at most *limit* records of a pipeline's source, from its beginning; nothing is sent and nothing moves.

    Raises ConnectorError, RecordError, CircuitOpen, DefinitionError for wrong params, Unavailable.
    """
    pipeline = compile_pipeline(project, definition)
    request = Request(params=pipeline.check_params(params), limit=limit, dry_run=True, fresh=True)
    around = surroundings(project)
    runtime = Runtime(
        MemoryStore(), lambda event: None, project.root, around.roots, around.redact, around.log, around.egress
    )
    records: list[Any] = []
    async with AsyncExitStack() as stack:
        opens = opener(Run(runtime, pipeline, request, asyncio.Event()), stack)
        async for chunk in opens.reader(await opens.source()).chunks(None):
            records += chunk.records
    return records[:limit]


async def tables(project: Project, connection: ConnectionDefinition) -> dict[str, Any]:
    """Return a database's tables and columns, as a connection's ``tables`` reads them. Raises ConnectorError."""
    url = str(connection.use.options.get("url", ""))
    query = _SQLITE if url.partition(":")[0].partition("+")[0] == "sqlite" else _STANDARD
    rows = await _asked(project, connection, Use("sql", connection.name, {"query": query}, ("source", "sql")))
    made: dict[str, Any] = {}
    for row in rows:
        table = made.setdefault(str(row["table"]), {"columns": {}, "key": []})
        table["columns"][str(row["column"])] = _column(row)
        if row["key"]:
            table["key"].append((row["key"], str(row["column"])))
    for table in made.values():
        table["key"] = [name for _, name in sorted(table["key"])]
        if len(table["key"]) == 1 and url.startswith("sqlite"):
            _counted(table["columns"][table["key"][0]])
    return {"tables": made}


def _column(row: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(row["type"]).lower()
    if row.get("longest"):
        kind = f"{kind}({row['longest']})"
    filled = bool(row["filled"] or row["key"])
    return {"type": kind, "null": not filled, **({"needed": True} if filled and not row["given"] else {})}


def _counted(column: dict[str, Any]) -> None:
    """SQLite counts up the one integer key that is left out."""
    if column["type"] == "integer":
        column.pop("needed", None)


async def introspection(project: Project, connection: ConnectionDefinition, path: str) -> Mapping[str, Any]:
    """Return a GraphQL server's answer to the introspection query. Raises ConnectorError."""
    options = {"query": INTROSPECTION, "records": "data", "path": path}
    use = Use("graphql", connection.name, options, ("source", "graphql"), {("records",): "expression"})
    found = await _asked(project, connection, use)
    if not found or not isinstance(found[0], Mapping) or "__schema" not in found[0]:
        raise Unavailable(
            f"{connection.name} does not tell its GraphQL schema; introspection may be switched off there"
        )
    return dict(found[0])


async def _asked(project: Project, connection: ConnectionDefinition, use: Use) -> Sequence[Any]:
    definition = PipelineDefinition("learn", connection.origin, (), Source(use))
    return await sample(project, definition, {}, 1_000_000)
