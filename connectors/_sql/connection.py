"""The ``sql`` connection: one engine to read and one writer, shared by all users in the process."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connectors._sql import dialects
from connectors._sql.exchanged import exchange_of
from connectors._sql.writers import Writer
from engine.connector import Context

_NOWHERE = "sqlite:///nowhere.db"


class SqlConnection:
    """A database. What reads and what writes is made when first asked for, and closed with the connection."""

    def __init__(self, context: Context, *, url: str, lock_wait: float = 5.0) -> None:
        self.name = context.name
        if exchange_of(context) is not None and "://" not in url:
            url = _NOWHERE  # a variable that tests do not have
        self.address = dialects.address(url, context.project)
        self._lock_wait = lock_wait
        self._reader: AsyncEngine | None = None
        self._writer: Writer | None = None

    async def open(self, stack: AsyncExitStack) -> None:
        """Push the cleanup; nothing is connected yet."""
        stack.push_async_callback(self._close)

    async def _close(self) -> None:
        reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        if reader is not None:
            await reader.dispose()
        if writer is not None:
            await writer.close()

    @property
    def reader(self) -> AsyncEngine:
        """What sources read through. Raises Misconfigured when the driver is missing."""
        if self._reader is None:
            self._reader = dialects.reader(self.address, self._lock_wait)
        return self._reader

    @property
    def writer(self) -> Writer:
        """What targets write through. Raises Misconfigured when the driver is missing."""
        if self._writer is None:
            self._writer = dialects.writer(self.address, self._lock_wait)
        return self._writer

    async def connect(self) -> AsyncConnection:
        """Return a new connection to read with. Raises Misconfigured, SQLAlchemyError."""
        dialects.look(self.address)
        opening = asyncio.ensure_future(self.reader.connect().start())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # one that is half open cannot be given up: its thread would outlive the loop it answers to
            await asyncio.wait({opening})
            if not opening.cancelled() and opening.exception() is None:
                await opening.result().close()
            raise

    async def check(self) -> str:
        """Ask for the version; a file that is no database shows here."""
        try:
            connection = await self.connect()
            try:
                return await self._describe(connection)
            finally:
                await connection.close()
        except (SQLAlchemyError, OSError) as error:
            raise dialects.explain(error, self.address, "check") from error

    async def _describe(self, connection: AsyncConnection) -> str:
        if self.address.file is None:
            await connection.execute(text("select 1"))
            known = connection.dialect.server_version_info or ()
            return f"{connection.dialect.name} {'.'.join(map(str, known))}, {self.address.label}"
        version = (await connection.execute(text("select sqlite_version()"))).scalar_one()
        tables = text("select count(*) from sqlite_master where type = 'table'")
        return f"SQLite {version}, {self.address.label}, {(await connection.execute(tables)).scalar_one()} tables"
