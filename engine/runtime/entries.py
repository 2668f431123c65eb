"""Entries of a lane as chunks: dead letters on their way in again, parked output, and accepted webhook bodies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from engine.bodies import NotReadable, parse
from engine.errors import RecordError
from engine.pipeline import WebhookPlan
from engine.record import Failure, Meta, Record
from engine.runtime.reader import Chunk
from engine.store.base import Entry, Lease, Store

AT_ONCE = 100
MOST_BYTES = 1 << 20
POLL = 1.0
"""Seconds between looks at a lane that nobody said anything about."""
ALONE = 2
"""So often in a row a process died with the lane: from then on its entries go one at a time."""
CRASHED = Failure("crashed", "the process died again and again while this was the first in its lane")

MANY = 8
GATHER = 0.01
"""Seconds until the next look where many come, but fewer than fit: one look, one write and one settlement for more of
them leave more of the processor to whoever accepts."""

SOON = 0.05
SUSPECTS = 300
"""Entries that may have been under way when the process died."""


class Follow(NamedTuple):
    """How a lane is read that never ends."""

    restarts: int
    """Owners in a row that died with it."""
    idle: Callable[[], bool]
    """Nothing more is there for now: tell whether all that was read is settled. Raises Misconfigured."""
    moved: Callable[[float], Awaitable[None]]
    """Return after the next settlement, or after so many seconds."""


Make = Callable[[Sequence[Entry]], Iterable[Chunk]]
"""Entries to chunks, whose sequence is still 0."""


@dataclass(slots=True)
class Lane:
    """Reads a lane that is held."""

    store: Store
    lease: Lease
    make: Make
    limit: int | None = None
    follow: Follow | None = None
    """Wait for more at the end; None: end there."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield what waits in the lane, oldest first. Raises LeaseLost."""
        sequence = 0
        left = self.limit
        suspects = SUSPECTS if self.follow is not None and self.follow.restarts >= ALONE else 0
        crashed = self.follow is not None and self.follow.restarts > ALONE
        rest = SOON / 2
        while left is None or left > 0:
            most = 1 if suspects else AT_ONCE if left is None else min(AT_ONCE, left)
            entries = await self.store.fetch(self.lease, most, MOST_BYTES)
            if not entries and self.follow is None:
                return
            if not entries and self.follow is not None:
                rest = POLL if self.follow.idle() else min(rest * 2, POLL)
                await self.store.wait(self.lease.lane, rest)
                continue
            rest = SOON / 2
            if left is not None:
                left -= len(entries)
            for chunk in self.make(entries):
                yield chunk._replace(sequence=sequence, failure=CRASHED if crashed else chunk.failure)
                sequence += 1
            crashed = False
            if self.follow is not None and MANY <= len(entries) < most:
                await self.sleep(GATHER)
            if suspects and self.follow is not None:
                # the next one must not be read before this one is done, or it would be blamed for its neighbour
                suspects -= 1
                while not self.follow.idle():
                    await self.follow.moved(SOON)


def replayed(entries: Sequence[Entry]) -> Iterable[Chunk]:
    """Make chunks of dead letters and parked output: neighbours with one way in go together."""
    for (enter, target), group in groupby(entries, key=lambda entry: (entry.body["entry"], entry.body["target"])):
        letters = list(group)
        records = [entry.body["record"] for entry in letters]
        metas = [entry.body["meta"] for entry in letters]
        yield Chunk(0, records, metas, None, [entry.id for entry in letters], enter, target)


def accepted(plans: Sequence[WebhookPlan]) -> Make:
    """Make chunks of webhook bodies; neighbours go together, what cannot be read stands alone with its failure."""
    by_id = {plan.id: plan for plan in plans}

    def make(entries: Sequence[Entry]) -> Iterable[Chunk]:
        records: list[Record] = []
        metas: list[Meta] = []
        ids: list[str] = []
        for entry in entries:
            meta = meta_of(entry.body)
            try:
                found = records_of(entry.body, by_id.get(entry.body["trigger"]))
            except RecordError as error:
                if ids:
                    yield Chunk(0, records, metas, None, ids)
                    records, metas, ids = [], [], []
                failure = Failure(error.code, error.message, error.where)
                yield Chunk(0, [entry.body["raw"]], [meta], None, [entry.id], failure=failure)
                continue
            records += found
            metas += [meta] * len(found)
            ids.append(entry.id)
        if ids:
            yield Chunk(0, records, metas, None, ids)

    return make


def records_of(body: Mapping[str, Any], plan: WebhookPlan | None) -> list[Record]:
    """Return the records of an accepted call. Raises RecordError."""
    try:
        read = parse(body["media"], body["raw"])
    except NotReadable as error:
        raise RecordError("unreadable", str(error), "webhook") from None
    found = read if plan is None or plan.records is None else plan.records(read)
    if isinstance(found, list):
        return found
    if found is None:
        raise RecordError("no-records", "there is nothing at the webhook's `records`", "webhook.records")
    return [found]


_AROUND = ("trigger", "path", "method", "headers", "query", "client", "received", "event")


def meta_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``meta`` says of a record that came by webhook."""
    return {key: body[key] for key in _AROUND if key in body}
