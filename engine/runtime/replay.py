"""Reads the entries of a replay lane as chunks that enter where they failed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from itertools import groupby

from engine.runtime.reader import Chunk
from engine.store.base import Entry, Lease, Store

AT_ONCE = 100
MOST_BYTES = 1 << 20


async def replayed(store: Store, lease: Lease, limit: int | None = None) -> AsyncGenerator[Chunk, None]:
    """Yield what waits in the lane, oldest first, neighbours with one way in together."""
    sequence = 0
    left = limit
    while left is None or left > 0:
        entries = await store.fetch(lease, AT_ONCE if left is None else min(AT_ONCE, left), MOST_BYTES)
        if not entries:
            return
        if left is not None:
            left -= len(entries)
        for (enter, target), group in groupby(entries, key=_way):
            yield _chunk(sequence, list(group), enter, target)
            sequence += 1


def _way(entry: Entry) -> tuple[str, str | None]:
    return entry.body["entry"], entry.body["target"]


def _chunk(sequence: int, entries: Sequence[Entry], enter: str, target: str | None) -> Chunk:
    records = [entry.body["record"] for entry in entries]
    metas = [entry.body["meta"] for entry in entries]
    return Chunk(sequence, records, metas, None, [entry.id for entry in entries], enter, target)
