"""Settling: everything a settlement says becomes true in the transaction around it, or nothing does."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from engine import codec
from engine.record import Checkpoint
from engine.store.base import Lease, LogLine, Settlement
from engine.store.rules import REMEMBERED, entry_number, moves_on, stamp
from engine.store.sqlite import appending, lanes, letters, rows


class Written(NamedTuple):
    """A settlement whose values are written as text already, outside the writer's thread."""

    plain: Settlement
    checkpoint: str | None
    also: Sequence[tuple[Lease, str | None]]
    dead: Sequence[rows.Values]
    append: Sequence[appending.NewRow]
    run: rows.Values | None
    size: int


def write(settlement: Settlement) -> Written:
    """Write the values of *settlement*; TypeError or ValueError for what is not plain data."""
    dead = [rows.letter_values(letter) for letter in settlement.dead]
    append = [appending.new_row(new) for new in settlement.append]
    also = [(lease, _text(checkpoint)) for lease, checkpoint in settlement.also]
    run = rows.run_values(settlement.run) if settlement.run else None
    size = 256 + sum(len(row.body) for row in append) + sum(map(rows.size, dead)) + (rows.size(run) if run else 0)
    return Written(settlement, _text(settlement.checkpoint), also, dead, append, run, size)


def _text(checkpoint: Checkpoint | None) -> str | None:
    return None if checkpoint is None else codec.encode(checkpoint)


def settle(connection: sqlite3.Connection, written: Written, now: float) -> None:
    """Make it all true, unless it is already; raises LeaseLost."""
    settlement, at = written.plain, stamp(now)
    if connection.execute("SELECT 1 FROM settlements WHERE id = ?", (settlement.id,)).fetchone():
        return
    _advance(connection, written, at)
    for lease, checkpoint in written.also:
        _advance_other(connection, lease, checkpoint, at)
    _write_state(connection, settlement)
    lanes.finish(connection, settlement.lease.lane, map(entry_number, settlement.done), at)
    for lease, entries in settlement.finished:
        _move_on(connection, lease, at)
        lanes.finish(connection, lease.lane, map(entry_number, entries), at)
    for letter in written.dead:
        letters.keep(connection, letter, at)
    if written.append:
        appending.append(connection, written.append, now)
    if written.run:
        connection.execute(rows.UPSERT_RUN, {**written.run, "owner": settlement.lease.owner, "changed": at})
    _write_logs(connection, settlement.logs, at)


def _advance(connection: sqlite3.Connection, written: Written, at: str) -> None:
    settlement, lease = written.plain, written.plain.lease
    held = connection.execute(
        """
        UPDATE lanes SET settled = settled + 1, checkpoint = coalesce(?, checkpoint), changed = ?,
          restarts = CASE WHEN ? THEN 0 ELSE restarts END
        WHERE lane = ? AND token = ? AND owner = ? RETURNING settled
        """,
        (written.checkpoint, at, moves_on(settlement), *_proof(lease)),
    ).fetchall()
    if not held:
        raise lanes.lost(lease)
    connection.execute(
        "INSERT INTO settlements VALUES (?, ?, ?) ON CONFLICT (lane, slot) DO UPDATE SET id = excluded.id",
        (lease.lane, held[0][0] % REMEMBERED, settlement.id),
    )


def _advance_other(connection: sqlite3.Connection, lease: Lease, checkpoint: str | None, at: str) -> None:
    held = connection.execute(
        "UPDATE lanes SET checkpoint = ?, changed = ?, restarts = 0 WHERE lane = ? AND token = ? AND owner = ?",
        (checkpoint, at, *_proof(lease)),
    )
    if not held.rowcount:
        raise lanes.lost(lease)


def _move_on(connection: sqlite3.Connection, lease: Lease, at: str) -> None:
    held = connection.execute(
        "UPDATE lanes SET changed = ?, restarts = 0 WHERE lane = ? AND token = ? AND owner = ?", (at, *_proof(lease))
    )
    if not held.rowcount:
        raise lanes.lost(lease)


def _proof(lease: Lease) -> tuple[str, int, str]:
    return lease.lane, lease.token, lease.owner


def _write_state(connection: sqlite3.Connection, settlement: Settlement) -> None:
    lane = settlement.lease.lane
    for name, value in settlement.state.items():
        if value is None:
            connection.execute("DELETE FROM state WHERE lane = ? AND name = ?", (lane, name))
        else:
            connection.execute(
                "INSERT INTO state VALUES (?, ?, ?) ON CONFLICT (lane, name) DO UPDATE SET value = excluded.value",
                (lane, name, value),
            )


def _write_logs(connection: sqlite3.Connection, logs: Sequence[LogLine], at: str) -> None:
    connection.executemany(
        "INSERT INTO logs (run, time, level, code, message, changed) VALUES (?, ?, ?, ?, ?, ?)",
        [(line.run, line.time or at, line.level, line.code, line.message, at) for line in logs],
    )


def interrupt(connection: sqlite3.Connection, owner: str, now: float) -> None:
    """Close the history of processes that are no more, and let their lanes be taken at once."""
    connection.execute(
        """
        UPDATE runs SET status = 'interrupted', finished = coalesce(finished, changed), changed = ?
        WHERE status IN ('running', 'cancelling') AND owner <> ?
        """,
        (stamp(now), owner),
    )
    connection.execute("UPDATE lanes SET expires = 0 WHERE owner IS NOT NULL AND owner <> ? AND expires > 0", (owner,))
