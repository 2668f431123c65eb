"""Removing what is old, a few rows at a time, and giving the room back to the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from engine.store.rules import KINDS

_OLD = {
    "runs": "DELETE FROM runs WHERE seq IN (SELECT seq FROM runs WHERE changed < :time"
    " AND status NOT IN ('queued', 'running', 'cancelling') LIMIT :limit)",
    "logs": "DELETE FROM logs WHERE seq IN (SELECT seq FROM logs WHERE changed < :time LIMIT :limit)",
    "dead": "DELETE FROM dead WHERE seq IN (SELECT seq FROM dead WHERE status IN ('replayed', 'dropped')"
    " AND changed < :time LIMIT :limit)",
    "dead_open": "DELETE FROM dead WHERE seq IN (SELECT seq FROM dead WHERE status = 'open'"
    " AND changed < :time LIMIT :limit)",
    # the table has no numbers of its own, and row values cannot be limited otherwise
    "dedupe": "DELETE FROM dedupe WHERE (scope, dedupe) IN (SELECT scope, dedupe FROM dedupe WHERE done < :time"
    " LIMIT :limit)",
}


def purge(connection: sqlite3.Connection, older: Mapping[str, str], limit: int) -> int:
    """Remove at most *limit* rows; give how many."""
    removed = 0
    for kind in KINDS:
        if kind in older and removed < limit:
            removed += connection.execute(_OLD[kind], {"time": older[kind], "limit": limit - removed}).rowcount
    if removed:
        connection.execute(f"PRAGMA incremental_vacuum({limit:d})").fetchall()
    return removed
