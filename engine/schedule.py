"""When a timer's firings are due: late, missed and put off. Pure; the runtime has the clock and remembers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from engine.pipeline import TimerPlan

ON_TIME = 60.0
"""Seconds that a firing may be late and still is not missed: a busy process is not an absent one."""
CAP = 100
_SPARE = 4
_COUNTED = 12
"""So many slots that nobody makes up for are counted exactly."""


class Due(NamedTuple):
    """What to do about a timer at one moment."""

    slots: list[datetime]
    """To be fired now, the oldest first."""
    last: datetime
    """To be remembered, and given the next time: every slot up to it is dealt with."""
    passed: int = 0
    """Slots that are not made up for: too old, too many, or nobody asked for it. Of many not all are counted."""


def moment(plan: TimerPlan, slot: datetime) -> datetime:
    """Return when *slot* is fired: put off by the jitter, always by the same, and before the next slot."""
    if plan.jitter <= 0:
        return slot
    following = plan.next_after(slot)
    room = plan.jitter if following is None else min(plan.jitter, (following - slot).total_seconds())
    name = f"{plan.pipeline}|{plan.id}|{slot.astimezone(UTC).isoformat()}"
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48
    return slot + timedelta(microseconds=math.floor(room * share * 1_000_000))


def wake(plan: TimerPlan, last: datetime) -> datetime | None:
    """Return when there will be something to fire after *last*: past, if it is late already; None: never again."""
    slot = plan.next_after(last)
    return None if slot is None else moment(plan, slot)


def judge(plan: TimerPlan, last: datetime | None, now: datetime, cap: int = CAP) -> Due:
    """Say which slots after *last* are to be fired at *now*, and what to remember.

    *last* is what the judgement before gave to remember; None where the trigger appears for the first time: what was
    before is not missed. A clock that was set back fires nothing twice. A slot counts as missed when it is more than
    ``ON_TIME`` late.

    ``missed: none`` fires the newest slot if that is on time, ``last`` the newest within the window, ``all`` each one
    within the window, and of more than *cap* the newest.
    """
    if last is None:
        return Due([], now)
    # one more than is wanted: the newest may be put off
    slots, least = _newest(plan.next_after, last, now, cap + 1 if plan.missed == "all" else 2)
    if slots and moment(plan, slots[-1]) > now:
        slots.pop()
        least -= 1
    if not slots:
        return Due([], last)
    oldest = now - timedelta(seconds=min(_patience(plan) + plan.jitter, 10**10))
    kept = slots[-cap:] if plan.missed == "all" else slots[-1:]
    kept = [slot for slot in kept if slot >= oldest]
    return Due(kept, slots[-1], least - len(kept))


def due(plan: TimerPlan, last: datetime | None, now: datetime, cap: int = CAP) -> list[datetime]:
    """Return the slots to fire now; see ``judge``, which also says what to remember."""
    return judge(plan, last, now, cap).slots


def _patience(plan: TimerPlan) -> float:
    """Return how many seconds late a slot may be and still be fired."""
    if plan.missed == "none":
        return ON_TIME
    return math.inf if plan.missed_window is None else max(plan.missed_window, ON_TIME)


def _newest(
    next_after: Callable[[datetime], datetime | None], after: datetime, now: datetime, count: int
) -> tuple[list[datetime], int]:
    """Return the slots up to *now*, and how many there are at least: all of few, else the newest *count* and some more.

    A year of seconds is not walked through: the newest are looked for from the end, in the steps the first ones have;
    where that misses them, their beginning is searched by halves.
    """
    most = max(_SPARE * count, _COUNTED)
    slots = _walk(next_after, after, now, most)
    least = len(slots)
    if least <= most:
        return slots, least
    step = (slots[-1] - slots[0]) / most * count
    while now - step > after:
        found = _walk(next_after, now - step, now, most)
        if len(found) > most:
            break
        if len(found) >= count:
            return found, least
        step *= 2
    return _halved(next_after, after, now, count) or slots, least


def _halved(
    next_after: Callable[[datetime], datetime | None], after: datetime, now: datetime, count: int
) -> list[datetime]:
    """Return the newest slots, not more than ``most`` and *count* at least, where they are many and far apart."""
    most = max(_SPARE * count, _COUNTED)
    early, late = after, now
    slots: list[datetime] = []
    while not slots or len(slots) > most:
        middle = early + (late - early) / 2
        if not early < middle < late:
            break
        found = _walk(next_after, middle, now, most)
        if len(found) < count:
            late = middle
        else:
            early, slots = middle, found
    return slots


def _walk(
    next_after: Callable[[datetime], datetime | None], after: datetime, now: datetime, most: int
) -> list[datetime]:
    """Return the slots after *after* up to *now*, and not more than one above *most*."""
    slots: list[datetime] = []
    slot = next_after(after)
    while slot is not None and slot <= now and len(slots) <= most:
        slots.append(slot)
        slot = next_after(slot)
    return slots
