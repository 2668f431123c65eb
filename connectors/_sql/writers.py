"""How a transaction runs: written as plain code over a connection, in a thread or under an async driver."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")


class Writer(Protocol):
    """Runs transactions, one after the other."""

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run *work* in a transaction: committed when it returns, undone when it raises or is cancelled."""
        ...

    async def close(self) -> None:
        """Close all connections."""


class AsyncWriter:
    """For drivers that talk to a server over the loop's own sockets."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run *work* on a connection of the pool."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Close the pool."""
        await self._engine.dispose()


class ThreadWriter:
    """For SQLite, which has no server to wait for.

    Through the async driver every statement is three hops between threads, about 0.15 ms each; here a whole
    transaction is one. One thread also means one writing connection: its users take turns before they reach
    SQLite's lock.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sql-writer")
        self._raw: sqlite3.Connection | None = None
        event.listen(engine, "connect", self._opened)

    def _opened(self, raw: Any, _: Any) -> None:
        self._raw = raw

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run *work* in the writer's thread; cancelled, stop what SQLite does and wait until it is undone."""
        doing: Future[T] = self._thread.submit(self._transact, work)
        waiting = asyncio.wrap_future(doing)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            while not doing.cancel() and not waiting.done():
                # again and again: an interrupt that comes just before a statement begins does not count
                if self._raw is not None and not doing.done():
                    self._raw.interrupt()
                await asyncio.wait({waiting}, timeout=0.01)
            if waiting.done() and not waiting.cancelled():
                waiting.exception()
            raise

    def _transact(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    async def close(self) -> None:
        """Close the connection in the thread that used it, and end the thread."""
        await asyncio.wrap_future(self._thread.submit(self._engine.dispose))
        self._thread.shutdown()
