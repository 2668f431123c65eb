"""``once``: keys remembered in the target's own database, in the transaction that had their effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, Text, bindparam, func, insert, select
from sqlalchemy.schema import CreateTable

from engine.errors import Rejected
from engine.net.jsontext import NotJson, encode


class Once:
    """A table of keys. What is in it had its effect; a record with such a key is skipped and counts as delivered."""

    def __init__(self, key: Callable[[Any], Any], table: str, scope: str) -> None:
        self._key, self._scope = key, scope
        schema, _, short = table.rpartition(".")
        self._table = Table(
            short,
            MetaData(),
            Column("scope", Text, primary_key=True),
            Column("key", Text, primary_key=True),
            Column("at", Text, nullable=False, server_default=func.current_timestamp()),
            schema=schema or None,
        )
        self._insert = insert(self._table).values(scope=bindparam("s"), key=bindparam("k"))

    def key(self, record: Any) -> str:
        """Return the record's key as text. Raises Rejected where it has none."""
        value = self._key(record)
        if value is None:
            raise Rejected("missing-key: once.key gives nothing for this record")
        try:
            return value if isinstance(value, str) else encode(value).decode("utf-8")
        except NotJson as error:
            raise Rejected(f"once.key: {error}") from None

    def prepare(self, connection: Connection) -> None:
        """Make the table where there is none."""
        connection.execute(CreateTable(self._table, if_not_exists=True))

    def known(self, connection: Connection, keys: Mapping[int, str]) -> set[str]:
        """Return those of *keys* that had their effect. The write lock is held: nobody adds one meanwhile."""
        found: set[str] = set()
        asked = list(set(keys.values()))
        for start in range(0, len(asked), 500):
            some = asked[start : start + 500]
            query = select(self._table.c.key).where(self._table.c.scope == self._scope, self._table.c.key.in_(some))
            found.update(connection.execute(query).scalars())
        return found

    def remember(self, connection: Connection, keys: Sequence[str]) -> None:
        """Write *keys* down; they count once the transaction commits."""
        if keys:
            connection.execute(self._insert, [{"s": self._scope, "k": key} for key in keys])
