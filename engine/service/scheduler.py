"""Time fires triggers: each slot once, through crashes, suspends and clocks that jump."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from engine.errors import LeaseLost, RecordError, StoreFull, Unavailable
from engine.events import Fired, Noted, Skipped, Tell
from engine.ids import new_id
from engine.pipeline import TimerPlan
from engine.schedule import judge, moment
from engine.service.firing import Firing
from engine.service.settling import settle
from engine.service.timers import AHEAD, KEPT, Board, Place, Timer, key_of, utc
from engine.store.base import Lease, NewEntry, Settlement, Store

LANE = "*/timers"
TTL = 60.0
_BEAT = 10
"""Looks between two renewals of the lease: ten seconds, and less when there is much to fire."""
_BRIEFLY = 0.25
"""Seconds between two looks within a second: firings that jitter spread still go out in few settlements."""
_SLICE = 0.02
"""Seconds of work at one go; then others run."""
_AT_ONCE = 500
"""Timers of one settlement at most: writing it is one piece of work, and others wait for it."""
_TICK = 0.002
"""So long after a full second: a sleep that ends early would look in vain."""
_Item = TypeVar("_Item")


@dataclass(slots=True)
class Outcome:
    """What becomes of the timers that are due at one moment: one settlement, and what is said when it is on disk."""

    wound: list[tuple[Timer, Place]] = field(default_factory=list)
    append: list[NewEntry] = field(default_factory=list)
    fired: list[tuple[TimerPlan, datetime]] = field(default_factory=list)
    said: list[Skipped | Noted] = field(default_factory=list)


class Scheduler:
    """Fires the timers of one generation of pipelines after another.

    *paused* tells of paused and of disabled pipelines: their slots pass, and are not made up for later. So plans of
    disabled pipelines belong into ``replace`` too. *clock* is the wall clock.
    """

    def __init__(
        self,
        store: Store,
        tell: Tell,
        *,
        paused: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store, self._tell, self._paused = store, tell, paused
        self._clock, self._sleep = clock, sleep
        self._lease: Lease | None = None
        self._places: dict[str, Place] = {}
        """Of all triggers the store knows, also of those that are gone."""
        self._board = Board()
        self._plans: Sequence[TimerPlan] | None = None
        """A generation that waits for the next look."""
        self._looks = 0
        self._seen = 0.0

    async def open(self, stack: AsyncExitStack) -> None:
        """Take the lane and read where every trigger stands. Raises Unavailable when somebody else has it."""
        leases = await self._store.acquire(LANE, 1, TTL)
        if not leases or leases[0].lane != LANE:
            await self._store.release(leases)
            raise Unavailable("another engine fires the timers of this store; stop it, or wait a minute for its lease")
        self._lease = leases[0]
        stack.push_async_callback(self._store.release, leases)
        state = (await self._store.load(self._lease)).state
        self._places = {key: Place.read(value) for key, value in state.items()}

    def replace(self, plans: Sequence[TimerPlan]) -> None:
        """Fire *plans* from the next look on, and no others.

        A trigger that is the same keeps its place. One that is new, or whose rule is another, begins now: it missed
        nothing. One that is gone keeps its place for seven days, should it come back.
        """
        self._plans = plans

    def next(self) -> tuple[str, str, datetime] | None:
        """Return the pipeline, the trigger and the moment of the next firing; None until the first look, too."""
        timer = self._board.next(self._paused)
        return None if timer is None or timer.at is None else (timer.plan.pipeline, timer.plan.id, utc(timer.at))

    def next_of(self, pipeline: str) -> datetime | None:
        """Return when the pipeline fires next; None when it is paused, or has no timer."""
        at = None if self._paused(pipeline) else self._board.next_of(pipeline)
        return None if at is None else utc(at)

    async def work(self) -> None:
        """Fire until cancelled. Raises LeaseLost, StoreFailed; what was being settled then is fired by the next owner.

        It looks once in a second, whatever is due: the clock may jump, and the machine may sleep.
        """
        while True:
            await self.look()
            await self._sleep(self._rest())

    async def look(self) -> None:
        """Look once: fire what is due now."""
        if self._looks % _BEAT == _BEAT - 1:
            await self._renew()
        self._looks += 1
        if self._plans is not None:
            await self._adopt()
        seconds = self._clock()
        now = utc(seconds)
        if seconds < self._seen - AHEAD.total_seconds():
            await self._follow_back(now)
        self._seen = seconds
        due = self._board.take(seconds)
        for begin in range(0, len(due), _AT_ONCE):
            await self._fire(due[begin : begin + _AT_ONCE], now)

    def _rest(self) -> float:
        """Return the seconds until the next look: the next full second, where slots are, or a put-off firing."""
        now = self._clock()
        rest, first = 1.0 - now % 1.0, self._board.first()
        if first is not None and first - now < rest:
            rest = min(rest, max(first - now, _BRIEFLY))
        return rest + _TICK

    async def _renew(self) -> None:
        assert self._lease is not None
        try:
            held = await self._store.renew([self._lease], TTL)
        except StoreFull:
            return  # a lease that expired and that nobody took still settles
        if not held:
            raise LeaseLost("another engine took over the timers of this store")

    async def _adopt(self) -> None:
        """Go over to the generation that waits."""
        plans, self._plans = self._plans or (), None
        now = utc(self._clock())
        board, places = Board(), dict(self._places)
        async for plan in _gently(plans):
            key = key_of(plan)
            place = self._places.get(key)
            if place is None or not place.holds(plan, now):
                place = Place(now, plan.rule)
            elif place.gone or place.rule != plan.rule:
                place = Place(place.last, plan.rule)
            places[key] = place
            board.put(plan, place, now)
        for key in self._places.keys() - board.timers.keys():
            gone = self._places[key].gone or now
            if now - gone > KEPT:
                del places[key]
            else:
                places[key] = self._places[key]._replace(gone=gone)
        changed = {key: place.write() for key, place in places.items() if self._places.get(key) != place}
        removed = dict.fromkeys(self._places.keys() - places.keys())
        await self._settle({**changed, **removed}, ())
        self._board, self._places = board, places

    async def _follow_back(self, now: datetime) -> None:
        """Go on from *now* where the clock was set back from far ahead: else timers would wait for that time again."""
        async for timer in _gently(list(self._board.stranded(now))):
            self._board.wind(timer, now)

    async def _fire(self, due: Sequence[Timer], now: datetime) -> None:
        """Settle what is due at one moment at once, then say it."""
        outcome = Outcome()
        async for timer in _gently(due):
            self._deal(timer, now, outcome)
        if outcome.wound:
            state = {key_of(timer.plan): place.write() for timer, place in outcome.wound}
            await self._settle(state, outcome.append)
        on_disk = utc(self._clock())
        for timer, place in outcome.wound:
            timer.place = self._places[key_of(timer.plan)] = place
            timer.assumed = None
        async for timer in _gently(due):
            self._board.wind(timer, now)
        async for plan, slot in _gently(outcome.fired):
            lag = (on_disk - moment(plan, slot)).total_seconds()
            self._tell(Fired(plan.pipeline, "", plan.id, plan.kind, _text(slot), max(0.0, lag)))
        for event in outcome.said:
            self._tell(event)

    def _deal(self, timer: Timer, now: datetime, outcome: Outcome) -> None:
        """Judge one timer and add what becomes of it."""
        plan = timer.plan
        judged = judge(plan, timer.since(now), now)
        if judged.last == timer.since(now):
            return
        outcome.wound.append((timer, Place(judged.last, plan.rule)))
        if self._paused(plan.pipeline):
            reason = "the pipeline is paused or disabled"
            outcome.said += [Skipped(plan.pipeline, "", plan.id, f"{_text(slot)}: {reason}") for slot in judged.slots]
            return
        if judged.passed:
            outcome.said.append(_passed(plan, judged.passed, judged.last))
        for slot in judged.slots:
            try:
                outcome.append.append(_firing(plan, slot))
            except RecordError as error:
                fact = f"'{plan.id}' does not fire for {_text(slot)}: its params cannot be made: {error.message}"
                outcome.said.append(Noted(plan.pipeline, "", "error", "trigger-params", fact))
            else:
                outcome.fired.append((plan, slot))

    async def _settle(self, state: Mapping[str, bytes | None], append: Sequence[NewEntry]) -> None:
        """Settle, and while the store is full try the same again."""
        if not state and not append:
            return
        assert self._lease is not None
        settlement = Settlement(new_id(), self._lease, state=state, append=append)
        await settle(self._store, settlement, self._tell, self._pause)

    async def _pause(self, seconds: float) -> None:
        await self._sleep(seconds)
        await self._renew()


async def _gently(items: Iterable[_Item]) -> AsyncIterator[_Item]:
    """Give one after the other, and let others run now and then: ten thousand are a while."""
    begin = time.perf_counter()
    for item in items:
        yield item
        if time.perf_counter() - begin > _SLICE:
            await asyncio.sleep(0)
            begin = time.perf_counter()


def _firing(plan: TimerPlan, slot: datetime) -> NewEntry:
    """Make the entry of one firing. Raises RecordError when its params cannot be made."""
    text = _text(slot)
    params = plan.params({"trigger": {"id": plan.id, "type": plan.kind, "slot": text, "params": {}}})
    return Firing(plan.id, plan.kind, params, text).entry(plan.pipeline, f"{plan.id}|{text}")


def _passed(plan: TimerPlan, count: int, last: datetime) -> Noted:
    many = "a slot was" if count == 1 else f"{count} slots were" if count <= 10 else f"{count} slots or more were"
    message = f"'{plan.id}': up to {_text(last)} {many} missed and not made up for; its missed is '{plan.missed}'"
    return Noted(plan.pipeline, "", "warning", "missed-slots", message)


def _text(slot: datetime) -> str:
    return slot.astimezone(UTC).isoformat()
