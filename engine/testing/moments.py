"""The time of a test: it stands still, and waiting for anything is over at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""What time it is where a test does not say."""
_MOST = 10_000
"""Waits of one test; more are for ever."""

_now: ContextVar[datetime] = ContextVar("now", default=BEGINNING)


class Stuck(Exception):
    """A test cannot go on; the message says why and what to do."""


def now() -> datetime:
    """Return what time it is in the test that runs."""
    return _now.get()


@contextmanager
def standing(moment: datetime) -> Iterator[None]:
    """Let the clock stand at *moment* inside."""
    token = _now.set(moment)
    try:
        yield
    finally:
        _now.reset(token)


def read(text: str, zone: tzinfo) -> datetime:
    """Read a moment as tests write it; without an offset it is one of *zone*."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


@dataclass(slots=True)
class Waits:
    """Monotonic time that only moves when somebody waits."""

    elapsed: float = 0.0
    count: int = 0

    def clock(self) -> float:
        """Return the seconds waited so far."""
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait without waiting. Raises Stuck where it would go on for ever."""
        self.elapsed += max(0.0, seconds)
        self.count += 1
        if self.count > _MOST:
            raise Stuck("it waits again and again, and nothing changes: give it responses that let it go on")
        await asyncio.sleep(0)
