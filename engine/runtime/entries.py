"""Entries of a lane as chunks: dead letters on their way in again, and accepted webhook bodies."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import parse_qsl

from engine.errors import RecordError
from engine.pipeline import WebhookPlan
from engine.record import Failure, Meta, Record
from engine.runtime.reader import Chunk
from engine.store.base import Entry, Lease, Store

AT_ONCE = 100
MOST_BYTES = 1 << 20
POLL = 1.0
"""Seconds between looks at a lane that nobody said anything about."""

Make = Callable[[Sequence[Entry]], Iterable[Chunk]]
"""Entries to chunks, whose sequence is still 0."""


@dataclass(slots=True)
class Lane:
    """Reads a lane that is held."""

    store: Store
    lease: Lease
    make: Make
    limit: int | None = None
    follow: bool = False
    """Wait for more at the end; else end there."""
    single: bool = False
    """One entry a chunk: a process died at the head before, and the culprit must stand alone."""

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield what waits in the lane, oldest first. Raises LeaseLost."""
        sequence = 0
        left = self.limit
        while left is None or left > 0:
            most = 1 if self.single else AT_ONCE if left is None else min(AT_ONCE, left)
            entries = await self.store.fetch(self.lease, most, MOST_BYTES)
            if not entries and not self.follow:
                return
            if not entries:
                await self.store.wait(self.lease.lane, POLL)
                continue
            if left is not None:
                left -= len(entries)
            for chunk in self.make(entries):
                yield chunk._replace(sequence=sequence)
                sequence += 1


def replayed(entries: Sequence[Entry]) -> Iterable[Chunk]:
    """Make chunks of dead letters: neighbours with one way in go together."""
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
                failure = Failure(error.code, error.message, error.where)
                if ids:
                    yield Chunk(0, records, metas, None, ids)
                    records, metas, ids = [], [], []
                yield Chunk(0, [body_of(entry.body)], [meta], None, [entry.id], failure=failure)
                continue
            records += found
            metas += [meta] * len(found)
            ids.append(entry.id)
        if ids:
            yield Chunk(0, records, metas, None, ids)

    return make


def body_of(body: Mapping[str, Any]) -> Any:
    """Read the body of an accepted call, as it was judged at acceptance."""
    if body["media"] == "json":
        return json.loads(body["raw"])
    if body["media"] == "form":
        return dict(parse_qsl(body["raw"], keep_blank_values=True))
    return body["raw"]


def records_of(body: Mapping[str, Any], plan: WebhookPlan | None) -> list[Record]:
    """Return the records of an accepted call. Raises RecordError."""
    read = body_of(body)
    found = read if plan is None or plan.records is None else plan.records(read)
    if isinstance(found, list):
        return found
    if found is None:
        raise RecordError("no-records", "there is nothing at the webhook's `records`", "webhook.records")
    return [found]


def meta_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``meta`` says of a record that came by webhook."""
    return {key: body[key] for key in ("path", "method", "headers", "client", "received", "event") if key in body}
