"""Opens what a run works with: its source, its targets, and its line to each connection."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

from engine.connector import Context, Source, Target
from engine.pipeline import AskPlan, CallPlan, LookupPlan, Pipeline, Remote, TargetPlan
from engine.policy import Resilience
from engine.runtime.asking import Asked
from engine.runtime.calls import Calling, Showing, calls
from engine.runtime.connections import Borrower, Line, Shared
from engine.runtime.cursor import bind
from engine.runtime.lookups import Looking, Survived
from engine.runtime.position import Position
from engine.runtime.reader import Reader


@dataclass(slots=True)
class Opener:
    """Opens for one run; *line* is the pattern of its lines, *context* that of its contexts."""

    pipeline: Pipeline
    position: Position
    limit: int | None
    connections: Borrower
    line: Line
    context: Context
    stack: AsyncExitStack

    async def source(self) -> Source:
        """Build and open the source. Raises ConnectorError, RecordError."""
        plan = self.pipeline.source
        line = await self._line(plan.remote, plan.resilience)
        cursor = bind(plan.cursor, self.position.cursor) if plan.cursor else None
        names: Mapping[str, Any] = {**self.context.names, "cursor": cursor or {}}
        context = replace(
            self._context(line),
            cursor=cursor,
            cursor_fields=plan.cursor.fields if plan.cursor else (),
            # one more, to learn whether the last one is the last of its cursor value
            limit=self.limit if self.limit is None or not plan.cursor else self.limit + 1,
            names=names,
            call=line.repeated,
        )
        source = plan.build(context)
        await source.open(self.stack)
        return source

    def reader(self, source: Source) -> Reader:
        """Make the reader of an open source."""
        cursor = self.pipeline.source.cursor
        # no more than a write of the smallest target: what is settled may lag behind what was sent by that much
        size = 1 if calls(self.pipeline) else min((plan.batch for plan in self.pipeline.targets), default=100)
        return Reader(source, cursor.fields if cursor else (), self.limit, size)

    async def target(self, plan: TargetPlan) -> tuple[Target, Line]:
        """Build and open a target. Raises ConnectorError."""
        line = await self._line(plan.remote, plan.resilience)
        context = replace(self._context(line), target=plan.id, keyed=plan.key is not None, batched=plan.batched)
        target = plan.build(context)
        await target.open(self.stack)
        return target, line

    async def asked(self, *, dry: bool = False, survived: Survived | None = None) -> dict[str, Asked]:
        """Open every step that asks a remote system, by its label; *dry*: calls are shown, not made.

        *survived* is told before accepted work waits. Raises ConnectorError.
        """
        plans = [stage for stage in self.pipeline.stages if isinstance(stage, LookupPlan | CallPlan)]
        steps = {plan.label: await self.asking(plan, dry=dry) for plan in plans}
        for step in steps.values():
            if isinstance(step, Looking):
                step.survived = survived
        return steps

    async def asking(self, plan: AskPlan, *, dry: bool = False) -> Asked:
        """Build and open one of them. Raises ConnectorError."""
        line = await self._line(plan.remote, plan.resilience)
        context = replace(self._context(line), target=plan.label)
        if isinstance(plan, LookupPlan):
            return Looking(plan, line, replace(context, call=line.repeated), self.stack, self.pipeline.mask, dry)
        operation = plan.build(replace(context, keyed=plan.key is not None))
        if dry:
            return Showing(plan, operation, self.pipeline.mask)
        await operation.open(self.stack)
        return Calling(plan, operation, line, self.pipeline.mask, context.note)

    async def _line(self, remote: Remote | None, policy: Resilience) -> Line:
        shared = await self.connections.get(remote) if remote else Shared(self.pipeline.name, None, None, None)
        return replace(self.line, shared=shared, policy=policy)

    def _context(self, line: Line) -> Context:
        client, timeout = line.shared.client, line.policy.timeout
        return replace(self.context, pipeline=self.pipeline.name, connection=client, timeout=timeout)
