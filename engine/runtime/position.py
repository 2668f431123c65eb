"""Which lane a run works, and where it begins: the pipeline's cursor, a reset's own position, or the replay lane."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine import codec
from engine.errors import LeaseLost, Unavailable
from engine.pipeline import Pipeline
from engine.record import Checkpoint
from engine.runtime.cursor import later
from engine.runtime.request import Request
from engine.store.base import Lease, Store, Where

TTL = 30.0
"""Seconds a lane is held without a sign of life."""


@dataclass(slots=True)
class Position:
    """A lane and what is known of it."""

    lane: str
    reset: bool = False
    replay: bool = False
    checkpoint: Mapping[str, Any] | None = None
    lease: Lease | None = None

    @property
    def cursor(self) -> Mapping[str, Any] | None:
        """The stored cursor values by field."""
        return (self.checkpoint or {}).get("cursor")

    @property
    def source(self) -> Checkpoint | None:
        """The source's own checkpoint, left by a run that did not end."""
        return (self.checkpoint or {}).get("source")

    def progress(self, target: str) -> Checkpoint | None:
        """Where a target stood at the last settlement."""
        found: Checkpoint | None = (self.checkpoint or {}).get("targets", {}).get(target)
        return found

    @property
    def held(self) -> Lease:
        """The lease of a lane that was taken."""
        assert self.lease is not None
        return self.lease


def choose(pipeline: Pipeline, request: Request, names: Mapping[str, Any]) -> Position:
    """Return the lane *request* works. Raises RecordError when ``cursor.reset`` cannot be told."""
    if request.replay:
        return Position(f"{pipeline.name}/in/replay", replay=True)
    cursor = pipeline.source.cursor
    if cursor is not None and cursor.reset(names):
        same = codec.encode([pipeline.fingerprint, dict(sorted(request.params.items()))])
        return Position(f"{pipeline.name}/reset/{hashlib.sha256(same.encode()).hexdigest()[:16]}", reset=True)
    return Position(f"{pipeline.name}/cursor")


async def take(store: Store, position: Position) -> None:
    """Take the lane and learn where it stands. Raises Unavailable when another run has it."""
    leases = await store.acquire(position.lane, 1, TTL)
    if [lease.lane for lease in leases] != [position.lane]:
        await store.release(leases)
        raise Unavailable(f"{position.lane.split('/')[0]} is running already; wait for that run, or cancel it")
    position.lease = leases[0]
    position.checkpoint = (await store.load(leases[0])).checkpoint


async def peek(store: Store, position: Position) -> None:
    """Learn where the lane stands without taking it."""
    rows, _ = await store.find("lanes", Where(lane=position.lane))
    position.checkpoint = rows[0].checkpoint if rows else None


async def renew(store: Store, position: Position) -> None:
    """Keep the lane until cancelled. Raises LeaseLost when another has it."""
    while True:
        await asyncio.sleep(TTL / 3)
        if not await store.renew([position.held], TTL):
            raise LeaseLost(f"{position.lane} was taken over by another process")


async def advance(store: Store, pipeline: Pipeline, own: Mapping[str, Any] | None) -> tuple[Lease, Checkpoint | None]:
    """Take the pipeline's cursor lane after a complete reset, and give where it shall stand: it only moves forward."""
    main = Position(f"{pipeline.name}/cursor")
    await take(store, main)
    plan = pipeline.source.cursor
    forward = plan is not None and later(own, main.cursor, plan.fields)
    return main.held, {"cursor": own} if forward else main.checkpoint
