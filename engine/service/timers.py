"""The board of timers: where each one stands, and which are to be looked at next. Pure; the scheduler has the clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from engine.pipeline import TimerPlan
from engine.schedule import wake

AHEAD = timedelta(days=1)
"""A slot further ahead of the clock than this was dealt with while the clock was wrong."""
KEPT = timedelta(days=7)
"""So long a trigger that is gone keeps its place: files go and come back."""


class Place(NamedTuple):
    """Where a trigger stands, as the store keeps it."""

    last: datetime
    """Every slot up to it is dealt with."""
    rule: str = ""
    """The plan's rule at that time."""
    gone: datetime | None = None
    """Since when no file has the trigger."""

    def write(self) -> bytes:
        """Write it as the store keeps it."""
        gone = [] if self.gone is None else [self.gone.isoformat()]
        return " ".join([self.last.isoformat(), self.rule or "-", *gone]).encode()

    @classmethod
    def read(cls, text: bytes) -> Place:
        """Read what ``write`` wrote; the time alone is enough."""
        last, rule, gone, *_ = [*text.decode().split(" "), "", ""]
        return cls(datetime.fromisoformat(last), rule.strip("-"), datetime.fromisoformat(gone) if gone else None)

    def holds(self, plan: TimerPlan, now: datetime) -> bool:
        """Tell whether *plan* goes on from here; else it begins now, like one that appears for the first time."""
        if self.gone is not None and now - self.gone > KEPT:
            return False
        return not self.rule or not plan.rule or self.rule == plan.rule


@dataclass(slots=True)
class Timer:
    """A plan, where it stands, and when it is to be looked at."""

    plan: TimerPlan
    place: Place
    at: float | None = None
    """Seconds since 1970; None: never again, or being dealt with."""
    assumed: datetime | None = None

    def since(self, now: datetime) -> datetime:
        """Return what to judge from: its place; where a wrong clock left that far ahead, the time when this was seen.

        The place is not forgotten: a clock that comes back finds it.
        """
        if self.place.last <= now + AHEAD:
            return self.place.last
        if self.assumed is None or self.assumed > now + AHEAD:
            self.assumed = now
        return self.assumed


def key_of(plan: TimerPlan) -> str:
    """Name a trigger as the store does."""
    return f"{plan.pipeline}|{plan.id}"


class Board:
    """All timers of one generation, the next ones first."""

    def __init__(self) -> None:
        self.timers: dict[str, Timer] = {}
        self._heap: list[tuple[float, str]] = []
        self._of: dict[str, list[Timer]] = {}

    def put(self, plan: TimerPlan, place: Place, now: datetime) -> None:
        """Add a timer."""
        key = key_of(plan)
        timer = self.timers[key] = Timer(plan, place)
        self._of.setdefault(plan.pipeline, []).append(timer)
        self.wind(timer, now)

    def wind(self, timer: Timer, now: datetime) -> None:
        """Find out when it is to be looked at again."""
        moment = wake(timer.plan, timer.since(now))
        timer.at = None if moment is None else moment.timestamp()
        if timer.at is not None:
            heapq.heappush(self._heap, (timer.at, key_of(timer.plan)))

    def take(self, now: float) -> list[Timer]:
        """Return those whose moment has come; ``wind`` them when they are dealt with."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            timer = self.timers[key]
            if timer.at == at:
                timer.at = None
                due.append(timer)
        return due

    def first(self) -> float | None:
        """Return the next moment at which there is something to look at."""
        return self._heap[0][0] if self._heap else None

    def stranded(self, now: datetime) -> Iterator[Timer]:
        """Return those that wait for a time which only a wrong clock has seen."""
        return (timer for timer in self.timers.values() if timer.place.last > now + AHEAD)

    def next(self, paused: Callable[[str], bool]) -> Timer | None:
        """Return the timer that fires next; those of paused pipelines do not."""
        waiting = (one for one in self.timers.values() if one.at is not None and not paused(one.plan.pipeline))
        return min(waiting, key=lambda one: one.at or 0.0, default=None)

    def next_of(self, pipeline: str) -> float | None:
        """Return when the pipeline is next looked at."""
        return min((one.at for one in self._of.get(pipeline, ()) if one.at is not None), default=None)


def utc(seconds: float) -> datetime:
    """Return a moment as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
