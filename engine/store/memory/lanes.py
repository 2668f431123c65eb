"""Lanes in memory: append, acquire, renew, release, load, fetch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from engine import codec
from engine.errors import LeaseLost
from engine.store.base import Entry, Lease, NewEntry, Progress
from engine.store.memory.tables import DedupeKept, EntryKept, LaneKept, Tables
from engine.store.rules import entry_id, in_use, names_a_lane, scope_of, stamp


def append(tables: Tables, new: NewEntry, now: float, attempts: int = 0) -> tuple[str, bool]:
    """Append one entry; give its id and whether it is fresh."""
    _make(tables, new.lane, now)
    key = None if new.dedupe is None else (scope_of(new.scope, new.lane), new.dedupe)
    if key in tables.dedupe:
        return entry_id(tables.dedupe[key].entry), False
    number = tables.number()
    tables.put(tables.entries, number, EntryKept(number, new.lane, codec.encode(new.body), stamp(now), attempts, key))
    if key is not None:
        tables.put(tables.dedupe, key, DedupeKept(number))
    return entry_id(number), True


def _make(tables: Tables, lane: str, now: float) -> None:
    if lane not in tables.lanes:
        tables.put(tables.lanes, lane, LaneKept(now, stamp(now)))


def acquire(tables: Tables, prefix: str, limit: int, now: float) -> list[str]:
    """Name the lanes that are free: the one named so exactly first, then those that wait longest."""
    if names_a_lane(prefix):
        _make(tables, prefix, now)

    def turn(item: tuple[str, LaneKept]) -> tuple[bool, float, str]:
        lane, kept = item
        return lane != prefix, kept.free_since if kept.owner is None else kept.expires, lane

    free = [
        (lane, kept)
        for lane, kept in tables.lanes.items()
        if lane.startswith(prefix) and (kept.owner is None or kept.expires <= now)
    ]
    return [lane for lane, _ in sorted(free, key=turn)[:limit]]


def take(tables: Tables, lane: str, owner: str, expires: float) -> Lease:
    """Give the lane to *owner*; one that is still written there did not give up: it was lost."""
    kept = tables.lanes[lane]
    restarts = kept.restarts + (kept.owner is not None)
    tables.put(tables.lanes, lane, kept._replace(owner=owner, token=kept.token + 1, expires=expires, restarts=restarts))
    return Lease(lane, owner, kept.token + 1)


def holds(tables: Tables, lease: Lease) -> bool:
    """Tell whether nobody else took the lane."""
    kept = tables.lanes.get(lease.lane)
    return kept is not None and (kept.token, kept.owner) == (lease.token, lease.owner)


def held(tables: Tables, lease: Lease) -> LaneKept:
    """Give the lane of a lease that is held."""
    if not holds(tables, lease):
        raise LeaseLost(f"{lease.lane}: another owner has taken this work over; nothing of this step was kept")
    return tables.lanes[lease.lane]


def renew(tables: Tables, leases: Sequence[Lease], expires: float) -> list[Lease]:
    """Prolong the leases that nobody else took."""
    kept = [lease for lease in leases if holds(tables, lease)]
    for lease in kept:
        tables.put(tables.lanes, lease.lane, tables.lanes[lease.lane]._replace(expires=expires))
    return kept


def release(tables: Tables, leases: Sequence[Lease], now: float) -> None:
    """Free the lanes that are still held."""
    for lease in leases:
        if holds(tables, lease):
            tables.put(tables.lanes, lease.lane, tables.lanes[lease.lane]._replace(owner=None, free_since=now))


def waiting(tables: Tables) -> list[str]:
    """Name the lanes that have unfinished entries."""
    return sorted({kept.lane for kept in tables.entries.values()})


def finish(tables: Tables, lane: str, numbers: Iterable[int], at: str) -> int:
    """Remove entries of *lane*; their dedupe texts stay known. Give how many there were."""
    gone = 0
    for number in numbers:
        kept = tables.entries.get(number)
        if kept is None or kept.lane != lane:
            continue
        tables.drop(tables.entries, number)
        if kept.dedupe is not None:
            tables.put(tables.dedupe, kept.dedupe, tables.dedupe[kept.dedupe]._replace(done=at))
        gone += 1
    return gone


def clear(tables: Tables, lane: str, to: str | None, limit: int, now: float) -> int:
    """Drop or move the first entries of a lane that nobody works."""
    known = tables.lanes.get(lane)
    if known is None:
        return 0
    if known.owner is not None and known.expires > now:
        raise in_use(lane, known.owner)
    restarts = known.restarts + (known.owner is not None)
    free = known._replace(owner=None, token=known.token + 1, free_since=now, restarts=restarts)
    tables.put(tables.lanes, lane, free)
    numbers = sorted(number for number, kept in tables.entries.items() if kept.lane == lane)[:limit]
    if to is None:
        return finish(tables, lane, numbers, stamp(now))
    _make(tables, to, now)
    for number in numbers:
        _move(tables, number, to)
    return len(numbers)


def _move(tables: Tables, number: int, to: str) -> None:
    # a new number: the owner of that lane may have fetched beyond the old one
    kept = tables.entries[number]
    tables.drop(tables.entries, number)
    moved = kept._replace(number=tables.number(), lane=to)
    tables.put(tables.entries, moved.number, moved)
    if kept.dedupe is not None:
        tables.put(tables.dedupe, kept.dedupe, tables.dedupe[kept.dedupe]._replace(entry=moved.number))


def load(tables: Tables, lease: Lease) -> Progress:
    """Read where the lane stands."""
    kept = held(tables, lease)
    state = {name: value for (lane, name), value in tables.state.items() if lane == lease.lane}
    return Progress(None if kept.checkpoint is None else codec.decode(kept.checkpoint), state, kept.restarts)


def fetch(tables: Tables, lease: Lease, after: int, max_bytes: int) -> Iterator[tuple[int, Entry]]:
    """Give entries after a number, in order, up to *max_bytes* but at least one."""
    held(tables, lease)
    room = max_bytes
    waiting = sorted(number for number, kept in tables.entries.items() if kept.lane == lease.lane and number > after)
    for place, number in enumerate(waiting):
        kept = tables.entries[number]
        room -= len(kept.body.encode())
        if place and room < 0:
            return
        yield number, entry(kept)


def entry(kept: EntryKept) -> Entry:
    """Read an entry as the contract gives it."""
    return Entry(entry_id(kept.number), kept.lane, codec.decode(kept.body), kept.appended, kept.attempts)
