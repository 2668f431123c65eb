"""Reads ``create table`` statements, as SQLite and PostgreSQL write them; other statements are passed over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from engine.compiler.shapes.tables import Column, Table
from engine.compiler.shapes.tokens import Part, Token, closing, split, tokens

_CONSTRAINTS = ("constraint", "primary", "unique", "check", "foreign", "exclude", "like", "period", "key", "index")
_ENDS_TYPE = (
    "not", "null", "default", "primary", "unique", "check", "references", "constraint", "generated", "collate",
    "autoincrement", "auto_increment", "on", "as", "storage", "compression", "comment", "identity",
)  # fmt: skip
_FILLED = ("default", "generated", "autoincrement", "auto_increment", "identity", "as")
_COUNTED = ("serial", "bigserial", "smallserial", "serial4", "serial8", "serial2")


def read_script(text: str, file: str) -> dict[str, Table]:
    """Return the tables that a script makes, by name in lower case."""
    made: dict[str, Table] = {}
    for statement in split(tokens(text), ";"):
        found = _created(statement, file)
        if found is not None:
            made[found.name.lower()] = found
        else:
            _altered(statement, made)
    return made


def _created(part: Part, file: str) -> Table | None:
    if not part or not part[0].word("create"):
        return None
    at = next((index for index, token in enumerate(part[:6]) if token.word("table")), -1)
    if at < 0:
        return None
    at += 1
    if [token.value for token in part[at : at + 3]] == ["if", "not", "exists"]:
        at += 3
    name, at = dotted_name(part, at)
    if not name or at >= len(part) or not part[at].sign("("):
        return None  # made of a query: its columns are elsewhere
    inner = part[at + 1 : closing(part, at)]
    return _with_keys(name, [item for item in split(inner) if item], file)


def dotted_name(part: Part, at: int) -> tuple[str, int]:
    """Read ``schema.table`` from *at*; return it and what follows."""
    words: list[str] = []
    while at < len(part) and part[at].named:
        words.append(part[at].value)
        at += 1
        if at >= len(part) or not part[at].sign("."):
            break
        at += 1
    return ".".join(words), at


def _with_keys(name: str, items: Sequence[Part], file: str) -> Table:
    columns: dict[str, Column] = {}
    key: tuple[str, ...] = ()
    whole = True
    for item in items:
        if item[0].word(*_CONSTRAINTS) and not _is_column(item):
            whole = whole and not item[0].word("like")
            key = _primary(item) or key
            continue
        column, is_key = _column(item)
        if column is not None:
            columns[column.name.lower()] = column
            key = (column.name,) if is_key else key
    for one in key:
        column = columns.get(one.lower())
        if column is not None:
            columns[one.lower()] = replace(column, nullable=False, needed=_needed_key(column, key))
    return Table(name, columns, key, whole, f"{file}, table {name}")


def _is_column(item: Part) -> bool:
    """Whether a column has such a name: ``key text``, ``period integer``."""
    return item[0].word("key", "period", "like", "index") and len(item) > 1 and item[1].kind == "name"


def _needed_key(column: Column, key: tuple[str, ...]) -> bool:
    # SQLite counts up an integer key that is left out
    return not (len(key) == 1 and column.kind.startswith("int")) and (column.needed or column.nullable)


def _primary(item: Part) -> tuple[str, ...]:
    for index in range(len(item) - 2):
        if item[index].word("primary") and item[index + 1].word("key") and item[index + 2].sign("("):
            names = split(item[index + 3 : closing(item, index + 2)])
            return tuple(name[0].value for name in names if name)
    return ()


def _column(item: Part) -> tuple[Column | None, bool]:
    if not item[0].named:
        return None, False
    kind = list(_type(item[1:]))
    rest = list(_flat(item[1 + len(kind) :]))
    words = [token.value for token in rest]
    pairs = set(pairwise(words))
    primary = ("primary", "key") in pairs
    declared = "".join(token.written if token.kind != "name" else f" {token.value}" for token in kind).strip()
    counted = bool(kind) and kind[0].word(*_COUNTED)
    nullable = not (("not", "null") in pairs or primary or counted)
    filled = counted or any(token.word(*_FILLED) for token in rest)
    if primary and declared.startswith("int"):
        filled = True
    return Column(item[0].value, declared, nullable, not nullable and not filled), primary


def _type(part: Part) -> Iterator[Token]:
    depth = 0
    for token in part:
        if depth == 0 and token.word(*_ENDS_TYPE):
            return
        depth += token.sign("(") - token.sign(")")
        yield token


def _flat(part: Part) -> Iterator[Token]:
    depth = 0
    for token in part:
        depth += token.sign("(")
        if depth == 0:
            yield token
        depth -= token.sign(")")


def _altered(part: Part, made: dict[str, Table]) -> None:
    """A later ``alter table`` counts, too; a column that goes or changes its name leaves the table open."""
    if len(part) < 5 or not (part[0].word("alter") and part[1].word("table")):
        return
    at = 2
    while at < len(part) and part[at].word("if", "exists", "only"):
        at += 1
    name, at = dotted_name(part, at)
    table = made.get(name.lower())
    if table is None:
        return
    for action in split(part[at:]):
        table = _changed(table, action)
    made[name.lower()] = table


def _changed(table: Table, action: Part) -> Table:
    if len(action) < 2 or not action[0].word("add", "alter", "drop", "rename"):
        return table
    rest = action[2:] if action[1].word("column") else action[1:]
    if action[0].word("add"):
        if [token.value for token in rest[:3]] == ["if", "not", "exists"]:
            rest = rest[3:]
        column = None if not rest or rest[0].word(*_CONSTRAINTS) else _column(rest)[0]
        return table if column is None else replace(table, columns={**table.columns, column.name.lower(): column})
    if action[0].word("alter"):
        known = table.columns.get(rest[0].value.lower()) if rest else None
        if known is None or not any(token.word(*_FILLED) for token in rest):
            return table
        return replace(table, columns={**table.columns, known.name.lower(): replace(known, needed=False)})
    return table if rest and rest[0].word("constraint") else replace(table, whole=False)
