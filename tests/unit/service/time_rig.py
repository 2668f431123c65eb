"""A world with its own clock for the scheduler, over a real store; a life ends like a process that is killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from engine.compiler.triggers import timer_slots
from engine.events import Told
from engine.pipeline import TimerPlan
from engine.service.firing import Firing
from engine.service.scheduler import Scheduler
from engine.store.base import Page, Settlement, Store, Where
from engine.store.memory import MemoryStore, Tables


class Over(Exception):
    """The time that was to be lived is over."""


def at(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def timer(trigger: dict[str, Any], zone: str = "UTC", **more: Any) -> TimerPlan:
    """A real trigger, compiled."""
    plan = TimerPlan("t", timer_slots(trigger, zone, {}).next_after, pipeline="p", kind=next(iter(trigger)))
    return TimerPlan(**{name: more.get(name, getattr(plan, name)) for name in TimerPlan.__dataclass_fields__})


class World:
    """The wall clock and what was told; the store outlives every scheduler."""

    def __init__(self, start: str, store: Callable[[World], Store] | None = None) -> None:
        self.now = at(start).timestamp()
        self.until = self.now
        self.tables = Tables()
        self._store = store or (lambda world: MemoryStore(world.tables, clock=world.clock))
        self.told: list[Told] = []
        self.paused: set[str] = set()
        self.looks = 0
        self.lives = 0
        self.leaps = True
        self.jumps: list[tuple[float, float]] = []
        """At these times the clock shows so many seconds more."""
        self.meanwhile: Callable[[World], None] = lambda world: None
        """Called between two looks."""
        self.scheduler: Scheduler | None = None
        self.store: Store | None = None

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0, "a busy loop"
        self.looks += 1
        await asyncio.sleep(0)
        self.meanwhile(self)
        if self.jumps and self.now >= self.jumps[0][0]:
            self.now += self.jumps.pop(0)[1]
            return
        if self.now >= self.until:
            raise Over
        assert self.scheduler is not None
        self.now = min(self.until, max(self.now + seconds, self._leap()))

    def _leap(self) -> float:
        """Where nothing is due for hours, nothing needs to be looked at: the tests would take as long."""
        following = self.scheduler.next() if self.scheduler else None
        if not self.leaps or self.jumps or following is None:
            return 0.0
        return following[2].timestamp() if not self.paused else 0.0

    async def live(self, plans: Sequence[TimerPlan], until: str) -> None:
        """Be a process until then, and end without a word: the lease is not given back."""
        self.until = at(until).timestamp()
        self.lives += 1
        async with AsyncExitStack() as stack:
            self.store = self._store(self)
            await self.store.open(stack, f"life-{self.lives}")
            async with AsyncExitStack() as mine:
                self.scheduler = Scheduler(
                    self.store, self.told.append, paused=self.paused.__contains__, clock=self.clock, sleep=self.sleep
                )
                await self.scheduler.open(mine)
                mine.pop_all()  # a killed process cleans nothing up
                self.scheduler.replace(plans)
                try:
                    await self.scheduler.work()
                except Over:
                    return

    async def firings(self, pipeline: str = "p") -> list[Firing]:
        """All that was ever fired, in order: nobody works the lane."""
        async with AsyncExitStack() as stack:
            store = self._store(self)
            await store.open(stack, "reader")
            where, page = Where(lane=f"{pipeline}/fire"), Page(10_000)
            entries, more = await store.find("entries", where, page)
        assert more is None
        return [Firing.read(entry) for entry in entries]

    async def slots(self, pipeline: str = "p") -> list[str]:
        """The slots of all firings as ``03-29 01:00``."""
        found = [datetime.fromisoformat(one.slot or "") for one in await self.firings(pipeline)]
        return [slot.strftime("%m-%d %H:%M") for slot in found]

    def of(self, kind: type) -> list[Any]:
        """What was told of that kind."""
        return [one for one in self.told if type(one) is kind]


class Around:
    """A store of which one call is another: ``settle`` here."""

    def __init__(self, inner: Store, settle: Callable[[Store, Settlement], Any]) -> None:
        self._inner, self._settle = inner, settle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def settle(self, settlement: Settlement) -> None:
        await self._settle(self._inner, settlement)


def twice(slots: Sequence[str]) -> list[str]:
    """Those that are there more than once."""
    return [slot for slot, count in Counter(slots).items() if count > 1]
