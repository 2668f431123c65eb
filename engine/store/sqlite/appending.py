"""Appending: rows of many callers in two statements, however many they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

from engine import codec
from engine.store.base import NewEntry
from engine.store.rules import entry_id, scope_of, stamp
from engine.store.sqlite import lanes

_AT_ONCE = 64
"""Rows of one statement: each waits for the interpreter once, and one text for each number of rows is kept prepared."""

Given = tuple[str, bool]
"""An entry's id, and whether it is fresh."""


class NewRow(NamedTuple):
    """An entry to append, its body written."""

    lane: str
    body: str
    dedupe: str | None = None
    scope: str | None = None
    """Where *dedupe* is unique; None where there is none."""
    attempts: int = 0


def new_row(new: NewEntry) -> NewRow:
    """Write an entry's body; TypeError or ValueError for what is not plain data."""
    scope = None if new.dedupe is None else scope_of(new.scope, new.lane)
    return NewRow(new.lane, codec.encode(new.body), new.dedupe, scope)


class Request(NamedTuple):
    """What one caller appends; *makes* are those of its lanes that may not be there."""

    rows: Sequence[NewRow]
    makes: set[str]


class Appender:
    """Appends for many callers at once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def __call__(self, connection: sqlite3.Connection, requests: Sequence[Request]) -> Sequence[list[Given]]:
        """Append what each of them asks for; give each what it gets."""
        now = self._clock()
        if makes := {lane for request in requests for lane in request.makes}:
            lanes.make(connection, makes, now)
        given = iter(insert(connection, [row for request in requests for row in request.rows], now))
        return [list(islice(given, len(request.rows))) for request in requests]


def append(connection: sqlite3.Connection, rows: Sequence[NewRow], now: float) -> list[Given]:
    """Append rows; give their ids and whether they are fresh."""
    lanes.make(connection, {row.lane for row in rows}, now)
    return insert(connection, rows, now)


def insert(connection: sqlite3.Connection, rows: Sequence[NewRow], now: float) -> list[Given]:
    """Append rows to lanes that are there."""
    at, given = stamp(now), list[Given]()
    for start in range(0, len(rows), _AT_ONCE):
        given += _insert(connection, rows[start : start + _AT_ONCE], at)
    return given


def _insert(connection: sqlite3.Connection, rows: Sequence[NewRow], at: str) -> list[Given]:
    values = [value for row in rows for value in (row.lane, row.body, at, row.attempts, row.scope, row.dedupe)]
    last = connection.execute(_entries(len(rows)), values).lastrowid
    assert last is not None
    # numbers of one statement follow each other: it is the only one that writes
    first = last - len(rows) + 1
    numbered = {first + index: row for index, row in enumerate(rows)}
    known = _known(connection, {number: row for number, row in numbered.items() if row.dedupe is not None})
    return [(entry_id(known[number]), False) if number in known else (entry_id(number), True) for number in numbered]


def _known(connection: sqlite3.Connection, numbered: dict[int, NewRow]) -> dict[int, int]:
    """Remember the texts of new entries; take those out that stand for an entry already, and give that for each."""
    if not numbered:
        return {}
    values = [value for number, row in numbered.items() for value in (row.scope, row.dedupe, number)]
    fresh = {number for (number,) in connection.execute(_texts(len(numbered)), values).fetchall()}
    known = {}
    for number in numbered.keys() - fresh:
        row = numbered[number]
        connection.execute("DELETE FROM entries WHERE seq = ?", (number,))
        known[number] = connection.execute(
            "SELECT entry FROM dedupe WHERE scope = ? AND dedupe = ?", (row.scope, row.dedupe)
        ).fetchone()[0]
    return known


@cache
def _entries(count: int) -> str:
    rows = ", ".join(["(?, ?, ?, ?, ?, ?)"] * count)
    return f"INSERT INTO entries (lane, body, appended, attempts, scope, dedupe) VALUES {rows}"


@cache
def _texts(count: int) -> str:
    rows = ", ".join(["(?, ?, ?)"] * count)
    return f"INSERT INTO dedupe (scope, dedupe, entry) VALUES {rows} ON CONFLICT DO NOTHING RETURNING entry"
