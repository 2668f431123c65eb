"""Asking steps over plain functions, with a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.connector import BaseSource, Context
from engine.errors import RecordError
from engine.pipeline import CallPlan, Frame, LookupPlan
from engine.policy import Resilience, Retry
from engine.record import Batch
from engine.runtime.calls import Calling
from engine.runtime.connections import Line, Shared, Stopped
from engine.runtime.lookups import Looking

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FRAME = Frame({}, {}, {}, {}, NOW, UTC)
QUICK = Resilience(timeout=5, retry=Retry(attempts=3, initial=0.0, jitter="none"))


class Table(BaseSource):
    """Answers what ``bench.answer`` says for the record it is asked about."""

    def __init__(self, context, bench):
        self.context, self.bench = context, bench

    async def read(self, after):
        async def ask():
            return await self.bench.answered(self.context.names)

        rows = await self.context.call(ask)
        yield Batch(rows, [{}] * len(rows))


@dataclass
class Bench:
    answer: Any = lambda record: []
    """record → rows, or an exception to raise."""
    policy: Resilience = QUICK
    asked: list[Any] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    at: float = 1000.0
    before_sleep: Any = lambda: None
    most: int = 0
    """Questions that were under way at the same time."""
    _under_way: int = 0

    async def answered(self, names):
        record = names["record"]
        self.asked.append(record)
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        await asyncio.sleep(0)
        self._under_way -= 1
        result = self.answer(record)
        if isinstance(result, Exception):
            raise result
        return result

    async def sleep(self, seconds):
        self.waits.append(seconds)
        self.before_sleep()
        self.at += seconds

    def line(self, shared=None):
        shared = shared or Shared("shop", None, None, None)
        return Line(shared, self.policy, "p", "r", self.events.append, lambda: 0.0, lambda: self.at, self.sleep)

    def plan(self, **more):
        values = {
            "label": "steps[0].lookup", "connector": "table", "remote": None, "resilience": self.policy,
            "build": lambda context: Table(context, self), "question": lambda names: names["record"]["id"],
            "into": ("found",),
        }  # fmt: skip
        return LookupPlan(**{**values, **more})

    async def look(self, plan, records, metas=None, *, dry=False, mask=lambda record: record):
        """Ask with a step opened anew, as another run does."""
        async with AsyncExitStack() as stack:
            line = self.line()
            context = Context("p", call=line.repeated)
            step = Looking(plan, line, context, stack, mask, dry)
            return await step.ask(records, metas or [{}] * len(records), records, FRAME)

    async def call(self, operation, records, *, mask=lambda record: record, shared=None, policy=None, **more):
        plan = CallPlan(
            **{
                "label": "steps[0].call", "connector": "table", "remote": None, "resilience": self.policy,
                "build": lambda context: operation, "into": ("answer",), **more,
            }
        )  # fmt: skip
        line = replace(self.line(shared), policy=policy or self.policy)
        step = Calling(plan, operation, line, mask, lambda level, code, message: None)
        return await step.ask(records, [{}] * len(records), records, FRAME)


class Doing:
    """An operation that does as it is told: record, number of the try → the answer, or an exception to raise."""

    def __init__(self, act):
        self.act, self.calls = act, []

    async def open(self, stack):
        pass

    async def call(self, names, key):
        self.calls.append((names["record"]["id"], key))
        result = self.act(names["record"], sum(one == self.calls[-1] for one in self.calls))
        if isinstance(result, Exception):
            raise result
        return result

    def show(self, names, key):
        return {"id": names["record"]["id"]}


def key_of(record, meta, given, frame):
    if record.get("id") is None:
        raise RecordError("missing-key", "the key is null", "steps[0].call.key")
    return str(record["id"])


def received(ago: float) -> dict[str, str]:
    """What surrounds a record that was accepted so many seconds ago."""
    return {"received": (NOW - timedelta(seconds=ago)).isoformat()}


def stopped():
    raise Stopped("told to stop")
