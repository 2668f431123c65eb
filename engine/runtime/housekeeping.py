"""What history is kept, and for how long. Open dead letters are work to be done: time alone never removes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from engine.store.base import Store

KEPT: Mapping[str, float] = {"runs": 30 * 86400.0, "logs": 14 * 86400.0, "dead": 90 * 86400.0, "dedupe": 7 * 86400.0}
"""Seconds by kind of row, where ``retention`` of engine.yaml is silent."""

STEP = 1000
"""Rows removed at once, so that nothing waits long for the writer."""


def limits(retention: Mapping[str, float], now: datetime) -> dict[str, str]:
    """Return the time before which rows of each kind go; *retention* in seconds, by kind."""
    kept = {**KEPT, **retention}
    return {kind: _before(now, seconds) for kind, seconds in kept.items()}


def _before(now: datetime, seconds: float) -> str:
    return (now.astimezone(UTC) - timedelta(seconds=seconds)).isoformat(timespec="microseconds")


async def tidy(store: Store, older: Mapping[str, str], steps: int = 20) -> int:
    """Remove old rows in small steps, at most *steps* of them; return how many went."""
    gone = 0
    for _ in range(steps):
        removed = await store.purge(older, STEP)
        gone += removed
        if removed < STEP:
            break
    return gone
