"""A session over a lane of accepted work, with a target that does as it is told and a clock nobody waits for."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.pipeline import WebhookPlan
from engine.runtime.request import Request, Stop
from engine.runtime.runner import Run, Runtime
from engine.store.base import NewEntry

from .rig import Rig

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOOK = WebhookPlan("hook", "/in", frozenset({"POST"}), None)


def body(raw: str, received: datetime = NOON) -> dict[str, Any]:
    """What the listener keeps of a call."""
    return {
        "trigger": "hook", "path": "/in", "method": "POST", "headers": {"x-a": "1"}, "query": {}, "client": None,
        "received": received.isoformat(), "event": None, "media": "json", "raw": raw,
    }  # fmt: skip


@dataclass
class Sessions:
    """Runs sessions of one pipeline over one store."""

    rig: Rig
    slept: list[float] = field(default_factory=list)
    now: datetime = NOON
    runtime: Runtime = field(init=False)

    def __post_init__(self) -> None:
        self.runtime = Runtime(self.rig.store, self.rig.events.append, Path(), random=lambda: 0.5, now=lambda: self.now)

    def pipeline(self, *targets: Any, **more: Any) -> Any:
        return self.rig.pipeline([], targets=targets or None, webhooks=(HOOK,), **more)

    async def accept(self, *records: str, received: datetime = NOON, lane: str = "p/in/0") -> None:
        await self.rig.store.append([NewEntry(lane, body(raw, received)) for raw in records])

    @asynccontextmanager
    async def session(self, pipeline: Any, lane: str = "in/0"):
        """Work the lane while the block goes on, then stop at a batch boundary."""
        stop = Stop("success")
        run = Run(self.runtime, pipeline, Request(trigger="hook", session=lane), stop)
        task = asyncio.create_task(self._quick(run))
        try:
            yield run
        finally:
            stop.set()
            await task

    async def _quick(self, run: Run) -> None:
        await run.execute()

    async def waiting(self, lane: str = "p/in/0") -> int:
        return await self.runtime.entries(lane)

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.rig.events if isinstance(event, kind)]

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


async def until(condition: Any, seconds: float = 5.0) -> None:
    """Return when *condition* (sync or async) holds."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.002)
