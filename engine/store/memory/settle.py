"""Settling in memory, and what becomes of dead letters."""

from __future__ import annotations

from collections.abc import Sequence

from engine import codec
from engine.store.base import DeadLetter, NewEntry, RunRow, Settlement
from engine.store.memory import lanes
from engine.store.memory.tables import LetterKept, LineKept, RunKept, Tables, copied, copied_letter, copied_run
from engine.store.rules import REMEMBERED, entry_number, merged, moves_on, replay_lane, stamp


def settle(tables: Tables, settlement: Settlement, now: float) -> None:
    """Make it all true, unless it is already; raises LeaseLost."""
    lease, at = settlement.lease, stamp(now)
    if any(settlement.id in kept.settlements for kept in tables.lanes.values()):
        return
    _advance(tables, settlement, at)
    for other, checkpoint in settlement.also:
        kept = lanes.held(tables, other)
        text = None if checkpoint is None else codec.encode(checkpoint)
        tables.put(tables.lanes, other.lane, kept._replace(checkpoint=text, changed=at, restarts=0))
    for name, value in settlement.state.items():
        if value is None:
            tables.drop(tables.state, (lease.lane, name))
        else:
            tables.put(tables.state, (lease.lane, name), value)
    lanes.finish(tables, lease.lane, map(entry_number, settlement.done), at)
    for other, entries in settlement.finished:
        tables.put(tables.lanes, other.lane, lanes.held(tables, other)._replace(changed=at, restarts=0))
        lanes.finish(tables, other.lane, map(entry_number, entries), at)
    for letter in settlement.dead:
        keep(tables, copied_letter(letter), at)
    for new in settlement.append:
        lanes.append(tables, new, now)
    if settlement.run is not None:
        keep_run(tables, settlement.run, lease.owner, at)
    for line in settlement.logs:
        number = tables.number()
        tables.put(tables.logs, number, LineKept(number, line._replace(time=line.time or at), at))


def _advance(tables: Tables, settlement: Settlement, at: str) -> None:
    lane = settlement.lease.lane
    kept = lanes.held(tables, settlement.lease)
    checkpoint = kept.checkpoint if settlement.checkpoint is None else codec.encode(settlement.checkpoint)
    settlements = (*kept.settlements[1 - REMEMBERED :], settlement.id)
    restarts = 0 if moves_on(settlement) else kept.restarts
    tables.put(
        tables.lanes,
        lane,
        kept._replace(checkpoint=checkpoint, changed=at, restarts=restarts, settlements=settlements),
    )


def keep_run(tables: Tables, row: RunRow, owner: str, at: str) -> None:
    """Write a run's row over the one of the same id."""
    known = tables.runs.get(row.id)
    number = known.number if known else tables.number()
    tables.put(tables.runs, row.id, RunKept(number, copied_run(row), owner, at))


def keep(tables: Tables, letter: DeadLetter, at: str) -> None:
    """Keep a dead letter, or count it where an open one has its identity; the store's clock stamps it."""
    known = tables.dead.get(letter.id)
    if letter.identity is not None:
        place = letter.pipeline, letter.identity, "open"
        same = (k for k in tables.dead.values() if (k.row.pipeline, k.row.identity, k.row.status) == place)
        known = next(same, known)
    if known is not None:
        tables.put(tables.dead, known.row.id, LetterKept(known.number, merged(known.row, letter, at), at))
        return
    fresh = letter._replace(status="open", times=1, first=at, last=at)
    tables.put(tables.dead, letter.id, LetterKept(tables.number(), fresh, at))


def replay(tables: Tables, chosen: Sequence[LetterKept], now: float) -> None:
    """Append each to its pipeline's lane of replays, and close it."""
    for kept in chosen:
        letter = kept.row
        lanes.append(tables, NewEntry(replay_lane(letter.pipeline), letter._asdict()), now, letter.attempts)
        tables.put(tables.dead, letter.id, kept._replace(row=letter._replace(status="replayed"), changed=stamp(now)))


def edit(tables: Tables, chosen: Sequence[LetterKept], body: object, now: float) -> None:
    """Replace the record."""
    for kept in chosen:
        row = kept.row._replace(record=copied(body))
        tables.put(tables.dead, row.id, kept._replace(row=row, changed=stamp(now)))


def drop(tables: Tables, chosen: Sequence[LetterKept], now: float) -> None:
    """Close it; nothing is done about it any more."""
    for kept in chosen:
        row = kept.row._replace(status="dropped")
        tables.put(tables.dead, row.id, kept._replace(row=row, changed=stamp(now)))


def interrupt(tables: Tables, owner: str, now: float) -> None:
    """Close the history of processes that are no more, and let their lanes be taken at once."""
    at = stamp(now)
    for run in list(tables.runs.values()):
        if run.row.status in ("running", "cancelling") and run.owner != owner:
            row = run.row._replace(status="interrupted", finished=run.row.finished or run.changed)
            tables.put(tables.runs, row.id, run._replace(row=row, changed=at))
    for lane, kept in list(tables.lanes.items()):
        if kept.owner not in (None, owner):
            tables.put(tables.lanes, lane, kept._replace(expires=0.0))
