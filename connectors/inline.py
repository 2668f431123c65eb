"""Records written in the pipeline itself: for first steps, tests and small tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from engine.connector import BaseSource, Connector, Context
from engine.record import NO_META, Batch, Checkpoint

ROWS = 256


class InlineSource(BaseSource):
    """The given rows, in order. A checkpoint counts those that were read."""

    def __init__(self, context: Context, *, rows: Sequence[Any]) -> None:
        self.context = context
        self._rows = rows

    async def read(self, after: Checkpoint | None) -> AsyncIterator[Batch]:
        """Yield the rows behind *after*."""
        start = after["row"] if after is not None else 0
        for at in range(start, len(self._rows), ROWS):
            some = self._rows[at : at + ROWS]
            yield Batch(some, [NO_META] * len(some), {"row": at + len(some)})


CONNECTOR = Connector("inline", source=InlineSource, replaceable=True)
