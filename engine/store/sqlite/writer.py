"""The one thread that writes: whatever arrived during the last commit goes into the next one.

All work of a group shares one transaction and one wait for the disk; one call wakes everybody. Each piece runs in a
savepoint of its own, neighbours of one kind that can be done together in one for all. Nothing here knows what the work
is.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from engine.errors import StoreError, StoreFailed, StoreFull
from engine.store.sqlite.connect import damaged, full
from engine.store.sqlite.files import Space

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], T]
Joined = Callable[[sqlite3.Connection, Sequence[Any]], Sequence[Any]]
"""Does several pieces of work of one kind, given what each of them is; gives what became of each."""

_GROUP_ITEMS = 256
_GROUP_BYTES = 1024 * 1024
_QUEUE_ITEMS = 2000


@dataclass(slots=True, eq=False)
class _Item:
    work: Joined
    what: Any
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
        self.committed: Callable[[float], None] = lambda seconds: None
        """Hears, in the loop, how long each transaction took with its wait for the disk."""

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

        def alone(connection: sqlite3.Connection, whats: Sequence[None]) -> list[T]:
            return [work(connection)]

        given: T = await self.join(alone, None, size, admits=admits)
        return given

    async def join(self, work: Joined, what: Any, size: int = 0, *, admits: bool = False) -> Any:
        """The same for work that neighbours with the same *work* may be done together with, in their order."""
        async with self._room:
            if self._closing:
                raise StoreError(f"{self._name}: the store is closed")
            future: asyncio.Future[Any] = self._loop.create_future()
            self._queue.put(_Item(work, what, size, admits, future))
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
            begun = time.monotonic()
            self._run_group(group)
            if not self._tell(self._wake, group, time.monotonic() - begun):
                break
        self._connection.close()
        self._tell(_settle_future, self._ended, None)

    def _wake(self, group: Sequence[_Item], seconds: float) -> None:
        _resolve(group)
        self.committed(seconds)

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
        for work, neighbours in groupby(items, key=_work_of):
            self._run(work, list(neighbours))
        self._connection.execute("COMMIT")
        for item in items:
            item.durable = True

    def _run(self, work: Joined, items: Sequence[_Item]) -> None:
        """Run neighbours in one savepoint, or else each in its own; what ends the whole transaction is raised."""
        self._connection.execute("SAVEPOINT item")
        try:
            results = work(self._connection, [item.what for item in items])
        except Exception as error:
            fatal = isinstance(error, sqlite3.Error) and (full(error) or damaged(error))
            if fatal or not self._connection.in_transaction:
                raise
            self._connection.execute("ROLLBACK TO item")
            self._connection.execute("RELEASE item")
            if len(items) == 1:
                items[0].result, items[0].error = None, error
                return
            for item in items:
                self._run(work, [item])
            return
        self._connection.execute("RELEASE item")
        for item, result in zip(items, results, strict=True):
            item.result, item.error = result, None

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


def _work_of(item: _Item) -> Joined:
    return item.work


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
