"""Which lane a run works, and where it begins: the pipeline's cursor, a reset's own position, or the replay lane.

A lane beside it, ``NAME/targets``, holds where the targets that rewind stood: whatever lane a run works, it first
undoes what an interrupted one left in them unsettled, and it does not undo what another lane's run settled.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine import codec
from engine.connector import Target
from engine.errors import LeaseLost, Misconfigured, StoreFull, Unavailable
from engine.pipeline import Pipeline
from engine.record import Checkpoint
from engine.runtime.cursor import later
from engine.runtime.request import Request
from engine.store.base import Lease, Store, Where

TTL = 30.0
"""Seconds a lane is held without a sign of life."""


class Busy(Unavailable):
    """Another worker of the pipeline has the lane now: nothing began, and that passes."""

    def __init__(self, lane: str) -> None:
        super().__init__(f"{lane.split('/')[0]} is running already; wait for that run, or cancel it")
        self.lane = lane


@dataclass(slots=True)
class Position:
    """A lane and what is known of it."""

    lane: str
    reset: bool = False
    replay: bool = False
    """Its entries go in again where they stood."""
    follows: bool = False
    """Accepted work: the lane has no end, and nothing in it fails for want of a target."""
    restarts: int = 0
    """Owners in a row that died with the lane."""
    same: str | None = None
    """Marks a source's own checkpoint: a run with other params reads something else, and does not continue it."""
    checkpoint: Mapping[str, Any] | None = None
    lease: Lease | None = None
    beside: Lease | None = None
    """Of the lane of ``places``."""
    places: Mapping[str, Checkpoint | None] = field(default_factory=dict)
    """Where the targets that rewind stood at the last settlement."""

    @property
    def cursor(self) -> Mapping[str, Any] | None:
        """The stored cursor values by field."""
        return (self.checkpoint or {}).get("cursor")

    @property
    def source(self) -> Checkpoint | None:
        """The source's own checkpoint, left by a run that did not end."""
        found = self.checkpoint or {}
        return found.get("source") if found.get("params") == self.same else None

    @property
    def lane_only(self) -> bool:
        """Tell whether the records come from the lane, not from the source."""
        return self.replay or self.follows

    @property
    def parked(self) -> bool:
        """Tell whether the lane holds output that waits for one target."""
        return self.replay and self.follows

    @property
    def held(self) -> Lease:
        """The lease of a lane that was taken."""
        assert self.lease is not None
        return self.lease

    @property
    def leases(self) -> list[Lease]:
        """All that were taken."""
        return [lease for lease in (self.lease, self.beside) if lease is not None]


def choose(pipeline: Pipeline, request: Request, names: Mapping[str, Any]) -> Position:
    """Return the lane *request* works. Raises RecordError when ``cursor.reset`` cannot be told."""
    if request.session is not None:
        return Position(f"{pipeline.name}/{request.session}", replay=request.session.startswith("out/"), follows=True)
    if request.apart is not None:
        return Position(f"{pipeline.name}/apart/{request.apart}", same=_input(request) or _hash(request.params))
    if request.replay:
        return Position(f"{pipeline.name}/in/replay", replay=True)
    cursor = pipeline.source.cursor
    if cursor is not None and cursor.reset(names):
        return Position(f"{pipeline.name}/reset/{_hash(pipeline.fingerprint, request.params)}", reset=True)
    return Position(f"{pipeline.name}/cursor", same=_input(request))


def _input(request: Request) -> str | None:
    """Mark what a run reads: its params, and the file that started it."""
    if request.around.get("type") == "file":
        return _hash(request.params, {"path": request.around["path"], "version": request.around["version"]})
    return _hash(request.params) if request.params else None


def _hash(*parts: Any) -> str:
    plain = [dict(sorted(part.items())) if isinstance(part, Mapping) else part for part in parts]
    return hashlib.sha256(codec.encode(plain).encode()).hexdigest()[:16]


async def take(store: Store, position: Position) -> None:
    """Take the lane and learn where it stands. Raises Busy when another run has it."""
    position.lease = await _acquire(store, position.lane)
    try:
        found = await store.load(position.lease)
    except BaseException:
        await store.release([position.lease])  # else its next owner would think that this one died
        raise
    position.checkpoint, position.restarts = found.checkpoint, found.restarts


async def _acquire(store: Store, lane: str) -> Lease:
    leases = await store.acquire(lane, 1, TTL)
    if [lease.lane for lease in leases] != [lane]:
        await store.release(leases)
        raise Busy(lane)
    return leases[0]


async def resume(store: Store, position: Position, targets: Mapping[str, Target]) -> None:
    """Bring every target to where it was left. Raises ConnectorError, Busy."""
    if position.replay and not position.parked:
        _refuse_replacing(targets)
    if any(target.rewinds for target in targets.values()):
        position.beside = await _acquire(store, f"{position.lane.split('/')[0]}/targets")
        position.places = (await store.load(position.beside)).checkpoint or {}
    for name, target in targets.items():
        await target.resume(position.places.get(name))


async def peek(store: Store, position: Position) -> None:
    """Learn where the lane stands without taking it."""
    rows, _ = await store.find("lanes", Where(lane=position.lane))
    position.checkpoint = rows[0].checkpoint if rows else None


async def renew(store: Store, position: Position) -> None:
    """Keep the lane until cancelled. Raises LeaseLost when another has it."""
    while True:
        await asyncio.sleep(TTL / 3)
        try:
            held = await store.renew(position.leases, TTL)
        except StoreFull:
            continue  # a lease that expired and that nobody took still settles, and is renewed when there is room
        if len(held) < len(position.leases):
            raise LeaseLost(f"{position.lane} was taken over by another process")


async def leave(
    store: Store, pipeline: Pipeline, position: Position, checkpoint: Checkpoint, whole: bool
) -> dict[Lease, Checkpoint | None]:
    """Give what a complete run leaves in its lanes; a lease it took for that is to be released. *whole*: no limit.

    Raises Unavailable when a reset has to move the cursor and another run holds it.
    """
    # what others do to a file from here on is none of this pipeline's business
    left: dict[Lease, Checkpoint | None] = {} if position.beside is None else {position.beside: None}
    if position.reset:
        if whole and "cursor" in checkpoint:
            left |= [await _advance(store, pipeline, checkpoint["cursor"])]
        left[position.held] = None
    elif pipeline.source.cursor is None and not position.replay:
        # the source was read to its end: the next run begins anew
        left[position.held] = None
    return left


async def _advance(store: Store, pipeline: Pipeline, own: Mapping[str, Any]) -> tuple[Lease, Checkpoint | None]:
    """Take the pipeline's cursor lane after a complete reset, and give where it shall stand: it only moves forward."""
    main = Position(f"{pipeline.name}/cursor")
    await take(store, main)
    plan = pipeline.source.cursor
    forward = plan is not None and later(own, main.cursor, plan.fields)
    return main.held, {"cursor": own} if forward else main.checkpoint


def _refuse_replacing(targets: Mapping[str, Target]) -> None:
    """Raise Misconfigured where a replay would leave only the replayed records of what a whole run wrote."""
    for name, target in targets.items():
        if target.at_end:
            raise Misconfigured(
                f"{name} is written anew by every run: a replay would leave nothing but the replayed records in it; "
                "run the whole pipeline again, or let the target append"
            )
