"""The ``sql`` connection: one engine to read, one to write, shared by all users in the process."""

from __future__ import annotations

from contextlib import AsyncExitStack

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from connectors._sql.dialects import Address, Use, address, engine, explain
from engine.connector import Context


class SqlConnection:
    """A database. Engines are made when first asked for, and closed with the connection."""

    def __init__(self, context: Context, *, url: str, lock_wait: float = 5.0) -> None:
        self.name = context.name
        self.address: Address = address(url, context.project)
        self._lock_wait = lock_wait
        self._engines: dict[Use, AsyncEngine] = {}

    async def open(self, stack: AsyncExitStack) -> None:
        """Push the cleanup; nothing is connected yet."""
        stack.push_async_callback(self._close)

    async def _close(self) -> None:
        while self._engines:
            await self._engines.popitem()[1].dispose()

    def engine(self, use: Use) -> AsyncEngine:
        """Return the engine for *use*. Raises Misconfigured when the driver is missing."""
        if use not in self._engines:
            self._engines[use] = engine(self.address, use, self._lock_wait)
        return self._engines[use]

    async def check(self) -> str:
        """Ask for the version; a file that is no database shows here."""
        version = "select sqlite_version()" if self.address.file else "select 1"
        try:
            async with self.engine("read").connect() as connection:
                answer = (await connection.execute(text(version))).scalar_one()
                if self.address.file:
                    tables = (await connection.execute(text("select count(*) from sqlite_master"))).scalar_one()
                    return f"SQLite {answer}, {self.address.label}, {tables} tables and indexes"
                known = connection.dialect.server_version_info or ()
                return f"{connection.dialect.name} {'.'.join(map(str, known))}, {self.address.label}"
        except (SQLAlchemyError, OSError) as error:
            raise explain(error, self.address, "check") from error
