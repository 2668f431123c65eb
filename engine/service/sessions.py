"""A session: one lane of accepted work, worked until it is told to stop, and taken up again when it fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from engine.errors import Misconfigured, StoreFailed
from engine.events import LaneHeld
from engine.ids import new_id
from engine.pipeline import Pipeline
from engine.runtime.position import Busy
from engine.runtime.request import Request, Stop
from engine.runtime.runner import Run, Runtime
from engine.runtime.tally import Tally, explain

SHORTEST, LONGEST = 0.5, 30.0
"""Seconds before a session that failed is begun again: doubled each time."""
MENDING = 300.0
"""The longest where people must mend something; a change of the files begins it again at once."""


@dataclass(slots=True)
class Session:
    """Works one lane with one revision of its pipeline."""

    runtime: Runtime
    pipeline: Pipeline
    lane: str
    """Behind the pipeline's name: ``in/0``, ``out/TARGET``."""
    stop: Stop = field(default_factory=lambda: Stop("success"))
    id: str = field(default_factory=new_id)
    """Of its run: the same one however often it is begun again."""
    tally: Tally = field(default_factory=Tally)
    error: Exception | None = None
    """Why it does not go on now."""

    async def work(self) -> None:
        """Work until stopped. Raises Busy, StoreFailed, CancelledError."""
        failures = 0
        while not self.stop.is_set():
            await self._count()
            run = Run(self.runtime, self.pipeline, self._request(), self.stop, id=self.id, tally=self.tally)
            sent = sum(self.tally.sent.values())
            try:
                await run.execute()
                self.error = run.error
            except (Busy, StoreFailed, asyncio.CancelledError):
                raise
            except Exception as error:  # one lane's trouble is not the others'; it is told, and tried again
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise asyncio.CancelledError from error  # its last words failed; it ends all the same
                self.error = error
            if self.stop.is_set():
                return
            failures = 0 if sum(self.tally.sent.values()) > sent else failures + 1
            if self.error is not None:
                self._tell(self.error)
            await self._pause(min(SHORTEST * 2.0 ** min(failures, 20), self._longest()))

    def _request(self) -> Request:
        trigger = self.pipeline.webhooks[0].id if len(self.pipeline.webhooks) == 1 else "webhook"
        return Request(trigger=trigger, session=self.lane, around={"type": "webhook"})

    def _longest(self) -> float:
        return MENDING if isinstance(self.error, Misconfigured) else LONGEST

    async def _count(self) -> None:
        """Learn how much output is parked for the targets."""
        if self.lane.startswith("out/"):
            return
        waiting = set(await self.runtime.store.waiting())
        for plan in self.pipeline.targets:
            parking = self.runtime.parking(f"{self.pipeline.name}/out/{plan.id}")
            parking.pending = 0
            if parking.lane not in waiting:
                parking.stored = 0
            elif not parking.stored:
                parking.stored = await self.runtime.entries(parking.lane)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stop.wait()
        except TimeoutError:
            return

    def _tell(self, error: Exception) -> None:
        told = explain(error, self.runtime.redact)
        lane = f"{self.pipeline.name}/{self.lane}"
        if self.runtime.held.get(lane) == told["code"]:
            return
        self.runtime.held[lane] = told["code"]
        self.runtime.emit(LaneHeld(self.pipeline.name, self.id, lane, told["code"], told["message"], told["where"]))
