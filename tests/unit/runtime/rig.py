"""A pipeline of plain functions over lists, and a target that does as it is told: the runtime without YAML."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.connector import BaseSource, BaseTarget
from engine.errors import RecordError
from engine.pipeline import CursorPlan, Pipeline, SourcePlan, TargetPlan
from engine.policy import Resilience, Retry
from engine.record import TAKEN, Batch, Emission, Failure, Outgoing, Receipt
from engine.runtime.request import Request, RunResult
from engine.runtime.runner import Runtime

QUICK = Resilience(timeout=5, retry=Retry(attempts=3, initial=0.0, jitter="none"))


class ListSource(BaseSource):
    """Reads a list, newer than the cursor, in batches."""

    def __init__(self, context, rows, size=10, before: Callable[[int], Any] | None = None):
        self.context, self.rows, self.size, self.before = context, rows, size, before

    async def read(self, after):
        rows = self.rows
        if self.context.cursor:
            low = tuple(self.context.cursor[f] for f in self.context.cursor_fields)
            rows = [row for row in rows if tuple(row[f] for f in self.context.cursor_fields) > low]
        start = after["offset"] if after else 0
        for at in range(start, len(rows), self.size):
            if self.before:
                await self.before(at)
            part = rows[at : at + self.size]
            checkpoint = None if self.context.cursor_fields else {"offset": at + len(part)}
            yield Batch(part, [{}] * len(part), checkpoint)


Script = Callable[[int, Outgoing], Any]


class ScriptedTarget(BaseTarget):
    """Keeps what it takes; *script* (call number, load) may return a Receipt or an exception to raise, or wait."""

    def __init__(self, context, kept: list[Any], script: Script | None = None, **traits: Any):
        self.context, self.kept, self.script = context, kept, script
        self.calls = itertools.count(1)
        for name, value in traits.items():
            setattr(self, name, value)

    async def write(self, load):
        receipt = TAKEN
        if self.script is not None:
            result = self.script(next(self.calls), load)
            if asyncio.iscoroutine(result):
                result = await result
            if isinstance(result, Exception):
                raise result
            receipt = result or TAKEN
        gone = {*receipt.rejected, *receipt.retry, *receipt.uncertain}
        self.kept += [record for index, record in enumerate(load.records) if index not in gone]
        return receipt


@dataclass
class Each:
    """A stage from a function: record → records, None to drop; RecordError fails it."""

    work: Callable[[Any], Sequence[Any] | None]
    label: str = "steps[0]"

    def apply(self, records, metas, inputs, frame):
        out, origin, failed, dropped = [], [], {}, {}
        for index, record in enumerate(records):
            try:
                made = self.work(record)
            except RecordError as error:
                failed[index] = Failure(error.code, error.message, error.where)
                continue
            if made is None:
                dropped[self.label] = dropped.get(self.label, 0) + 1
                continue
            out += made
            origin += [index] * len(made)
        return Emission(out, origin, failed, dropped)


@dataclass
class Rig:
    """Builds pipelines and runs them against one store."""

    store: Any
    events: list[Any] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)
    settling: bool = True

    def pipeline(self, rows, *, cursor=(), stages=(), targets=None, reset=False, **more) -> Pipeline:
        plan = None
        if cursor:
            wants = (lambda names: bool(names["params"].get("full"))) if reset else (lambda names: False)
            plan = CursorPlan(tuple(cursor), dict.fromkeys(cursor, -1), None, False, wants)
        size, before = more.pop("size", 10), more.pop("before", None)
        source = SourcePlan("list", None, lambda c: ListSource(c, rows, size, before), plan, QUICK)
        values = {
            "name": "p", "fingerprint": "f1", "source": source, "stages": tuple(stages),
            "targets": tuple(targets or (self.target(),)), "timezone": UTC, "params": {},
            "check_params": lambda given: given, "mask": lambda record: record,
            "mask_sent": lambda target, record: record, **more,
        }  # fmt: skip
        return Pipeline(**values)

    def target(self, script: Script | None = None, *, name="out", key="id", batch=10, kept=None, **more) -> TargetPlan:
        traits = more.pop("traits", {})
        keep = self.kept if kept is None else kept

        def key_of(record, meta, source, frame):
            if record.get(key) is None:
                raise RecordError("missing-key", "the key is null", "target.key")
            return str(record[key])

        values = {
            "connector": "scripted", "remote": None, "when": None, "stage": None, "batched": True, "wait": None,
            "resilience": QUICK, "on_rejected": "dead_letter",
            "build": lambda context: ScriptedTarget(context, keep, script, **traits), **more,
        }  # fmt: skip
        return TargetPlan(id=name, key=key_of if key else None, batch=batch, **values)

    async def run(self, pipeline: Pipeline, stop: asyncio.Event | None = None, **request: Any) -> RunResult:
        runtime = Runtime(
            self.store, self.events.append, Path(), random=lambda: 0.5, now=lambda: datetime(2026, 1, 1, tzinfo=UTC)
        )
        runtime.settling = self.settling
        return await runtime.run(pipeline, Request(**request), stop or asyncio.Event())


@asynccontextmanager
async def rig(make_store: Callable[[], Any]):
    """Open a store and give a rig over it."""
    async with AsyncExitStack() as stack:
        store = make_store()
        await store.open(stack, "test")
        yield Rig(store)


def rows(count: int, **more: Any) -> list[dict[str, Any]]:
    """Rows with ascending ids."""
    return [{"id": index, **more} for index in range(count)]


def receipt(**more: Any) -> Receipt:
    """A receipt by keywords."""
    return Receipt(**more)
