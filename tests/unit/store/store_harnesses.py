"""The harnesses of the two stores, for the conformance cases and the tests of this folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from engine.errors import StoreFull
from engine.store.conformance import Clock, Tear
from engine.store.memory import MemoryStore, Tables
from engine.store.sqlite import SqliteStore


class MemoryHarness:
    """Lives of a memory store are stores over the same tables; *twin* makes a broken one."""

    def __init__(self, stack: AsyncExitStack, twin: Callable[..., MemoryStore] = MemoryStore) -> None:
        self.clock = Clock()
        self.tables = Tables()
        self._twin = twin
        self._stack = stack
        self._lives = 0

    async def start(self) -> MemoryStore:
        self._lives += 1
        store = self._twin(self.tables, clock=self.clock)
        await store.open(self._stack, f"process-{self._lives}")
        return store

    async def restart(self) -> MemoryStore:
        return await self.start()

    def tear(self, step: int) -> Tear:
        tear = Tear(step)
        self.tables.before_write = tear.count
        return tear

    async def fill(self) -> None:
        self.tables.before_write = _no_room

    async def free(self) -> None:
        self.tables.before_write = lambda: None


def _no_room() -> None:
    raise StoreFull("no room")


class StumblingConnection(sqlite3.Connection):
    """Counts every statement that changes rows, for ``Tear``."""

    tear: Tear | None = None

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        self._count(sql)
        return super().execute(sql, *args)

    def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
        self._count(sql)
        return super().executemany(sql, *args)

    def _count(self, sql: str) -> None:
        if self.tear is not None and sql.split()[0] in ("INSERT", "UPDATE", "DELETE"):
            self.tear.count()


class SqliteHarness:
    """Lives of a SQLite store are one file opened again and again."""

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self.clock = Clock()
        self.path = folder / "data" / "engine.db"
        self.connection: StumblingConnection
        self.store: SqliteStore
        self._outer = stack
        self._stack = AsyncExitStack()
        self._lives = 0

    async def start(self) -> SqliteStore:
        harness = self

        class Connection(StumblingConnection):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options)
                harness.connection = self

        class Store(SqliteStore):
            connection_class = Connection

        if not self._lives:
            self._outer.push_async_callback(self._close)
        self._lives += 1
        self.store = Store(self.path, wait=0.0, min_free=0, reserve=0, clock=self.clock)
        await self.store.open(self._stack, f"process-{self._lives}")
        return self.store

    async def _close(self) -> None:
        await self._stack.aclose()

    async def restart(self) -> SqliteStore:
        await self._close()
        return await self.start()

    def tear(self, step: int) -> Tear:
        self.connection.tear = Tear(step)
        return self.connection.tear

    async def fill(self) -> None:
        await self._limit_pages(1)  # SQLite takes the pages that are there already

    async def free(self) -> None:
        await self._limit_pages(1_000_000)

    async def _limit_pages(self, pages: int) -> None:
        await self.store._write(lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchall())
