"""The store in one SQLite file: the contract's calls, handed to the writer or to the readers."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal, TypeVar

from engine import codec
from engine.errors import LeaseLost, Unavailable
from engine.store.base import ANY, FIRST, Entry, Lease, NewEntry, Page, Progress, Settlement, What, Where
from engine.store.rules import Wakeups, check_amendment, check_kinds, check_move, replay_lane
from engine.store.sqlite import clearing, lanes, letters, queries, settle
from engine.store.sqlite.appending import Appender, Given, Request, new_row
from engine.store.sqlite.backup import backup
from engine.store.sqlite.connect import open_reader, open_writer
from engine.store.sqlite.files import Lock, Space, prepare
from engine.store.sqlite.purge import purge
from engine.store.sqlite.readers import Readers
from engine.store.sqlite.writer import Writer

T = TypeVar("T")

_KNOWN_LANES = 100_000


class SqliteStore:
    """A Store in the file *path*, written by one process at a time.

    *wait*: seconds to wait for another process that writes. *min_free*: with less free space nothing new is appended
    (None: 256 MiB, or a twentieth of a small disk). *reserve*: bytes kept in a file beside it and given up when the
    disk is full, so that settling and purging go on (None: 64 MiB, or a twentieth of a small disk).
    """

    connection_class: type[sqlite3.Connection] = sqlite3.Connection
    """Makes the writing connection; tests put in one that fails."""

    def __init__(
        self,
        path: Path,
        *,
        wait: float = 10.0,
        min_free: int | None = None,
        reserve: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._wait = wait
        self._min_free = min_free
        self._reserve = reserve
        self._clock = clock
        self._owner = ""
        self._readers = Readers(path)
        self.committed: Callable[[float], None] = lambda seconds: None
        """Hears, in the loop, how many seconds each transaction took."""
        self._writer: Writer | None = None
        self._wakeups = Wakeups()
        self._appender = Appender(clock)
        self._lanes: set[str] = set()
        """Lanes that are on disk for certain."""
        self._fetched: dict[str, tuple[int, int]] = {}
        """Lane → the lease's token and the last number it fetched."""

    async def open(self, stack: AsyncExitStack, owner: str) -> None:
        """Open for writing; see ``Store.open``."""
        prepare(self.path)
        lock = Lock(self.path, self._wait)
        unclean = await lock.take()
        try:
            space = Space(self.path, self._min_free, self._reserve)
            writer = Writer(lambda: self._connect(space, unclean), space, str(self.path))
            writer.committed = lambda seconds: self.committed(seconds)
            await writer.start()
        except BaseException:
            lock.give_back(clean=not unclean)
            raise
        self._writer, self._owner = writer, owner
        self._lanes.clear()
        stack.push_async_callback(self._close, writer, lock)
        await writer.submit(lambda connection: settle.interrupt(connection, owner, self._clock()))

    def _connect(self, space: Space, unclean: bool) -> sqlite3.Connection:
        try:
            return open_writer(self.path, self.connection_class, unclean=unclean)
        except Unavailable:
            if not space.low():
                raise
        space.give_up_reserve()  # a full disk: opening needs a little room, else nothing could ever be purged
        return open_writer(self.path, self.connection_class, unclean=unclean)

    async def open_readonly(self, stack: AsyncExitStack) -> None:
        """Open for ``find`` alone, also while another process writes; without a file there is nothing to find."""
        open_reader(self.path).close()  # refusals come now, not with the first question
        stack.push_async_callback(self._readers.close)

    async def _close(self, writer: Writer, lock: Lock) -> None:
        await self._readers.close()
        await writer.close()
        lock.give_back(clean=not writer.broken)

    async def _write(self, work: Callable[[sqlite3.Connection], T], size: int = 256, *, admits: bool = False) -> T:
        return await self._writing().submit(work, size, admits=admits)

    def _writing(self) -> Writer:
        if self._writer is None:
            raise Unavailable(f"{self.path}: the store is open for reading only")
        return self._writer

    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        """See ``Store.append``; raises StoreFull while the disk is low, before it is full."""
        rows = [new_row(new) for new in entries]
        asked = {row.lane for row in rows}
        size = sum([len(row.body) + 128 for row in rows])
        request = Request(rows, asked - self._lanes)
        given: Sequence[Given] = await self._writing().join(self._appender, request, size, admits=True)
        self._remember(request.makes)
        self._wakeups.tell(asked)
        return given

    def _remember(self, lanes: set[str]) -> None:
        # only what is on disk; a lane is never removed, so what was there once need not be made again
        if lanes:
            if len(self._lanes) > _KNOWN_LANES:
                self._lanes.clear()
            self._lanes |= lanes

    async def acquire(self, prefix: str, limit: int, ttl: float) -> Sequence[Lease]:
        """See ``Store.acquire``; lanes of a process that is no more are free at once."""
        wanted = lanes.Wanted(prefix, limit, ttl, self._owner)
        return await self._write(lambda connection: lanes.acquire(connection, wanted, self._clock()))

    async def renew(self, leases: Sequence[Lease], ttl: float) -> Sequence[Lease]:
        """See ``Store.renew``."""
        return await self._write(lambda connection: lanes.renew(connection, leases, self._clock() + ttl))

    async def release(self, leases: Sequence[Lease]) -> None:
        """See ``Store.release``."""
        await self._write(lambda connection: lanes.release(connection, leases, self._clock()))

    async def waiting(self) -> Sequence[str]:
        """See ``Store.waiting``."""
        return await self._readers.read(clearing.waiting)

    async def load(self, lease: Lease) -> Progress:
        """See ``Store.load``."""
        return await self._readers.read(lambda connection: lanes.load(connection, lease))

    async def fetch(self, lease: Lease, limit: int, max_bytes: int) -> Sequence[Entry]:
        """See ``Store.fetch``."""
        token, last = self._fetched.get(lease.lane, (0, 0))
        wanted = lanes.Fetch(lease, limit, max_bytes, last if token == lease.token else 0)
        found = await self._readers.read(lambda connection: lanes.fetch(connection, wanted))
        if found:
            self._fetched[lease.lane] = lease.token, found[-1][0]
        return [entry for _, entry in found]

    async def settle(self, settlement: Settlement) -> None:
        """See ``Store.settle``."""
        written = settle.write(settlement)
        try:
            await self._write(lambda connection: settle.settle(connection, written, self._clock()), written.size)
        except LeaseLost:
            for lease in (settlement.lease, *(lease for lease, _ in settlement.finished)):
                if self._fetched.get(lease.lane, (0, 0))[0] == lease.token:
                    del self._fetched[lease.lane]
            raise
        self._wakeups.tell({row.lane for row in written.append})

    async def find(self, what: What, where: Where = ANY, page: Page = FIRST) -> tuple[Sequence[Any], str | None]:
        """See ``Store.find``."""
        return await self._readers.read(lambda connection: queries.find(connection, what, where, page, self._clock()))

    async def amend(self, where: Where, do: Literal["replay", "edit", "drop"], body: Any = None, limit: int = 0) -> int:
        """See ``Store.amend``."""
        check_amendment(where, do)
        asked = letters.Amendment(where, do, codec.encode(body) if do == "edit" else None, limit)
        pipelines = await self._write(lambda connection: letters.amend(connection, asked, self._clock()))
        if do == "replay":
            self._wakeups.tell({replay_lane(pipeline) for pipeline in pipelines})
        return len(pipelines)

    async def clear(self, lane: str, to: str | None, limit: int) -> int:
        """See ``Store.clear``."""
        check_move(lane, to)
        cleared = await self._write(lambda connection: clearing.clear(connection, lane, to, limit, self._clock()))
        if to is not None and cleared:
            self._wakeups.tell({to})
        return cleared

    async def purge(self, older: Mapping[str, str], limit: int) -> int:
        """See ``Store.purge``."""
        times = check_kinds(older)
        return await self._write(lambda connection: purge(connection, times, limit))

    async def backup(self, path: Path) -> None:
        """See ``Store.backup``; also of a store that is open for reading."""
        await backup(self.path, path)

    async def wait(self, prefix: str, timeout: float) -> None:
        """See ``Store.wait``."""
        await self._wakeups.wait(prefix, timeout)
