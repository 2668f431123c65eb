"""The store in memory: the contract's calls over tables that may outlive it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from engine.errors import StoreError
from engine.store.base import ANY, FIRST, Entry, Lease, NewEntry, Page, Progress, Settlement, What, Where
from engine.store.memory import lanes, listing, settle
from engine.store.memory.purge import purge
from engine.store.memory.tables import Tables
from engine.store.rules import Wakeups, check_amendment, check_kinds, check_move, replay_lane


class MemoryStore:
    """A Store over *tables*; opening another one over the same tables is what a restart is."""

    def __init__(self, tables: Tables | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.tables = tables or Tables()
        self._clock = clock
        self._owner: str | None = None
        self._wakeups = Wakeups()
        self._fetched: dict[str, tuple[int, int]] = {}
        """Lane → the lease's token and the last number it fetched."""

    async def open(self, stack: AsyncExitStack, owner: str) -> None:
        """Open; whoever had the tables open before is taken for dead."""
        self._owner = owner
        stack.callback(setattr, self, "_owner", None)
        async with self._transaction() as now:
            settle.interrupt(self.tables, owner, now)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[float]:
        await self._pause()
        with self.tables.transaction():
            yield self._clock()

    async def _pause(self) -> None:
        if self._owner is None:
            raise StoreError("the store is closed")
        await asyncio.sleep(0)  # a store on disk lets others run here too

    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        """See ``Store.append``."""
        async with self._transaction() as now:
            given = [lanes.append(self.tables, new, now) for new in entries]
        self._wakeups.tell({new.lane for new in entries})
        return given

    async def acquire(self, prefix: str, limit: int, ttl: float) -> Sequence[Lease]:
        """See ``Store.acquire``; lanes of a process that is no more are free at once."""
        async with self._transaction() as now:
            free = lanes.acquire(self.tables, prefix, limit, now)
            return [lanes.take(self.tables, lane, self._owner or "", now + ttl) for lane in free]

    async def renew(self, leases: Sequence[Lease], ttl: float) -> Sequence[Lease]:
        """See ``Store.renew``."""
        async with self._transaction() as now:
            return lanes.renew(self.tables, leases, now + ttl)

    async def release(self, leases: Sequence[Lease]) -> None:
        """See ``Store.release``."""
        async with self._transaction() as now:
            lanes.release(self.tables, leases, now)

    async def waiting(self) -> Sequence[str]:
        """See ``Store.waiting``."""
        await self._pause()
        return lanes.waiting(self.tables)

    async def load(self, lease: Lease) -> Progress:
        """See ``Store.load``."""
        await self._pause()
        return lanes.load(self.tables, lease)

    async def fetch(self, lease: Lease, limit: int, max_bytes: int) -> Sequence[Entry]:
        """See ``Store.fetch``."""
        await self._pause()
        token, last = self._fetched.get(lease.lane, (0, 0))
        after = last if token == lease.token else 0
        found = list(islice(lanes.fetch(self.tables, lease, after, max_bytes), limit))
        if found:
            self._fetched[lease.lane] = lease.token, found[-1][0]
        return [entry for _, entry in found]

    async def settle(self, settlement: Settlement) -> None:
        """See ``Store.settle``."""
        async with self._transaction() as now:
            settle.settle(self.tables, settlement, now)
        self._wakeups.tell({new.lane for new in settlement.append})

    async def find(self, what: What, where: Where = ANY, page: Page = FIRST) -> tuple[Sequence[Any], str | None]:
        """See ``Store.find``."""
        await self._pause()
        return listing.find(self.tables, what, where, page, self._clock())

    async def amend(self, where: Where, do: Literal["replay", "edit", "drop"], body: Any = None, limit: int = 0) -> int:
        """See ``Store.amend``."""
        check_amendment(where, do)
        async with self._transaction() as now:
            chosen = listing.open_letters(self.tables, where, limit)
            if do == "replay":
                settle.replay(self.tables, chosen, now)
            elif do == "edit":
                settle.edit(self.tables, chosen, body, now)
            else:
                settle.drop(self.tables, chosen, now)
        if do == "replay":
            self._wakeups.tell({replay_lane(kept.row.pipeline) for kept in chosen})
        return len(chosen)

    async def clear(self, lane: str, to: str | None, limit: int) -> int:
        """See ``Store.clear``."""
        check_move(lane, to)
        async with self._transaction() as now:
            cleared = lanes.clear(self.tables, lane, to, limit, now)
        if to is not None and cleared:
            self._wakeups.tell({to})
        return cleared

    async def backup(self, path: Path) -> None:
        """Refuse: there is no file to copy."""
        raise StoreError(f"{path}: a store in memory cannot be backed up; what it keeps ends with the process")

    async def purge(self, older: Mapping[str, str], limit: int) -> int:
        """See ``Store.purge``."""
        times = check_kinds(older)
        async with self._transaction():
            return purge(self.tables, times, limit)

    async def wait(self, prefix: str, timeout: float) -> None:
        """See ``Store.wait``."""
        await self._wakeups.wait(prefix, timeout)
