"""Reads a source into chunks that end where it can resume."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.connector import Source
from engine.record import Batch, Checkpoint, Meta, Record
from engine.runtime.cursor import Position, check_order, positions, safe_length


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


@dataclass(slots=True)
class Reader:
    """Reads *source*; with cursor *fields* it computes the checkpoints, else the source gives them."""

    source: Source
    fields: tuple[str, ...] = ()
    limit: int | None = None
    _left: int = 0

    async def chunks(self, after: Checkpoint | None) -> AsyncIterator[Chunk]:
        """Yield chunks newer than *after*. Raises ConnectorError, RecordError."""
        sequence = 0
        batches = self.source.read(after)
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
        """Hold back the last group of equal cursor values until it is known to be complete."""
        held: Batch | None = None
        last: Position | None = None
        left = self.limit
        async for batch in batches:
            if not batch.records:
                continue
            here = positions(batch, self.fields)
            check_order(last, here)
            if held is not None:
                if here[0] != last:
                    yield self._safe(held, last)
                else:
                    yield held
                held = None
            if left is not None and len(here) > left:
                yield self._stopped(batch, here, left)
                return
            if left is not None:
                left -= len(here)
            length = safe_length(here)
            last = here[-1]
            if length:
                yield self._safe(_part(batch, 0, length), here[length - 1])
            held = _part(batch, length, len(here))
        if held is not None:
            yield self._safe(held, last)

    def _stopped(self, batch: Batch, here: Sequence[Position], left: int) -> Batch:
        part = _part(batch, 0, left)
        return self._safe(part, here[left - 1]) if left and here[left] != here[left - 1] else part

    def _safe(self, batch: Batch, position: Position | None) -> Batch:
        assert position is not None
        return batch._replace(checkpoint=dict(zip(self.fields, position, strict=True)))


def _part(batch: Batch, start: int, stop: int) -> Batch:
    return Batch(batch.records[start:stop], batch.meta[start:stop], None)
