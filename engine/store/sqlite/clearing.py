"""Lanes that nobody works: which have entries, and what becomes of those."""

from __future__ import annotations

import sqlite3

from engine.store.rules import in_use, stamp
from engine.store.sqlite import lanes

# one look into the index for each lane, however many entries it has
_WAITING = """
WITH RECURSIVE found(lane) AS (
  SELECT min(lane) FROM entries
  UNION ALL SELECT (SELECT min(lane) FROM entries WHERE lane > found.lane) FROM found WHERE found.lane IS NOT NULL
) SELECT lane FROM found WHERE lane IS NOT NULL
"""


def waiting(connection: sqlite3.Connection) -> list[str]:
    """Name the lanes that have unfinished entries, sorted."""
    return [lane for (lane,) in connection.execute(_WAITING)]


def clear(connection: sqlite3.Connection, lane: str, to: str | None, limit: int, now: float) -> int:
    """Drop or move the first entries of a lane that nobody works; give how many."""
    owner = connection.execute("SELECT owner FROM lanes WHERE lane = ? AND expires > ?", (lane, now)).fetchone()
    if owner and owner[0] is not None:
        raise in_use(lane, owner[0])
    # taken and given up at once: an owner whose lease expired must not settle what is gone from here
    connection.execute(
        """
        UPDATE lanes SET restarts = restarts + (owner IS NOT NULL), owner = NULL, token = token + 1, free_since = ?
        WHERE lane = ?
        """,
        (now, lane),
    )
    found = connection.execute("SELECT seq FROM entries WHERE lane = ? ORDER BY seq LIMIT ?", (lane, limit)).fetchall()
    numbers = [number for (number,) in found]
    if to is None:
        lanes.finish(connection, lane, numbers, stamp(now))
    else:
        lanes.make(connection, {to}, now)
        for number in numbers:
            _move(connection, number, to)
    return len(numbers)


def _move(connection: sqlite3.Connection, number: int, to: str) -> None:
    # a new number: the owner of that lane may have fetched beyond the old one
    moved = connection.execute(
        """
        INSERT INTO entries (lane, body, appended, attempts, scope, dedupe)
        SELECT ?, body, appended, attempts, scope, dedupe FROM entries WHERE seq = ?
        """,
        (to, number),
    ).lastrowid
    gone = connection.execute("DELETE FROM entries WHERE seq = ? RETURNING scope, dedupe", (number,)).fetchall()
    if gone[0][1] is not None:
        connection.execute("UPDATE dedupe SET entry = ? WHERE scope = ? AND dedupe = ?", (moved, *gone[0]))
