"""Statements that change rows, against the tables: the columns that ``insert`` and ``update`` name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.compiler.shapes.ddl import dotted_name
from engine.compiler.shapes.scope import Unknown
from engine.compiler.shapes.tables import Database, Table
from engine.compiler.shapes.tokens import MAX_LENGTH, Part, Token, closing, find, split, tokens


def unknown_in(sql: str, database: Database) -> Iterator[Unknown]:
    """Yield the table, or the columns, that one statement names and the database does not have."""
    part = tokens(sql) if len(sql) <= MAX_LENGTH else []
    while part and part[-1].sign(";"):
        part.pop()
    if len(part) < 4 or find(part, ("with",)) == 0:
        return
    at = 2 if part[0].word("insert") and part[1].word("into") else 1 if part[0].word("update") else 0
    if part[0].word("delete") and part[1].word("from"):
        at = 2
    name, after = dotted_name(part, at) if at else ("", 0)
    if not name:
        return
    table = database.table(name)
    if table is None:
        yield Unknown("table", name, database.known_from, tuple(one.name for one in database.tables.values()))
    elif table.whole:
        for token in _named(part, after):
            if token.value.lower() not in table.columns:
                yield Unknown("column", token.value, table.name, _names(table))


def _named(part: Part, after: int) -> Iterator[Token]:
    if part[0].word("insert"):
        if after < len(part) and part[after].sign("("):
            yield from _plain(split(part[after + 1 : closing(part, after)]))
        return
    start = find(part, ("set",), after)
    if part[0].word("update") and start >= 0:
        end = find(part, ("from", "where", "returning"), start)
        items = split(part[start + 1 : end if end >= 0 else len(part)])
        yield from (item[0] for item in items if len(item) > 2 and item[0].named and item[1].sign("="))


def _plain(items: Sequence[Part]) -> Iterator[Token]:
    yield from (item[0] for item in items if len(item) == 1 and item[0].named)


def _names(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns.values())
