"""Records and what carries them: plain JSON-like data in batches, through stages, to receipts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Record = Any
"""Plain data: dict, list, str, int, float, ``decimal.Decimal``, bool, None."""

Meta = Mapping[str, Any]
"""What surrounds a record: file, line, topic, headers … Several records may share one object."""

Checkpoint = Mapping[str, Any]
"""Where a source resumes: plain data, stored with ``engine.codec`` and given back exactly as it was."""

NO_META: Meta = {}


class Failure(NamedTuple):
    """Why one record cannot go on."""

    code: str
    message: str
    where: str = ""


class Batch(NamedTuple):
    """What a source reads at once."""

    records: Sequence[Record]
    meta: Sequence[Meta]
    """Parallel to *records*; may repeat one object."""
    checkpoint: Checkpoint | None = None
    """Resume here once all of this, and all before it, is settled; None: not a safe boundary."""
    entries: Sequence[str] = ()
    """The store entries it came from, for accepted work."""
    positions: Sequence[tuple[Any, ...]] | None = None
    """The raw cursor values of each record, where they differ from the record's own fields."""


class Emission(NamedTuple):
    """What a stage made of a batch: filter, map and split in one shape."""

    records: Sequence[Record]
    origin: Sequence[int]
    """Parallel to *records*: the index of the input record each came from; ascending."""
    failed: Mapping[int, Failure]
    """By input index; a failed input emits nothing."""
    dropped: Mapping[str, int]
    """How many each filter dropped, by the filter's dotted place."""
    metas: Sequence[Meta] | None = None
    """Parallel to *records* where the stage changed them (a split's ``meta.parent``); None: those of *origin*."""


class Outgoing(NamedTuple):
    """One write: parallel sequences of equal length."""

    records: Sequence[Record]
    keys: Sequence[str | None]
    metas: Sequence[Meta]
    inputs: Sequence[Record]
    """Each record as the source gave it."""


class Receipt(NamedTuple):
    """What a target says of one write; an index in none of these was taken."""

    rejected: Mapping[int, str] = {}
    """The target read it and refuses it: index → reason."""
    retry: Mapping[int, str] = {}
    """The target could not take it now: index → reason."""
    uncertain: Mapping[int, str] = {}
    """The answer does not say: index → reason."""
    retry_after: float | None = None
    """Seconds the target asks to wait before *retry*."""
    warnings: Sequence[str] = ()
    """What the run's log should say, such as answers for records that were not sent."""


TAKEN = Receipt()
