"""The closed list of identifiers: a table as the database describes it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, TableClause, column, inspect, literal_column, select, table, text
from sqlalchemy.exc import NoSuchTableError, OperationalError

from engine.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table or view is made of."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    """The primary key; empty: none."""
    nullable: frozenset[str]
    unique: tuple[frozenset[str], ...]
    """Every set of columns that holds each value once, the primary key included."""
    row_id: str | None
    """SQLite's hidden row number, where the table has one."""
    clause: TableClause
    """Without column types: values go to the driver, and come from it, as they are."""

    def pick(self, names: Sequence[str], place: str) -> tuple[str, ...]:
        """Return *names*, all of them columns. Raises Misconfigured with the nearest name."""
        for name in names:
            if name not in self.columns:
                near = nearest(name, self.columns)
                raise Misconfigured(f"{place}: table '{self.name}' has no column '{name}'; {near}")
        return tuple(names)


def nearest(name: str, known: Sequence[str]) -> str:
    """Say which of *known* was meant, or list them."""
    lowered = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), lowered, 1)
    return f"did you mean '{lowered[near[0]]}'?" if near else f"it has: {', '.join(known[:20]) or 'nothing'}"


def reflect(connection: Connection, name: str) -> Shape:
    """Read a table's shape; ``schema.table`` names a schema. Raises Misconfigured with the nearest name."""
    look = inspect(connection)
    schema, _, short = name.rpartition(".")
    try:
        described = look.get_columns(short, schema=schema or None)
    except NoSuchTableError:
        known = [*look.get_table_names(schema or None), *look.get_view_names(schema or None)]
        near = nearest(short, known)
        raise Misconfigured(f"there is no table '{name}' in this database; {near}") from None
    columns = tuple(one["name"] for one in described)
    key = tuple(look.get_pk_constraint(short, schema=schema or None)["constrained_columns"])
    unique = [frozenset(one["column_names"]) for one in look.get_unique_constraints(short, schema=schema or None)]
    for index in look.get_indexes(short, schema=schema or None):
        # an index over an expression or a part of the rows proves nothing about the columns
        if index["unique"] and None not in index["column_names"] and not index.get("dialect_options"):
            unique.append(frozenset(one for one in index["column_names"] if one))
    return Shape(
        name=name,
        columns=columns,
        key=key,
        nullable=frozenset(one["name"] for one in described if one["nullable"]),
        unique=(*([frozenset(key)] if key else []), *unique),
        row_id=_row_id(connection, short, columns),
        clause=table(short, *(column(one) for one in columns), schema=schema or None),
    )


def _row_id(connection: Connection, name: str, columns: Sequence[str]) -> str | None:
    if connection.dialect.name != "sqlite":
        return None
    taken = {one.lower() for one in columns}
    free = next((one for one in ("_rowid_", "rowid", "oid") if one not in taken), None)
    kind = text("select type from sqlite_master where lower(name) = lower(:name) and type in ('table', 'view')")
    if free is None or connection.execute(kind, {"name": name}).scalar() != "table":
        return None
    try:
        connection.execute(select(literal_column(free)).select_from(table(name)).limit(0)).close()
    except OperationalError:
        return None  # made WITHOUT ROWID; its primary key is never null
    return free
