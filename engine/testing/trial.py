"""One run of a pipeline on the bench, and the store that such a run works with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import RecordError
from engine.pipeline import Pipeline
from engine.runtime.request import Request, Stop
from engine.runtime.runner import Run, Runtime
from engine.runtime.tally import Tally
from engine.service.firing import Firing
from engine.store.base import Page, Settlement, Where
from engine.store.memory import MemoryStore
from engine.testing.moments import Waits, now
from engine.testing.outcome import Outcome

RUN = "test-run"
TTL = 3600.0
_PAGE = Page(10_000)


class Shelf(MemoryStore):
    """A store in memory that ends whoever waits for more work: in a test no more comes."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: now().timestamp())
        self.drained = asyncio.Event()

    async def wait(self, prefix: str, timeout: float) -> None:
        """End the waiting for a lane that is empty."""
        if not any(lane.startswith(prefix) for lane in await self.waiting()):
            self.drained.set()
        await asyncio.sleep(0)


@dataclass(slots=True)
class Heard(Tally):
    """Counts, and keeps each rejection."""

    rejected_each: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, code: str, message: str, kept: bool) -> None:
        """Keep it, and count it."""
        self.rejected_each.append({"code": code, "reason": message})
        Tally.refuse(self, code, message, kept)


@dataclass(slots=True)
class Trial(Run):
    """A run that never waits."""

    waits: Waits = field(default_factory=Waits)

    async def sleep(self, seconds: float) -> None:
        """Wait without waiting. Raises Stopped, Stuck."""
        await self.waits.sleep(seconds)


@dataclass(slots=True)
class Stage:
    """Where trials of one test are made."""

    runtime: Runtime
    store: Shelf
    pipeline: Pipeline
    waits: Waits

    async def stand(self, cursor: Mapping[str, Any]) -> None:
        """Let the pipeline's cursor stand at *cursor*."""
        (lease,) = await self.store.acquire(f"{self.pipeline.name}/cursor", 1, TTL)
        await self.store.settle(Settlement("begin", lease, {"cursor": dict(cursor)}))
        await self.store.release([lease])

    async def run(self, request: Request, outcome: Outcome) -> None:
        """Run once, from the source. Raises DefinitionError for params that do not fit."""
        params = self.pipeline.check_params(request.params)
        await self._execute(request.with_params(params), asyncio.Event(), outcome)

    async def fired(self, outcome: Outcome) -> None:
        """Run what a call fired."""
        for lease in await self.store.acquire(f"{self.pipeline.name}/fire", 1, TTL):
            for entry in await self.store.fetch(lease, 1, 1 << 30):
                one = Firing.read(entry)
                around = {**one.around, "type": one.kind, "slot": one.slot}
                await self.run(Request(one.params, trigger=one.trigger, around=around), outcome)
            await self.store.release([lease])

    async def accepted(self, trigger: str, outcome: Outcome) -> None:
        """Work what a call brought, to the end of the lane."""
        request = Request(trigger=trigger, session="in/0", around={"type": "webhook"})
        stop = Stop("success")
        self.store.drained = stop
        await self._execute(request, stop, outcome)

    async def _execute(self, request: Request, stop: asyncio.Event, outcome: Outcome) -> None:
        heard = Heard()
        run = Trial(self.runtime, self.pipeline, request, stop, id=RUN, tally=heard, waits=self.waits)
        result = await run.execute()
        summary = result.summary
        outcome.status, outcome.error, outcome.cursor = summary["status"], summary["error"], summary["cursor"]
        outcome.read, outcome.dropped = outcome.read + heard.read, dict(heard.dropped)
        outcome.rejected += await self._letters(heard)

    async def _letters(self, heard: Heard) -> list[dict[str, Any]]:
        """Complete what was heard by what the dead letters know."""
        found, _ = await self.store.find("dead", Where(pipeline=self.pipeline.name), _PAGE)
        letters = list(reversed(found))
        for one in heard.rejected_each:
            same = next(
                (at for at, dead in enumerate(letters) if (dead.code, dead.message) == tuple(one.values())), None
            )
            if same is None:
                continue
            dead = letters.pop(same)
            one |= {"record": dead.record, "where": dead.where} | ({"target": dead.target} if dead.target else {})
        return heard.rejected_each


def request_of(pipeline: Pipeline, body: Mapping[str, Any]) -> Request:
    """Return what starts the run of a test: by hand, or as one of the pipeline's triggers does it.

    Raises RecordError, DefinitionError where the trigger's params cannot be made.
    """
    given = body.get("trigger")
    params = dict(body.get("params") or {})
    if given is None:
        return Request(params)
    name, around = (given["id"], dict(given)) if isinstance(given, Mapping) else (given, {})
    kinds = [("after", one) for one in pipeline.after] + [("file", one) for one in pipeline.files]
    timers = [(one.kind, one) for one in pipeline.timers]
    kind, plan = next(((kind, one) for kind, one in [*timers, *kinds] if one.id == name), ("webhook", None))
    if plan is None:
        raise RecordError(
            "unknown-trigger", f"the trigger '{name}' is a webhook: write webhook: {{body: …}}", "trigger"
        )
    slot = now().isoformat() if kind in ("cron", "every") else None
    names = {"params": {}, **around, "id": name, "type": kind, "slot": slot}
    made = dict(plan.params({"trigger": names}))
    around = {key: value for key, value in names.items() if key not in ("id", "params")}
    return Request({**made, **params}, trigger=name, around=around)
