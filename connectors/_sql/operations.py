"""Insert, upsert, update and delete as values: which table, which columns, and what a row of them binds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Executable, and_, bindparam, delete, insert, update

from connectors._sql.dialects import upsert
from connectors._sql.tables import Shape
from connectors._sql.values import bindable
from engine.errors import Misconfigured, Rejected

Kind = Literal["insert", "upsert", "update", "delete"]

KINDS: tuple[Kind, ...] = ("insert", "upsert", "update", "delete")


@dataclass(frozen=True)
class Call:
    """One statement with the values of one execution."""

    clause: Executable
    values: Mapping[str, Any]
    expects: Callable[[int], str | None] | None = None
    """From the rows touched to the reason to refuse; None: any number will do."""
    single: bool = False
    """It touches one row at most, so the count of many executions tells each of theirs."""


@dataclass
class Operation:
    """One of ``insert``, ``upsert``, ``update``, ``delete``, on a table that is known."""

    kind: Kind
    place: str
    shape: Shape
    dialect: str
    columns: Sequence[str] | None = None
    key: Sequence[str] | None = None
    overwrite: Sequence[str] | None = None
    missing: Literal["reject", "ignore"] = "reject"
    nested: bool = False
    _clauses: dict[tuple[str, ...], Executable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.columns is not None:
            self.shape.pick(self.columns, f"{self.place}.columns")
        if self.overwrite is not None:
            self.shape.pick(self.overwrite, f"{self.place}.update")
        keyed = self.kind != "insert"
        self._key = self.shape.pick(self.key or self.shape.key, f"{self.place}.key") if keyed else ()
        if keyed and not self._key:
            raise Misconfigured(f"{self.place}: table '{self.shape.name}' has no primary key; name the columns in key")
        self._single = any(one <= set(self._key) for one in self.shape.unique)

    def call(self, row: Any) -> Call:
        """Bind *row*. Raises Rejected for this row, Misconfigured for a field that is no column."""
        if not isinstance(row, Mapping):
            raise Rejected(f"{self.place}: a row needs named fields, and this record is no object")
        columns = self._columns(row)
        for name in self._key:
            if row[name] is None:
                raise Rejected(f"{self.place}: '{name}' is null, and a key cannot be")
        values = {f"c{index}": self._bind(name, row[name]) for index, name in enumerate(columns)}
        return Call(self._clause(columns), values, self._expects(), self._single)

    def _bind(self, name: str, value: Any) -> Any:
        try:
            return bindable(value, self.nested)
        except Rejected as error:
            raise Rejected(f"{self.place}: '{name}': {error}") from None

    def _columns(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        if self.kind == "delete":
            wanted = self._key
        elif self.columns is None:
            wanted = tuple(row)
            if wanted not in self._clauses:
                self.shape.pick(wanted, self.place)
        else:
            wanted = tuple(self.columns)
        for name in (*wanted, *self._key):
            if name not in row:
                raise Rejected(f"{self.place}: the record has no field '{name}'")
        return wanted if self.columns is None else tuple(dict.fromkeys((*wanted, *self._key)))

    def _expects(self) -> Callable[[int], str | None] | None:
        return self._no_row if self.kind in ("update", "delete") and self.missing == "reject" else None

    def _no_row(self, touched: int) -> str | None:
        if touched:
            return None
        return f"no-row: {self.place}: no row of '{self.shape.name}' has this {' and '.join(self._key)}"

    def _clause(self, columns: tuple[str, ...]) -> Executable:
        if columns not in self._clauses:
            self._clauses[columns] = self._build(columns)
        return self._clauses[columns]

    def _build(self, columns: Sequence[str]) -> Executable:
        table = self.shape.clause
        binds: dict[str, Any] = {name: bindparam(f"c{index}") for index, name in enumerate(columns)}
        if self.kind == "insert":
            return insert(table).values(binds)
        if self.kind == "upsert":
            rest = [name for name in columns if name not in self._key]
            return upsert(self.dialect, table, binds, self._key, rest if self.overwrite is None else self.overwrite)
        same = and_(*(table.c[name] == binds[name] for name in self._key))
        if self.kind == "delete":
            return delete(table).where(same)
        rest = [name for name in columns if name not in self._key]
        if not rest:
            raise Misconfigured(f"{self.place}: the record has only the key's columns; there is nothing to set")
        return update(table).where(same).values({name: binds[name] for name in rest})
