"""Reads a source into chunks that end where it can resume."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.connector import Source
from engine.record import Batch, Checkpoint, Failure, Meta, Record
from engine.runtime.cursor import Position, check_order, positions, safe_stop


class Chunk(NamedTuple):
    """Records on their way through the stages."""

    sequence: int
    records: Sequence[Record]
    metas: Sequence[Meta]
    safe: Checkpoint | None
    """The source resumes here once all of this, and all before, is settled."""
    entries: Sequence[str] = ()
    enter: str = ""
    """The label of the stage to enter at; empty: the first."""
    only: str | None = None
    """The one target these are for; None: every one that takes them."""
    failure: Failure | None = None
    """None of it can go on, and why."""


@dataclass(slots=True)
class Reader:
    """Reads *source*; with cursor *fields* it computes the checkpoints, else the source gives them."""

    source: Source
    fields: tuple[str, ...] = ()
    limit: int | None = None
    size: int = 100
    """Records of a chunk where the engine computes the checkpoints: not more than a kill may repeat."""

    async def chunks(self, after: Checkpoint | None) -> AsyncGenerator[Chunk, None]:
        """Yield chunks newer than *after*. Raises ConnectorError, RecordError."""
        sequence = 0
        # closed in order, and while the source is still open, however the reading ends
        async with _closing(self.source.read(after)) as batches:
            async for batch in self._cut(batches) if self.fields else self._limited(batches):
                yield Chunk(sequence, batch.records, batch.meta, batch.checkpoint, batch.entries)
                sequence += 1

    async def _limited(self, batches: AsyncIterator[Batch]) -> AsyncIterator[Batch]:
        left = self.limit
        async for batch in batches:
            if left is not None and len(batch.records) >= left:
                exact = len(batch.records) == left
                yield batch if exact else _part(batch, 0, left)._replace(checkpoint=None)
                return
            if left is not None:
                left -= len(batch.records)
            yield batch

    async def _cut(self, batches: AsyncIterator[Batch]) -> AsyncIterator[Batch]:
        """Cut into pieces of *size* that end where the cursor's value changes; a piece inside a tie is not safe."""
        held = _Held()
        left = self.limit
        async for batch in batches:
            if not batch.records:
                continue
            here = positions(batch, self.fields)
            check_order(held.positions[-1] if held.positions else None, here)
            if left is not None and len(here) > left:
                held.add(batch, here, left)
                for piece in held.pieces(self.size, self.fields):
                    yield piece
                yield held.rest(self.fields, here[left])
                return
            if left is not None:
                left -= len(here)
            held.add(batch, here, len(here))
            for piece in held.pieces(self.size, self.fields):
                yield piece
        if held.records:
            yield held.rest(self.fields, None)


@dataclass(slots=True)
class _Held:
    """Records that wait: their last group of equal values may go on in the next batch."""

    records: list[Record] = field(default_factory=list)
    metas: list[Meta] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)

    def add(self, batch: Batch, here: Sequence[Position], count: int) -> None:
        self.records += batch.records[:count]
        self.metas += batch.meta[:count]
        self.positions += here[:count]

    def pieces(self, size: int, fields: Sequence[str]) -> Iterator[Batch]:
        """Take off what is more than *size*, piece by piece."""
        start = 0
        while len(self.records) - start > size:
            stop = safe_stop(self.positions, start, start + size)
            safe = self.positions[stop - 1] != self.positions[stop]
            yield self._piece(start, stop, fields, safe)
            start = stop
        del self.records[:start], self.metas[:start], self.positions[:start]

    def rest(self, fields: Sequence[str], after: Position | None) -> Batch:
        """Give what is left; *after* is the value of the next record, None at the end."""
        safe = bool(self.positions) and self.positions[-1] != after
        return self._piece(0, len(self.records), fields, safe)

    def _piece(self, start: int, stop: int, fields: Sequence[str], safe: bool) -> Batch:
        checkpoint = dict(zip(fields, self.positions[stop - 1], strict=True)) if safe else None
        return Batch(self.records[start:stop], self.metas[start:stop], checkpoint)


@asynccontextmanager
async def _closing(batches: AsyncIterator[Batch]) -> AsyncGenerator[AsyncIterator[Batch], None]:
    try:
        yield batches
    finally:
        close = getattr(batches, "aclose", None)  # a source may also give an iterator that is no generator
        if close is not None:
            await close()


def _part(batch: Batch, start: int, stop: int) -> Batch:
    return Batch(batch.records[start:stop], batch.meta[start:stop], None)
