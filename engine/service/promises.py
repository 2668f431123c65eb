"""Whether pipelines keep what they promise: a pure judgement over what is known, made every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

from engine.errors import StoreError, StoreFailed
from engine.events import (
    BatchDelivered,
    BatchRead,
    Noted,
    PromiseChanged,
    RunFinished,
    RunStarted,
    Tell,
    Told,
)
from engine.pipeline import PromisePlan
from engine.service.flows import Window
from engine.store.base import Page, RunRow, Store, Where
from engine.telemetry.words import duration

LOOK = 5.0
"""Seconds between looks."""
HOUR = 3600.0
"""Of what callers send, the last hour counts."""
_GOOD: Final = frozenset({"success", "partial", "empty"})
_SESSION: Final = "session"
_REPLAY: Final = "replay"
_PAGE, _PAGES = 100, 20


@dataclass(slots=True)
class Facts:
    """What is known of one pipeline."""

    since: datetime
    """Freshness counts from here, or from a later success."""
    success: datetime | None = None
    ended: tuple[int, int] | None = None
    """Rejected and read, of the last run that read something."""
    seconds: float | None = None
    """The length of the last run that ended."""
    running: Sequence[datetime] = ()
    """When the runs under way began."""
    calls: Window = field(default_factory=lambda: Window(HOUR))
    """Of accepted calls: how many were read, and how many rejected."""
    rests: bool = False
    """It was paused or disabled when last looked at."""


def broken(plan: PromisePlan, facts: Facts, now: datetime) -> str:
    """Say how a promise is broken; empty: it is kept, or nothing is known against it. Pure."""
    if plan.kind == "fresh":
        last = max(facts.since, facts.success or facts.since)
        age = (now - last).total_seconds()
        said = "the last success was" if facts.success else "no run succeeded; it is looked at since"
        return f"fresh {plan.text}: {said} {duration(age)} ago" if age > plan.limit else ""
    if plan.kind == "duration":
        return _slow(plan, facts, now)
    read, rejected = facts.calls.counts(now.timestamp())
    if read == 0:
        rejected, read = facts.ended or (0, 0)
    share = rejected / read if read else 0.0
    return f"rejected {plan.text}: {rejected} of {read} records, {share:.2%}" if share >= plan.limit else ""


def _slow(plan: PromisePlan, facts: Facts, now: datetime) -> str:
    longest = max(((now - began).total_seconds() for began in facts.running), default=0.0)
    if longest >= plan.limit:
        return f"duration {plan.text}: a run goes on for {duration(longest)}"
    if facts.seconds is not None and facts.seconds >= plan.limit:
        return f"duration {plan.text}: the last run took {duration(facts.seconds)}"
    return ""


class Promising(Protocol):
    """A pipeline with its promises."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def promises(self) -> tuple[PromisePlan, ...]:
        """What it promises."""


class _State(NamedTuple):
    broken: bool
    text: str


class Promises:
    """Hears what happens, looks every few seconds, and tells each change once.

    *silent* tells of paused and of disabled pipelines: theirs are not looked at, and freshness begins anew after.
    """

    def __init__(
        self, store: Store, tell: Tell, *, silent: Callable[[str], bool],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._store, self._tell, self._silent, self._clock = store, tell, silent, clock
        self._plans: Mapping[str, tuple[PromisePlan, ...]] = {}
        self._facts: dict[str, Facts] = {}
        self._sessions: set[str] = set()
        self._replays: set[str] = set()
        self._running: dict[str, tuple[str, datetime]] = {}
        """Runs under way: whose, and since when."""
        self._states: dict[tuple[str, str], _State] = {}

    def replace(self, cards: Iterable[Promising]) -> None:
        """Look at these pipelines from now on."""
        self._plans = {card.name: card.promises for card in cards if card.promises}
        self._facts = {name: facts for name, facts in self._facts.items() if name in self._plans}

    async def work(self) -> None:
        """Look until cancelled. Raises StoreFailed."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Look once, and tell what changed."""
        for name in [one for one in self._plans if one not in self._facts]:
            await self._recall(name)
        now = self._clock()
        for name, facts in self._facts.items():
            facts.running = [began for pipeline, began in self._running.values() if pipeline == name]
            if self._silent(name):
                facts.rests = True
            elif facts.rests:
                facts.rests, facts.since = False, now
        there = {
            (name, plan.name): plan
            for name, plans in self._plans.items()
            for plan in plans
            if name in self._facts and not self._facts[name].rests
        }
        for key in self._states.keys() - there.keys():
            self._gone(key)
        for key, plan in there.items():
            self._judge(key, broken(plan, self._facts[key[0]], now))

    def _judge(self, key: tuple[str, str], why: str) -> None:
        before = self._states.get(key)
        if before is not None and before.broken == bool(why):
            return
        self._states[key] = _State(bool(why), why)
        if why:
            self._tell(PromiseChanged(key[0], "", key[1], "broken", why))
        else:
            said = f"it holds again; it was broken: {before.text}" if before else ""
            self._tell(PromiseChanged(key[0], "", key[1], "kept", said))

    def _gone(self, key: tuple[str, str]) -> None:
        state = self._states.pop(key)
        said = "paused, disabled, or not promised any more: it is not looked at" if state.broken else ""
        self._tell(PromiseChanged(key[0], "", key[1], "gone", said))

    # what is known

    def __call__(self, told: Told) -> None:
        """Remember what counts of it."""
        match told:
            case RunStarted():
                self._started(told)
            case RunFinished():
                self._finished(told)
            case BatchRead() | BatchDelivered() if told.run in self._sessions:
                self._called(told)

    def _started(self, told: RunStarted) -> None:
        if told.note == _SESSION:
            self._sessions.add(told.run)
        elif told.trigger == _REPLAY:
            self._replays.add(told.run)
        elif told.pipeline in self._plans:
            self._running[told.run] = (told.pipeline, self._clock())

    def _finished(self, told: RunFinished) -> None:
        session, replay = told.run in self._sessions, told.run in self._replays
        self._sessions.discard(told.run)
        self._replays.discard(told.run)
        self._running.pop(told.run, None)
        facts = self._facts.get(told.pipeline)
        if facts is None or session or replay:
            return
        if told.status == "interrupted":
            return
        if told.status in _GOOD:
            facts.success = self._clock()
        facts.seconds = told.seconds
        facts.ended = _share(told.summary) or facts.ended

    def _called(self, told: BatchRead | BatchDelivered) -> None:
        facts = self._facts.get(told.pipeline)
        if facts is None:
            return
        now = self._clock()
        if isinstance(told, BatchRead):
            facts.calls.add(now.timestamp(), told.records, told.failed)
        else:
            facts.calls.add(now.timestamp(), 0, told.rejected)
            facts.success = now if told.sent else facts.success

    async def _recall(self, name: str) -> None:
        """Learn from history; where it cannot be read now, the next look does."""
        # what happens meanwhile is newer than what history says, and counts
        facts, after = self._facts.setdefault(name, Facts(self._clock())), None
        try:
            for _ in range(_PAGES):
                rows, after = await self._store.find("runs", Where(pipeline=name), Page(_PAGE, after))
                for row in rows:
                    _learn(facts, row)
                if facts.success is not None or after is None:
                    break
        except StoreFailed:
            raise
        except StoreError as error:
            del self._facts[name]
            self._tell(Noted(name, "", "warning", "promise", f"its promises are not looked at now: {error}"))
            return
        if facts.success is not None:
            facts.since = facts.success


def _learn(facts: Facts, row: RunRow) -> None:
    """Take up what an older run says; rows come newest first."""
    began = datetime.fromisoformat(row.started)
    facts.since = min(facts.since, began)
    if row.trigger == _REPLAY:
        return
    if row.finished is None:
        return
    ended = datetime.fromisoformat(row.finished)
    delivered = row.status == "interrupted" and any((row.summary.get("sent") or {}).values())
    if facts.success is None and (row.status in _GOOD or delivered):
        facts.success = ended
    if row.status == "interrupted":
        return
    if facts.seconds is None:
        facts.seconds = (ended - began).total_seconds()
    facts.ended = facts.ended or _share(row.summary)


def _share(summary: Mapping[str, Any]) -> tuple[int, int] | None:
    read = summary.get("read", 0)
    return (summary.get("rejected", 0), read) if read else None
