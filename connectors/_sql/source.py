"""Reading: the rows of a query streamed, or a table page by page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncResult

from connectors._sql.binds import Sql, parse, reach
from connectors._sql.exchanged import exchange_of
from connectors._sql.pages import PAGE, Plan, Rows, fetch, plan
from connectors._sql.session import Session
from connectors._sql.tables import Shape, reflect
from connectors._sql.told import ask, reading, rows_of
from connectors._sql.values import bindable, positions, records
from engine.connector import BaseSource, Context, Template, Told
from engine.errors import Misconfigured
from engine.record import NO_META, Batch, Checkpoint

ROWS = 256
"""Of one batch: larger lists fall out of the processor's cache."""

_SELECT = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*+(?:select|with|values)\b", re.IGNORECASE | re.DOTALL)

_Rows = AsyncIterator[tuple[Sequence[str], Rows]]


class SqlSource(BaseSource):
    """Rows as records. Resumes by the pipeline's cursor; gives no checkpoints of its own."""

    def __init__(
        self,
        context: Context,
        *,
        query: str | None = None,
        table: str | None = None,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        params: Template | None = None,
    ) -> None:
        if (query is None) == (table is None):
            raise Misconfigured("sql: give either a query or a table")
        if query is not None and (columns or where):
            raise Misconfigured("sql: columns and where go with table; a query says both itself")
        self.context = context
        self._query = parse(query, "query") if query is not None else None
        self._where = parse(where, "where") if where is not None else None
        self._table, self._columns, self._params = table or "", columns, params
        self._session = Session(context)

    async def open(self, stack: AsyncExitStack) -> None:
        """Push the cleanup; connecting is part of the first read, where it can be tried again."""
        stack.push_async_callback(self._session.release)

    async def read(self, after: Checkpoint | None) -> AsyncIterator[Batch]:
        """Yield batches in the order of the query, or of the cursor's fields and the key."""
        left = self.context.limit
        try:
            async for names, rows in self._rows():
                for batch in self._batches(names, rows if left is None else rows[:left]):
                    yield batch
                if left is not None and (left := left - len(rows)) <= 0:
                    return
        finally:
            await self._session.release()

    def _rows(self) -> _Rows:
        if self._query is None:
            return self._of_table() if exchange_of(self.context) is None else self._table_told()
        values = self._query.values(self._given(), "query")
        if exchange_of(self.context) is not None:
            return self._told(reading(self._query, values))
        # the answer to a question about one record is short: no cursor is left open for it
        return (self._whole if "record" in self.context.names else self._stream)(self._query, values)

    def _batches(self, names: Sequence[str], rows: Rows) -> Sequence[Batch]:
        fields = self.context.cursor_fields
        parts = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
        return [
            Batch(records(part, names), [NO_META] * len(part), positions=positions(part, names, fields))
            for part in parts
        ]

    def _given(self) -> dict[str, Any]:
        """Return what binds may name: the cursor's fields, ``params``, and the record that a lookup asks for."""
        given: dict[str, Any] = {}
        for field, value in (self.context.cursor or {}).items():
            given["cursor_" + re.sub(r"\W", "_", field)] = bindable(value)
        extra = self._params(self.context.names) if self._params else {}
        if not isinstance(extra, Mapping):
            raise Misconfigured("params: this must be names with values, such as {id: 7}")
        return given | self._of_record() | {name: bindable(value) for name, value in extra.items()}

    def _of_record(self) -> dict[str, Any]:
        names = self.context.names
        if "record" not in names:
            return {}
        written = {name for sql in (self._query, self._where) if sql for name in sql.names}
        return {name: bindable(reach(names, name)) for name in written if name.startswith("record.")}

    async def _told(self, asked: Told) -> _Rows:
        told = await self.context.call(lambda: ask(self.context, asked, reads=True))
        names, rows = rows_of(told)
        if rows:
            yield self._named(names), rows

    def _table_told(self) -> _Rows:
        asked: dict[str, Any] = {"operation": "read", "table": self._table}
        if self._where is not None:
            asked["binds"] = reading(self._where, self._where.values(self._given(), "where"))["binds"]
        elif self.context.cursor:
            asked["binds"] = dict(self.context.cursor)
        return self._told(asked)

    async def _stream(self, query: Sql, values: Mapping[str, Any]) -> _Rows:
        result = await self._session.call(_execute, query, values)
        names = self._named(list(result.keys()))
        while rows := await self._session.run(_fetch_some, result):
            yield names, rows

    async def _whole(self, query: Sql, values: Mapping[str, Any]) -> _Rows:
        names, rows = await self._session.call(_fetch_whole, query, values)
        yield self._named(names), rows

    def _named(self, names: list[str]) -> list[str]:
        for name in names:
            # a column that repeats comes from the temporary table as `id:1`
            plain = re.sub(r":\d+$", "", name)
            if names.count(name) > 1 or (plain != name and plain in names):
                raise Misconfigured(f"query: two columns are named '{plain}'; rename one with `as`")
        for field in self.context.cursor_fields:
            if field not in names:
                raise Misconfigured(f"cursor: '{field}' is not a column of the query; add it to the select")
        return names

    async def _of_table(self) -> _Rows:
        shape = await self._session.call(_shape, self._table)
        values = self._where.values(self._given(), "where") if self._where else {}
        reading = plan(shape, self._columns, self.context.cursor, (self._where, values))
        await self._note_nulls(reading)
        if reading.paged:
            async for page in self._paged(reading):
                yield page
            return
        dialect = self.context.connection.reader.dialect
        async for page in self._stream(*reading.flat(dialect)):
            yield page

    async def _paged(self, reading: Plan) -> _Rows:
        last: Sequence[Any] | None = None
        width = len(reading.names)
        while True:
            rows: Rows = await self._session.call(fetch, reading.select(last).limit(PAGE), reading.values)
            if rows:
                yield reading.names, rows if len(rows[0]) == width else [row[:width] for row in rows]
            if len(rows) < PAGE:
                return
            last = reading.position(rows[-1])

    async def _note_nulls(self, reading: Plan) -> None:
        nulls = reading.nulls()
        if nulls is None:
            return
        unread: Rows = await self._session.call(fetch, nulls, reading.values)
        if unread:
            fields = ", ".join(reading.cursor or ())
            fact = f"table {self._table}: rows with a null in {fields} are not read: they have no place in the order"
            self.context.note("warning", "cursor-null", fact)


async def _shape(connection: AsyncConnection, table: str) -> Shape:
    shape = await connection.run_sync(reflect, table)
    await connection.rollback()
    return shape


async def _execute(connection: AsyncConnection, query: Sql, values: Mapping[str, Any]) -> AsyncResult[Any]:
    if await _writers_wait(connection) and _SELECT.match(query.source):
        # without WAL an open cursor keeps every writer of the file waiting, for as long as the target takes
        await connection.execute(text("drop table if exists temp.engine_rows"))
        await connection.execute(text(f"create temp table engine_rows as {query.escaped}"), values)
        query, values = parse("select * from temp.engine_rows", "query"), {}
    return await connection.stream(query.clause, values, execution_options={"max_row_buffer": ROWS})


async def _fetch_whole(connection: AsyncConnection, query: Sql, values: Mapping[str, Any]) -> tuple[list[str], Rows]:
    result = await connection.execute(query.clause, values)
    return list(result.keys()), result.fetchall()


async def _fetch_some(_: AsyncConnection, result: AsyncResult[Any]) -> Rows:
    return await result.fetchmany(ROWS)


async def _writers_wait(connection: AsyncConnection) -> bool:
    if connection.dialect.name != "sqlite":
        return False
    return bool((await connection.execute(text("pragma journal_mode"))).scalar_one() != "wal")
