"""Calling: one statement for one record, in a transaction of its own, and the rows it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Literal

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from connectors._sql.binds import parse
from connectors._sql.connection import SqlConnection
from connectors._sql.dialects import explain, look, reason, refused
from connectors._sql.exchanged import exchange_of
from connectors._sql.operations import Call
from connectors._sql.steps import Database, Subject, build
from connectors._sql.told import ask
from connectors._sql.values import records
from engine.connector import Context, Names, Template
from engine.errors import Rejected

MOST = 100_000
"""Rows of one answer."""


class SqlCall:
    """A statement with an effect; committed when it returns."""

    def __init__(
        self,
        context: Context,
        *,
        statement: str,
        params: Template | None = None,
        affects: int | str | None = None,
        otherwise: str | None = None,
        nested: Literal["reject", "json"] = "reject",
    ) -> None:
        options = {"sql": statement, "params": params, "affects": affects, "otherwise": otherwise}
        self._context = context
        self._link: SqlConnection = context.connection
        self._step = build(options, "", Database({}, "", nested == "json"))
        self._sql = parse(statement, "statement")

    async def open(self, stack: AsyncExitStack) -> None:
        """Nothing to prepare: the connection's writer is made when first asked for."""

    async def call(self, names: Names, key: str | None) -> Any:
        """Execute once; return ``{count, rows}``. Raises ConnectorError; what it refuses leaves no trace."""
        call = self._call(names)
        if exchange_of(self._context) is not None:
            return await self._told(call, names, key)
        look(self._link.address)
        try:
            return await self._link.writer.run(lambda connection: _execute(connection, call))
        except (OverflowError, UnicodeEncodeError) as error:
            raise Rejected(reason(error)) from error
        except (SQLAlchemyError, OSError) as error:
            if refused(error):
                raise Rejected(reason(error)) from error
            raise explain(error, self._link.address, "calling") from error

    async def _told(self, call: Call, names: Names, key: str | None) -> Mapping[str, Any]:
        told = await ask(self._context, self.show(names, key), reads=False)
        if "refused" in told:
            raise Rejected(str(told["refused"]))
        rows = list(told.get("rows") or ())
        count = int(told.get("count", len(rows)))
        why = call.expects(count) if call.expects is not None else None
        if why is not None:
            raise Rejected(why)
        return {"count": count, "rows": rows}

    def show(self, names: Names, key: str | None) -> Any:
        """Return the statement and its binds."""
        values = self._call(names).values
        return {"statement": self._sql.source, "binds": {name: values[safe] for name, safe in self._sql.names.items()}}

    def _call(self, names: Names) -> Call:
        (call,) = self._step.calls(Subject(names["record"], names))
        return call


def _execute(connection: Connection, call: Call) -> Mapping[str, Any]:
    result = connection.execute(call.clause, dict(call.values))
    rows: list[dict[str, Any]] = []
    count = result.rowcount
    if result.returns_rows:
        found = result.fetchmany(MOST + 1)
        if len(found) > MOST:
            raise Rejected(f"the statement gives more than {MOST} rows; narrow it")
        rows = records(found, list(result.keys()))
        count = len(rows)
    why = call.expects(count) if call.expects is not None else None
    if why is not None:
        raise Rejected(why)
    return {"count": count, "rows": rows}
