"""The one thread that writes: whatever arrived during the last commit goes into the next one.

Each piece of work runs in its own savepoint, all of a group share one transaction and one wait for the disk; one
call wakes everybody. Nothing here knows what the work is.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.errors import StoreError, StoreFailed, StoreFull
from engine.store.sqlite.connect import damaged, full
from engine.store.sqlite.files import Space

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], T]

_GROUP_ITEMS = 256
_GROUP_BYTES = 1024 * 1024
_QUEUE_ITEMS = 2000


@dataclass(slots=True, eq=False)
class _Item:
    work: Work[Any]
    size: int
    admits: bool
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None
    durable: bool = False


class Writer:
    """Runs work on the writing connection, in order, durably; the connection never leaves the thread."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], space: Space, name: str) -> None:
        self._connect = connect
        self._space = space
        self._name = name
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(_QUEUE_ITEMS)
        self._thread = threading.Thread(target=self._main, name="store-writer", daemon=True)
        self._connection: sqlite3.Connection
        self._broken: str | None = None
        self._closing = False

    async def start(self) -> None:
        """Start the thread and open the connection in it; raises what opening raised."""
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread.start()
        try:
            await asyncio.shield(self._ready)
        except BaseException:
            await self.close()  # cancelled or refused: the thread must not outlive this call
            raise

    async def close(self) -> None:
        """Finish what was submitted and close the connection."""
        self._closing = True
        self._queue.put(None)
        await self._ended
        self._thread.join()

    @property
    def broken(self) -> bool:
        """The disk or the file failed; nothing is tried any more."""
        return self._broken is not None

    async def submit(self, work: Work[T], size: int = 0, *, admits: bool = False) -> T:
        """Run *work* in a transaction and return once it is on disk; its exceptions undo it and come back.

        *size* is about how many bytes it writes. Work that *admits* something new is refused while the disk is low.
        """
        async with self._room:
            if self._closing:
                raise StoreError(f"{self._name}: the store is closed")
            future: asyncio.Future[T] = self._loop.create_future()
            self._queue.put(_Item(work, size, admits, future))
            return await future

    def _main(self) -> None:
        try:
            self._connection = self._connect()
        except BaseException as error:
            self._tell(_settle_future, self._ready, error)
            self._tell(_settle_future, self._ended, None)
            return
        self._tell(_settle_future, self._ready, None)
        while group := self._next_group():
            self._run_group(group)
            if not self._tell(_resolve, group):
                break
        self._connection.close()
        self._tell(_settle_future, self._ended, None)

    def _tell(self, call: Callable[..., None], *args: Any) -> bool:
        """Call in the loop; give False where the loop is gone, so that the thread ends too."""
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            return False
        return True

    def _next_group(self) -> list[_Item]:
        """Wait for work; give all that is there up to the bounds, nothing when closing."""
        first = self._queue.get()
        if first is None:
            return []
        group, size = [first], first.size
        while len(group) < _GROUP_ITEMS and size < _GROUP_BYTES:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                self._queue.put(None)
                break
            group.append(item)
            size += item.size
        return group

    def _run_group(self, group: Sequence[_Item]) -> None:
        try:
            self._commit(self._admitted(group))
        except Exception as error:  # a thread that ended here would leave its callers waiting for ever
            self._undo()
            self._break(error)
        if self._broken is not None:
            for item in group:
                if not item.durable and item.error is None:
                    item.error = StoreFailed(self._broken)

    def _commit(self, group: Sequence[_Item]) -> None:
        """Commit together what can be; a group that fails is taken apart, so that one does not spoil the others."""
        if not group or self._broken is not None:
            return
        try:
            self._transact(group)
        except Exception as error:
            self._undo()
            if isinstance(error, sqlite3.Error) and damaged(error):
                self._break(error)
            elif isinstance(error, sqlite3.Error) and full(error):
                self._space.give_up_reserve()
                self._run_apart(self._admitted(group))
            else:
                self._run_apart(group)

    def _admitted(self, group: Sequence[_Item]) -> Sequence[_Item]:
        """Refuse what would admit new work to a disk that is low."""
        if not self._space.low():
            return group
        for item in group:
            if item.admits:
                item.error = StoreFull(self._space.message)
        return [item for item in group if not item.admits]

    def _transact(self, items: Sequence[_Item]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for item in items:
            self._run(item)
        self._connection.execute("COMMIT")
        for item in items:
            item.durable = True

    def _run(self, item: _Item) -> None:
        """Run one piece in its savepoint; what ends the whole transaction is raised."""
        item.result, item.error = None, None
        self._connection.execute("SAVEPOINT item")
        try:
            item.result = item.work(self._connection)
        except Exception as error:
            fatal = isinstance(error, sqlite3.Error) and (full(error) or damaged(error))
            if fatal or not self._connection.in_transaction:
                raise
            item.error = error
            self._connection.execute("ROLLBACK TO item")
        self._connection.execute("RELEASE item")

    def _run_apart(self, group: Sequence[_Item]) -> None:
        """Give each its own transaction."""
        for item in group:
            if self._broken is not None:
                return
            try:
                self._transact([item])
            except Exception as error:
                self._undo()
                if isinstance(error, sqlite3.Error) and damaged(error):
                    self._break(error)
                item.error = self._explain(error)

    def _undo(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # a failed disk may refuse that too; the group is refused anyway
                self._connection.execute("ROLLBACK")

    def _break(self, error: Exception) -> None:
        # never again on this descriptor: after a failed flush the system may claim that the next one worked
        self._broken = (
            f"{self._name}: the disk or the file failed ({error}); the engine must end; "
            "check the disk, then start again (what was accepted before is kept)"
        )

    def _explain(self, error: Exception) -> Exception:
        if not isinstance(error, sqlite3.Error):
            return error
        if self._broken is not None:
            return StoreFailed(self._broken)
        if full(error):
            return StoreFull(f"{self._name}: the disk is full; nothing was changed; make space, it goes on by itself")
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            return StoreFull(f"{self._name}: another program keeps the file locked; nothing was changed; close it")
        return error


def _settle_future(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _resolve(group: Sequence[_Item]) -> None:
    for item in group:
        if item.future.done():  # its caller was cancelled
            continue
        if item.error is not None:
            item.future.set_exception(item.error)
        else:
            item.future.set_result(item.result)
