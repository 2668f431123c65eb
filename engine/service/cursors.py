"""Moves a pipeline's cursor by hand, under the lane's lease, so that no run moves it meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.errors import Unavailable
from engine.ids import new_id
from engine.store.base import LogLine, Page, Settlement, Store, Where
from engine.telemetry.words import position as position_text

_TTL = 30.0

Values = Mapping[str, Any] | None


class Move(NamedTuple):
    """A cursor's move: from what its owner saw, to where it shall stand; None is the beginning."""

    pipeline: str
    before: Values
    after: Values
    by: str
    """Who does it, for the log."""


def lane_of(pipeline: str) -> str:
    """Name the lane that holds a pipeline's position."""
    return f"{pipeline}/cursor"


async def stands(store: Store, pipeline: str) -> Mapping[str, Any]:
    """Return what the lane holds, without taking it: ``cursor``, ``source``, ``targets``."""
    lane = lane_of(pipeline)
    rows, _ = await store.find("lanes", Where(lane=lane), Page(1))
    return next((row.checkpoint or {} for row in rows if row.lane == lane), {})


async def put(store: Store, move: Move) -> None:
    """Move it. Raises Unavailable while a run has the lane, or when the cursor is no more where it was seen."""
    lane = lane_of(move.pipeline)
    leases = await store.acquire(lane, 1, _TTL)
    try:
        held = next((lease for lease in leases if lease.lane == lane), None)
        if held is None:
            raise Unavailable(f"{move.pipeline} is running, or was until a moment ago; try again when it has ended")
        stored = (await store.load(held)).checkpoint or {}
        if stored.get("cursor") != move.before:
            raise Unavailable(f"the cursor of {move.pipeline} moved meanwhile; look again and repeat")
        rest = {part: value for part, value in stored.items() if part == "targets"}
        checkpoint = {**rest, "cursor": move.after} if move.after is not None else rest or None
        also = [(held, None)] if checkpoint is None else []
        await store.settle(Settlement(new_id(), held, checkpoint, also=also, logs=[_audit(lane, move)]))
    finally:
        await store.release(leases)


def _audit(lane: str, move: Move) -> LogLine:
    """Say who moved the cursor; kept as the log of the lane, as long as logs are."""
    came, goes = (position_text(values) if values else "the beginning" for values in (move.before, move.after))
    return LogLine(lane, "", "info", "cursor", f"moved by hand from {came} to {goes}, by {move.by}")
