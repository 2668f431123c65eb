"""Connections that only read, in threads of their own, each reading one state of the file at a time."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from engine.errors import StoreError, StoreFailed
from engine.store.sqlite.connect import damaged, open_reader

T = TypeVar("T")

_THREADS = 2


class Readers:
    """Runs queries beside the writer; each sees all that was committed before it began."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store-reader")
        self._here = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._closed = False

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run *query* in one read transaction."""
        if self._closed:
            raise StoreError(f"{self._path}: the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, query)

    async def close(self) -> None:
        """End the threads and their connections."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._opened:
            connection.close()

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        connection = getattr(self._here, "connection", None) or self._connect()
        try:
            connection.execute("BEGIN")
            try:
                return query(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            if damaged(error):
                raise StoreFailed(f"{self._path}: reading failed ({error}); check the disk") from error
            raise
        finally:
            if connection not in self._opened:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = open_reader(self._path)
        if connection.execute("PRAGMA database_list").fetchone()[2]:  # a store that is not made yet may be, next time
            self._here.connection = connection
            self._opened.append(connection)
        return connection
