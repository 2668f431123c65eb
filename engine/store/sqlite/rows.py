"""Rows of tables and values of the contract: columns bear the names of fields, values are written as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine import codec
from engine.store.base import DeadLetter, RunRow

Values = Mapping[str, str | int | None]
"""The values of a row by column."""


def columns(fields: Sequence[str]) -> str:
    """List *fields* as columns; quoted, because some are words of SQL."""
    return ", ".join(f'"{field}"' for field in fields)


def _upsert(table: str, fields: Sequence[str], changes: Mapping[str, str]) -> str:
    """Write the statement that inserts a row, or writes it over the one of the same id."""
    update = ", ".join(f'"{field}" = {changes.get(field, f"excluded.{_quoted(field)}")}' for field in fields)
    binds = ", ".join(f":{field}" for field in fields)
    return f"INSERT INTO {table} ({columns(fields)}) VALUES ({binds}) ON CONFLICT (id) DO UPDATE SET {update}"


def _quoted(field: str) -> str:
    return f'"{field}"'


RUN = columns(RunRow._fields)
LETTER = columns(DeadLetter._fields)
UPSERT_RUN = _upsert("runs", (*RunRow._fields, "owner", "changed"), {})
UPSERT_LETTER = _upsert("dead", (*DeadLetter._fields, "changed"), {"times": "times + 1", "first": "first"})


def run_values(run: RunRow) -> Values:
    """Write a run's values."""
    return {**run._asdict(), "params": codec.encode(run.params), "summary": codec.encode(run.summary)}


def run(row: Sequence[Any]) -> RunRow:
    """Read a run's columns ``RUN``."""
    kept = RunRow(*row)
    return kept._replace(params=codec.decode(str(kept.params)), summary=codec.decode(str(kept.summary)))


def letter_values(letter: DeadLetter) -> Values:
    """Write a dead letter's values."""
    return {
        **letter._asdict(),
        "record": codec.encode(letter.record),
        "mapped": None if letter.mapped is None else codec.encode(letter.mapped),
        "meta": codec.encode(letter.meta),
    }


def letter(row: Sequence[Any]) -> DeadLetter:
    """Read a dead letter's columns ``LETTER``."""
    kept = DeadLetter(*row)
    return kept._replace(
        record=codec.decode(kept.record),
        mapped=None if kept.mapped is None else codec.decode(kept.mapped),
        meta=codec.decode(str(kept.meta)),
    )


def size(values: Values) -> int:
    """Give about how many bytes a row takes."""
    return sum(len(value) for value in values.values() if isinstance(value, str))
