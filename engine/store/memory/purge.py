"""Removing what is old from memory, a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.store.memory.tables import Tables
from engine.store.rules import KINDS, UNFINISHED


def purge(tables: Tables, older: Mapping[str, str], limit: int) -> int:
    """Remove at most *limit* rows; give how many."""
    left = limit
    for kind in (kind for kind in KINDS if kind in older):
        table, keys = _old(tables, kind, older[kind])
        for key in keys[:left]:
            tables.drop(table, key)
        left -= len(keys[:left])
    return limit - left


def _old(tables: Tables, kind: str, time: str) -> tuple[dict[Any, Any], list[Any]]:
    """Give a kind's table and the keys in it that may go."""
    named: Mapping[str, dict[Any, Any]] = {"runs": tables.runs, "logs": tables.logs, "dedupe": tables.dedupe}
    table = named.get(kind, tables.dead)
    may_go: Callable[[Any], bool] = {
        "runs": lambda kept: kept.changed < time and kept.row.status not in UNFINISHED,
        "logs": lambda kept: kept.changed < time,
        "dead": lambda kept: kept.changed < time and kept.row.status != "open",
        "dead_open": lambda kept: kept.changed < time and kept.row.status == "open",
        "dedupe": lambda kept: kept.done is not None and kept.done < time,
    }[kind]
    return table, [key for key, kept in table.items() if may_go(kept)]
