"""Dead letters: kept, merged with the open one of the same identity, replayed, edited, dropped."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from engine import codec
from engine.store.base import Where
from engine.store.rules import replay_lane, stamp
from engine.store.sqlite import appending, rows
from engine.store.sqlite.queries import DEAD, conditions


def keep(connection: sqlite3.Connection, letter: rows.Values, at: str) -> None:
    """Keep a dead letter; the store's clock stamps it."""
    first = None
    if letter["identity"] is not None:
        first = connection.execute(
            "SELECT id FROM dead WHERE pipeline = :pipeline AND identity = :identity AND status = 'open'", letter
        ).fetchone()
    stamped = {"status": "open", "times": 1, "first": at, "last": at, "changed": at}
    connection.execute(rows.UPSERT_LETTER, {**letter, **stamped, "id": first[0] if first else letter["id"]})


class Amendment(NamedTuple):
    """What ``amend`` asks for; *body* is written as text."""

    where: Where
    do: str
    body: str | None
    limit: int


def amend(connection: sqlite3.Connection, asked: Amendment, now: float) -> list[str]:
    """Change open dead letters, oldest first; give the pipeline of each."""
    text, values = conditions(DEAD, asked.where)
    chosen = connection.execute(
        f"SELECT seq, pipeline FROM dead WHERE status = 'open' AND {text} ORDER BY seq LIMIT {asked.limit or -1:d}",
        values,
    ).fetchall()
    change = {"replay": _replay, "edit": _edit, "drop": _drop}[asked.do]
    for seq, _ in chosen:
        change(connection, seq, asked, now)
    return [pipeline for _, pipeline in chosen]


def _replay(connection: sqlite3.Connection, seq: int, asked: Amendment, now: float) -> None:
    row = connection.execute(f"SELECT {rows.LETTER} FROM dead WHERE seq = ?", (seq,)).fetchone()
    letter = rows.letter(row)
    body = codec.encode(letter._asdict())
    appending.append(connection, [appending.NewRow(replay_lane(letter.pipeline), body, attempts=letter.attempts)], now)
    connection.execute("UPDATE dead SET status = 'replayed', changed = ? WHERE seq = ?", (stamp(now), seq))


def _edit(connection: sqlite3.Connection, seq: int, asked: Amendment, now: float) -> None:
    connection.execute("UPDATE dead SET record = ?, changed = ? WHERE seq = ?", (asked.body, stamp(now), seq))


def _drop(connection: sqlite3.Connection, seq: int, asked: Amendment, now: float) -> None:
    connection.execute("UPDATE dead SET status = 'dropped', changed = ? WHERE seq = ?", (stamp(now), seq))
