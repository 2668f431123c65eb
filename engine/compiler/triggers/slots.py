"""From a rule on the wall clock to slots in UTC, over both changes of the clocks, and only while it is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from engine.compiler.triggers.zones import TICK, Zone

_TRIES = 1000
_CLOSED = timedelta(days=5 * 366)
"""What does not open in five years does not open."""


class Rule(Protocol):
    """Which times of the wall clock are meant."""

    @property
    def repeats(self) -> bool:
        """An hour that comes twice counts twice; else only the first time."""

    @property
    def makes_up(self) -> bool:
        """A time in an hour that is left out is made up for at its end; else it is left out too."""

    def next(self, after: datetime) -> datetime | None:
        """Return the first time after *after*, both as the wall clock shows them; None: never."""


class Gate(Protocol):
    """Opens and closes over time."""

    def state(self, utc: datetime) -> tuple[bool, datetime]:
        """Say whether it is open at *utc*, and until when that is certain."""


class Wanted(NamedTuple):
    """A gate, and how it must stand."""

    gate: Gate
    open: bool = True


class Slots:
    """The slots of one timer."""

    def __init__(self, zone: Zone, rule: Rule, gates: Sequence[Wanted] = ()) -> None:
        self._zone, self._rule, self._gates = zone, rule, tuple(gates)
        self._answer: tuple[datetime | None, datetime | None] = (None, None)

    def next_after(self, now: datetime) -> datetime | None:
        """Return the first slot after *now*, aware and in UTC; None: never again."""
        asked, answer = self._answer  # a timer is asked the same when it is wound and when it is due
        if asked != now:
            answer = self._look(now)
            self._answer = (now, answer)
        return answer

    def _look(self, now: datetime) -> datetime | None:
        after = now.astimezone(UTC).replace(tzinfo=None)
        for _ in range(_TRIES):
            slot = _next(self._zone, self._rule, after)
            opens = self._opens(slot) if slot is not None and self._gates else slot
            if opens is None:
                return None
            if opens == slot:
                return slot.replace(tzinfo=UTC)
            after = opens - TICK
        return None

    def _opens(self, utc: datetime) -> datetime | None:
        """Return the first moment from *utc* on at which all gates stand as wanted."""
        limit = utc + _CLOSED
        while utc < limit:
            for gate, wanted in self._gates:
                is_open, until = gate.state(utc)
                if is_open != wanted:
                    utc = until
                    break
            else:
                return utc
        return None


def _next(zone: Zone, rule: Rule, after: datetime) -> datetime | None:
    """Return the rule's next slot after *after*, both naive UTC."""
    stretch = zone.stretch(after)
    seen = after + stretch.offset
    if not rule.repeats:
        # in an hour's second turn, go on where the first one ended
        seen = max(seen, stretch.start + stretch.before - TICK)
    wall = rule.next(seen)
    while wall is not None:
        if wall - stretch.offset < stretch.end:
            return wall - stretch.offset
        ended = stretch.end + stretch.offset
        stretch = zone.stretch(stretch.end)
        begins = stretch.start + stretch.offset
        if wall < begins:  # left out: the clocks went from `ended` to `begins`
            if rule.makes_up:
                return stretch.start
            wall = rule.next(begins - TICK)
        elif begins < ended and rule.repeats:
            wall = rule.next(begins - TICK)
    return None
