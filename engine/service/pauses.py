"""Pipelines that people paused: kept in the store with who and when, until somebody resumes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from engine.errors import Unavailable
from engine.ids import new_id
from engine.store.base import Lease, LogLine, Page, Settlement, Store, Where

_PREFIX = "*/paused/"
_TTL = 30.0
_PAGE = 500


async def pause(store: Store, name: str, by: str, at: str) -> None:
    """Pause *name*; *at* is ISO 8601 in UTC. One that is paused already stays as it was.

    Raises Unavailable when somebody changes it at the same moment.
    """
    async with _held(store, name) as lease:
        if (await store.load(lease)).checkpoint:
            return
        told = LogLine(lease.lane, "", "info", "paused", f"paused by {by}")
        await store.settle(Settlement(new_id(), lease, {"by": by, "at": at}, logs=[told]))


async def resume(store: Store, name: str, by: str = "") -> None:
    """Undo ``pause``; one that is not paused stays so. Raises Unavailable as ``pause`` does."""
    async with _held(store, name) as lease:
        if not (await store.load(lease)).checkpoint:
            return
        told = LogLine(lease.lane, "", "info", "resumed", f"resumed by {by}" if by else "resumed")
        await store.settle(Settlement(new_id(), lease, also=[(lease, None)], logs=[told]))


async def paused(store: Store) -> Mapping[str, Mapping[str, Any]]:
    """Return the paused pipelines, each with ``by`` and ``at``."""
    found: dict[str, Mapping[str, Any]] = {}
    after: str | None = None
    while True:
        rows, after = await store.find("lanes", Where(pipeline="*"), Page(_PAGE, after))
        for row in rows:
            if row.lane.startswith(_PREFIX) and row.checkpoint:
                found[row.lane.removeprefix(_PREFIX)] = row.checkpoint
        if after is None:
            return found


@asynccontextmanager
async def _held(store: Store, name: str) -> AsyncIterator[Lease]:
    lane = f"{_PREFIX}{name}"
    leases = await store.acquire(lane, 1, _TTL)
    try:
        if [lease.lane for lease in leases] != [lane]:
            raise Unavailable(f"{name} is being paused or resumed by somebody else at this moment; look, and try again")
        yield leases[0]
    finally:
        await store.release(leases)
