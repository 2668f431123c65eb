"""Lanes in tables: append, acquire, renew, release, load, fetch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine import codec
from engine.errors import LeaseLost
from engine.store.base import Entry, Lease, Progress
from engine.store.rules import entry_id, names_a_lane, stamp

LAST = chr(0x10FFFF)
"""Sorts after every text that goes on: ``prefix <= lane < prefix + LAST`` are those that begin with it."""


def make(connection: sqlite3.Connection, lanes: Iterable[str], now: float) -> None:
    """Make the lanes that are not there."""
    connection.executemany(
        "INSERT INTO lanes (lane, free_since, changed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(lane, now, stamp(now)) for lane in lanes],
    )


def finish(connection: sqlite3.Connection, lane: str, numbers: Iterable[int], at: str) -> None:
    """Remove entries of *lane*; their dedupe texts stay known."""
    # two statements however many there are: after each one this thread waits for the interpreter again
    named = {"lane": lane, "numbers": str(list(numbers)), "at": at}
    if named["numbers"] == "[]":
        return
    connection.execute(
        """
        UPDATE dedupe SET done = :at FROM entries
        WHERE entries.seq IN (SELECT value FROM json_each(:numbers)) AND entries.lane = :lane
          AND dedupe.scope = entries.scope AND dedupe.dedupe = entries.dedupe
        """,
        named,
    )
    connection.execute(
        "DELETE FROM entries WHERE seq IN (SELECT value FROM json_each(:numbers)) AND lane = :lane", named
    )


class Wanted(NamedTuple):
    """What ``acquire`` asks for."""

    prefix: str
    limit: int
    ttl: float
    owner: str


def acquire(connection: sqlite3.Connection, wanted: Wanted, now: float) -> list[Lease]:
    """Take free and expired lanes: the one named so exactly first, then those that wait longest."""
    if names_a_lane(wanted.prefix):
        make(connection, {wanted.prefix}, now)
    free = connection.execute(
        """
        SELECT lane FROM lanes
        WHERE lane >= :prefix AND lane < :prefix || :last AND (owner IS NULL OR expires <= :now)
        ORDER BY lane <> :prefix, CASE WHEN owner IS NULL THEN free_since ELSE expires END, lane LIMIT :limit
        """,
        {"prefix": wanted.prefix, "last": LAST, "now": now, "limit": wanted.limit},
    ).fetchall()
    return [_take(connection, lane, wanted, now) for (lane,) in free]


def _take(connection: sqlite3.Connection, lane: str, wanted: Wanted, now: float) -> Lease:
    # an owner that is still written there did not give up: it was lost
    ((token,),) = connection.execute(
        """
        UPDATE lanes SET restarts = restarts + (owner IS NOT NULL), owner = ?, token = token + 1, expires = ?
        WHERE lane = ? RETURNING token
        """,
        (wanted.owner, now + wanted.ttl, lane),
    ).fetchall()
    return Lease(lane, wanted.owner, token)


def renew(connection: sqlite3.Connection, leases: Sequence[Lease], expires: float) -> list[Lease]:
    """Prolong the leases that nobody else took."""
    return [
        lease
        for lease in leases
        if connection.execute(
            "UPDATE lanes SET expires = ? WHERE lane = ? AND token = ? AND owner = ?",
            (expires, lease.lane, lease.token, lease.owner),
        ).rowcount
    ]


def release(connection: sqlite3.Connection, leases: Sequence[Lease], now: float) -> None:
    """Free the lanes that are still held."""
    connection.executemany(
        "UPDATE lanes SET owner = NULL, free_since = ? WHERE lane = ? AND token = ? AND owner = ?",
        [(now, lease.lane, lease.token, lease.owner) for lease in leases],
    )


def lost(lease: Lease) -> LeaseLost:
    """Say that *lease* is not held any more."""
    return LeaseLost(f"{lease.lane}: another owner has taken this work over; nothing of this step was kept")


def _held(connection: sqlite3.Connection, lease: Lease) -> tuple[str | None, int]:
    row = connection.execute(
        "SELECT checkpoint, restarts FROM lanes WHERE lane = ? AND token = ? AND owner = ?",
        (lease.lane, lease.token, lease.owner),
    ).fetchone()
    if row is None:
        raise lost(lease)
    return row[0], row[1]


def load(connection: sqlite3.Connection, lease: Lease) -> Progress:
    """Read where the lane stands."""
    checkpoint, restarts = _held(connection, lease)
    state = dict(connection.execute("SELECT name, value FROM state WHERE lane = ?", (lease.lane,)).fetchall())
    return Progress(None if checkpoint is None else codec.decode(checkpoint), state, restarts)


class Fetch(NamedTuple):
    """What ``fetch`` asks for."""

    lease: Lease
    limit: int
    max_bytes: int
    after: int


def fetch(connection: sqlite3.Connection, wanted: Fetch) -> list[tuple[int, Entry]]:
    """Read entries after a number, in order, up to the bounds but at least one."""
    lane = wanted.lease.lane
    _held(connection, wanted.lease)
    found: list[tuple[int, Entry]] = []
    room = wanted.max_bytes
    for number, body, appended, attempts in connection.execute(
        "SELECT seq, body, appended, attempts FROM entries WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?",
        (lane, wanted.after, wanted.limit),
    ):
        room -= len(body.encode())
        if found and room < 0:
            break
        found.append((number, Entry(entry_id(number), lane, codec.decode(body), appended, attempts)))
    return found
