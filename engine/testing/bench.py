"""A pipeline on the bench: the compiled one, its source replaced by records, its targets watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from engine.compiler.registry import connector
from engine.connector import BaseSource, BaseTarget, Context, Target
from engine.pipeline import CallPlan, LookupPlan, Pipeline, Remote, SourcePlan, TargetPlan
from engine.record import NO_META, TAKEN, Batch, Checkpoint, Outgoing, Receipt
from engine.testing.moments import Stuck
from engine.testing.peers import lenient

PARAMS = "params"
"""The source of a pipeline without one: pure."""


@dataclass(slots=True)
class Sent:
    """What targets took, and what they were given."""

    taken: dict[str, list[Any]] = field(default_factory=dict)
    """By target, in order."""
    refused: set[str] = field(default_factory=set)
    """Targets that refused a record."""
    failed: set[str] = field(default_factory=set)
    """Targets of which a write raised something."""


class Records(BaseSource):
    """The records of a test."""

    def __init__(self, records: Sequence[Any]) -> None:
        self._records = records

    async def read(self, after: Checkpoint | None) -> AsyncIterator[Batch]:
        """Yield them all."""
        records, metas = [], []
        for one in self._records:
            whole = isinstance(one, Mapping) and "$record" in one and set(one) <= {"$record", "$meta"}
            records.append(one["$record"] if whole else one)
            metas.append((one.get("$meta") or {}) if whole else NO_META)
        if records:
            yield Batch(records, metas, {"row": len(records)})


class Sink(BaseTarget):
    """Takes everything: what stands for a target whose connector knows no tests."""

    async def write(self, load: Outgoing) -> Receipt:
        """Take it."""
        return TAKEN


class Watched(BaseTarget):
    """A target, and a note of what it took."""

    def __init__(self, inner: Target, name: str, sent: Sent) -> None:
        self._inner, self._name, self._sent = inner, name, sent
        self.atomic = inner.atomic

    async def open(self, stack: AsyncExitStack) -> None:
        """Open it."""
        await self._inner.open(stack)

    async def write(self, load: Outgoing) -> Receipt:
        """Write, and keep what was taken."""
        try:
            with lenient():
                receipt = await self._inner.write(load)
        except Exception:
            self._sent.failed.add(self._name)
            raise
        others = {*receipt.rejected, *receipt.retry, *receipt.uncertain}
        if receipt.rejected:
            self._sent.refused.add(self._name)
        taken = self._sent.taken.setdefault(self._name, [])
        taken += [record for index, record in enumerate(load.records) if index not in others]
        return receipt

    async def flush(self) -> None:
        """Make it durable."""
        await self._inner.flush()

    async def finish(self) -> None:
        """Make it visible."""
        await self._inner.finish()


@dataclass(frozen=True, slots=True)
class Bench:
    """What a test has in place of the world."""

    records: Sequence[Any] | None
    databases: Mapping[str, str]
    """Connections with a database of their own: its address."""
    sent: Sent
    accepted: bool = False
    """The records come by webhook: nobody waits for company."""

    def pipeline(self, real: Pipeline) -> Pipeline:
        """Return *real* on this bench. Raises Stuck where something of it cannot be tested."""
        return replace(
            real,
            source=self._source(real.source),
            stages=tuple(self._asking(one) if isinstance(one, LookupPlan | CallPlan) else one for one in real.stages),
            targets=tuple(self._target(plan) for plan in real.targets),
            time_limit=None,
        )

    def _source(self, plan: SourcePlan) -> SourcePlan:
        if self.records is not None:
            records = self.records
            cursor = plan.cursor
            if cursor is not None and records and not any(_has(one, cursor.fields) for one in records):
                cursor = None  # a test of the mapping need not say where each record stands
            return SourcePlan("records", None, lambda context: Records(records), cursor, plan.resilience)
        if plan.connector == PARAMS or self.accepted:
            return plan
        if not connector(plan.connector).replaceable:
            raise Stuck(f"the source is of the connector '{plan.connector}', which tests do not run: give records:")
        return replace(plan, remote=self._remote(plan.remote), build=self._built(plan.build, plan.remote))

    def _asking(self, plan: LookupPlan | CallPlan) -> LookupPlan | CallPlan:
        if not connector(plan.connector).replaceable:
            raise Stuck(f"{plan.label} asks the connector '{plan.connector}', which tests do not run")
        # a plan of its own: what a lookup remembers is not for other tests
        return replace(plan, remote=self._remote(plan.remote), build=self._built(plan.build, plan.remote))

    def _target(self, plan: TargetPlan) -> TargetPlan:
        sent = self.sent
        wait = 0.0 if self.accepted else plan.wait
        if not connector(plan.connector).replaceable:
            return replace(plan, remote=None, wait=wait, build=lambda _: Watched(Sink(), plan.id, sent))
        build = self._built(plan.build, plan.remote)
        made = replace(plan, remote=self._remote(plan.remote), wait=wait)
        return replace(made, build=lambda context: Watched(build(context), plan.id, sent))

    def _remote(self, remote: Remote | None) -> Remote | None:
        if remote is None or remote.build is None:
            return remote
        address = self.databases.get(remote.name)
        if address is None:
            return remote
        made = connector("sql").connection
        assert made is not None
        return replace(remote, build=lambda context: made(replace(context, exchange=None), url=address))

    def _built(self, build: Any, remote: Remote | None) -> Any:
        if remote is None or remote.name not in self.databases:
            return build

        def made(context: Context) -> Any:
            context.exchange = None  # not of a copy: who asks for each record puts it into this very context
            return build(context)

        return made


def _has(record: Any, fields: Sequence[str]) -> bool:
    whole = record.get("$record", record) if isinstance(record, Mapping) else record
    return isinstance(whole, Mapping) and any(field in whole for field in fields)
