"""What the hub keeps: users, banks and transactions by external id in its own SQLite, and how often each arrived."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

SCHEMA = """
create table if not exists users (
  internal_id integer primary key, external_id text not null unique, name text not null, email text not null,
  password_hash text, created_at text, metadata text, writes integer not null default 1);
create table if not exists banks (
  internal_id integer primary key, external_id text not null unique, user_external_id text not null,
  name text not null, type text, is_active integer, created_at text, metadata text, writes integer not null default 1);
create table if not exists transactions (
  internal_id integer primary key, external_id text not null unique, bank_external_id text not null,
  amount real not null, description text, category text, type text, transaction_date text not null, created_at text,
  metadata text, writes integer not null default 1);
"""
COLUMNS = {
    "users": ("external_id", "name", "email", "password_hash", "created_at", "metadata"),
    "banks": ("external_id", "user_external_id", "name", "type", "is_active", "created_at", "metadata"),
    "transactions": (
        "external_id",
        "bank_external_id",
        "amount",
        "description",
        "category",
        "type",
        "transaction_date",
        "created_at",
        "metadata",
    ),
}
PARENTS = {"banks": ("users", "user_external_id", "user"), "transactions": ("banks", "bank_external_id", "bank")}


class Result(NamedTuple):
    """What became of one record; the names are the fields of the answer."""

    success: bool
    message: str
    internal_id: str | None
    external_id: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which records the hub refuses for no reason of theirs: a share of all by their id, or the ones named."""

    percent: float = 0.0
    external_ids: Collection[str] = frozenset()
    message: str = "refused by the rules of the hub"

    def takes(self, external_id: str) -> bool:
        """Say whether this record is refused; the same record always meets the same fate."""
        return external_id in self.external_ids or zlib.crc32(external_id.encode()) % 10_000 < self.percent * 100


@dataclass(slots=True)
class HubStore:
    """The hub's tables. Writing the same record again changes it in place."""

    path: str | Path = ":memory:"
    refusal: Refusal = Refusal()
    deliveries: dict[str, Counter[str]] = field(default_factory=dict)
    """By table, how often each external id was written."""
    refused: dict[str, Counter[str]] = field(default_factory=dict)
    _database: sqlite3.Connection = field(init=False)

    def __post_init__(self) -> None:
        self._database = sqlite3.connect(self.path, isolation_level=None)
        # a test's peer may lose its last writes in a power cut
        self._database.executescript("pragma journal_mode = wal; pragma synchronous = off;" + SCHEMA)
        self._forget()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def reset(self) -> None:
        """Forget every row, every count and every rule."""
        self._database.executescript("".join(f"delete from {table};" for table in COLUMNS))
        self._forget()

    def _forget(self) -> None:
        self.refusal = Refusal()
        self.deliveries = {table: Counter() for table in COLUMNS}
        self.refused = {table: Counter() for table in COLUMNS}

    def write(self, table: str, items: Sequence[Mapping[str, Any]]) -> list[Result]:
        """Write each item that can be, in one transaction, and tell what became of each."""
        self._database.execute("begin immediate")
        try:
            results = [self._write_one(table, item) for item in items]
        except BaseException:
            self._database.execute("rollback")
            raise
        self._database.execute("commit")
        for result in results:
            counter = self.deliveries if result.success else self.refused
            counter[table][result.external_id] += 1
        return results

    def _write_one(self, table: str, item: Mapping[str, Any]) -> Result:
        external_id = item["external_id"]
        why = self._why_not(table, item)
        if why:
            return Result(False, why, None, external_id)
        values = [item.get(column) for column in COLUMNS[table][:-1]]
        values.append(json.dumps(item.get("metadata"), ensure_ascii=False))
        internal_id, writes = self._database.execute(_UPSERTS[table], values).fetchone()
        return Result(True, "created" if writes == 1 else "updated", str(internal_id), external_id)

    def _why_not(self, table: str, item: Mapping[str, Any]) -> str | None:
        if self.refusal.takes(item["external_id"]):
            return self.refusal.message
        if table not in PARENTS:
            return None
        parent, column, noun = PARENTS[table]
        known = self._database.execute(f"select 1 from {parent} where external_id = ?", (item[column],)).fetchone()
        return None if known else f"unknown {noun} {item[column]}"

    def rows(self) -> dict[str, int]:
        """Count the rows of each table."""
        return {table: self._database.execute(f"select count(*) from {table}").fetchone()[0] for table in COLUMNS}

    def read(self, table: str, external_ids: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Give the rows of a table in the order of arrival, all or those named."""
        where = f" where external_id in ({', '.join('?' * len(external_ids))})" if external_ids else ""
        found = self._database.execute(f"select * from {table}{where} order by internal_id", external_ids)
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, values, strict=True)) for values in found]
        return [{**row, "metadata": json.loads(row["metadata"])} for row in rows]

    def counts(self) -> dict[str, Any]:
        """Sum up what arrived: ``extra`` are the deliveries beyond the first of each record."""
        return {
            "rows": self.rows(),
            "delivered": {table: counter.total() for table, counter in self.deliveries.items()},
            "extra": {table: counter.total() - len(counter) for table, counter in self.deliveries.items()},
            "refused": {table: counter.total() for table, counter in self.refused.items()},
        }


def _upsert(table: str, columns: Sequence[str]) -> str:
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
    return (
        f"insert into {table} ({', '.join(columns)}) values ({', '.join('?' * len(columns))})"
        f" on conflict (external_id) do update set {changes}, writes = writes + 1 returning internal_id, writes"
    )


_UPSERTS = {table: _upsert(table, columns) for table, columns in COLUMNS.items()}
