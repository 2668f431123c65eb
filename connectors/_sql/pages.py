"""A table read page by page behind its key, so that between two pages no lock is held. Pure but for ``fetch``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, literal_column, null, or_, select, text, tuple_
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from connectors._sql.binds import Sql, parse
from connectors._sql.tables import Shape
from connectors._sql.values import bindable
from engine.errors import Misconfigured

PAGE = 1024

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Plan:
    """What is read from a table, in which order."""

    shape: Shape
    names: tuple[str, ...]
    """The columns of the records."""
    order: tuple[str, ...]
    """The cursor's fields, then what tells rows with equal fields apart."""
    cursor: Mapping[str, Any] | None
    where: Sql | None
    values: Mapping[str, Any]
    """Of the binds in *where*."""

    @property
    def paged(self) -> bool:
        """Rows can be told apart, so that reading may go on behind any of them."""
        return self.shape.row_id in self.order or bool(self.shape.key)

    def select(self, last: Sequence[Any] | None) -> Select[Any]:
        """Return the page behind *last*, the order's values of the last row read; None: the first page."""
        extra = [name for name in self.order if name not in self.names]
        plan = select(*map(self._column, (*self.names, *extra))).select_from(self.shape.clause)
        plan = plan.where(*self._conditions()).order_by(*map(self._column, self.order))
        if last is not None:
            return plan.where(self._behind(self.order, last))
        if self.cursor:
            return plan.where(self._behind(tuple(self.cursor), tuple(self.cursor.values())))
        return plan

    def nulls(self) -> Select[Any] | None:
        """Return a query for one row that no cursor reaches, because a field of it is null; None: no such field."""
        fields = [field for field in self.cursor or () if field in self.shape.nullable]
        if not fields:
            return None
        missing = or_(*(self._column(field).is_(null()) for field in fields))
        return select(literal_column("1")).select_from(self.shape.clause).where(missing, *self._own()).limit(1)

    def position(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """Return the order's values of *row*."""
        columns = (*self.names, *(name for name in self.order if name not in self.names))
        return tuple(row[columns.index(name)] for name in self.order)

    def flat(self, dialect: Dialect) -> tuple[Sql, dict[str, Any]]:
        """Return the whole reading as one statement with its values, for what has no key (a view)."""
        named: Any = type(dialect)
        compiled = self.select(None).compile(dialect=named(paramstyle="named"))
        flat = parse(str(compiled), self.shape.name)
        return flat, flat.values({**compiled.params, **self.values}, self.shape.name)

    def _conditions(self) -> list[ColumnElement[Any]]:
        # a row with a null field has no place in the order, and comparing with it would skip its neighbours
        fields = [field for field in self.cursor or () if field in self.shape.nullable]
        return [*(self._column(field).is_not(null()) for field in fields), *self._own()]

    def _own(self) -> list[ColumnElement[Any]]:
        return [and_(text(f"({self.where.escaped})"))] if self.where else []

    def _behind(self, names: Sequence[str], values: Sequence[Any]) -> ColumnElement[Any]:
        columns = [self._column(name) for name in names]
        binds: list[ColumnElement[Any]] = [
            bindparam(f"at{index}", bindable(value)) for index, value in enumerate(values)
        ]
        return columns[0] > binds[0] if len(columns) == 1 else tuple_(*columns) > tuple_(*binds)

    def _column(self, name: str) -> ColumnElement[Any]:
        return literal_column(name) if name == self.shape.row_id else self.shape.clause.c[name]


def plan(
    shape: Shape,
    columns: Sequence[str] | None,
    cursor: Mapping[str, Any] | None,
    where: tuple[Sql | None, Mapping[str, Any]],
) -> Plan:
    """Choose columns and order. Raises Misconfigured for names the table has not."""
    names = shape.pick(columns or shape.columns, "columns")
    fields = shape.pick(tuple(cursor or ()), "cursor")
    for field in fields:
        if field not in names:
            raise Misconfigured(f"cursor: '{field}' is not among the columns that are read; add it to columns")
    tie = (shape.row_id,) if shape.row_id else shape.key
    order = (*fields, *(name for name in tie if name not in fields))
    return Plan(shape, names, order, cursor, *where)


async def fetch(connection: AsyncConnection, wanted: Select[Any], values: Mapping[str, Any]) -> Rows:
    """Read all of one page and end the transaction."""
    rows: Rows = (await connection.execute(wanted, dict(values))).fetchall()
    await connection.rollback()
    return rows
