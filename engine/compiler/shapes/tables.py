"""Tables of a database as a file describes them: their columns, what these hold, and what a new row must have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.compiler.shapes.files import Files, Unreadable
from engine.compiler.shapes.tokens import MAX_LENGTH
from engine.expressions.types.model import ANY, INTEGER, NUMBER, TEXT, Field, Kind, Type, made_of

_MOMENT: frozenset[Kind] = frozenset({"text", "integer", "number"})
_BOOLEAN: frozenset[Kind] = frozenset({"boolean", "integer"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column: *kind* is its declared type, in lower case."""

    name: str
    kind: str = ""
    nullable: bool = True
    needed: bool = False
    """Whether a new row is refused without it: not null, and nothing fills it in."""

    @property
    def read(self) -> Type:
        """What comes out of it."""
        made = _type(self.kind)
        return made.or_null() if self.nullable else made.without_null()


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view; *whole*: no other columns."""

    name: str
    columns: Mapping[str, Column]
    """By name in lower case."""
    key: tuple[str, ...] = ()
    whole: bool = True
    known_from: str = ""

    def takes(self, known_from: str = "") -> Type:
        """Return what a new row may be."""
        fields = {one.name: Field(_written(one), one.needed) for one in self.columns.values()}
        return made_of(fields, "no" if self.whole else "yes", known_from or self.known_from)


Tables = Mapping[str, Table]
"""By name in lower case, with its schema where that is written."""


@dataclass(frozen=True, slots=True)
class Database:
    """What a file says of a database."""

    tables: Tables = field(default_factory=dict)
    known_from: str = ""

    def table(self, name: str) -> Table | None:
        """Return a table by its name, as SQL writes it; a schema that only one side names does not count."""
        wanted = name.lower()
        short = wanted.rpartition(".")[2]
        for known in (wanted, short):
            if known in self.tables:
                return self.tables[known]
        alike = [one for known, one in self.tables.items() if known.rpartition(".")[2] == short]
        return alike[0] if len(alike) == 1 and "." not in wanted else None


def read_database(files: Files, name: str) -> Database:
    """Read a script with ``create table`` statements, or the JSON of ``engine learn``. Raises Unreadable."""
    return files.once(("database", name), lambda: _database(files, name))


def _database(files: Files, name: str) -> Database:
    if name.endswith(".json"):
        made = _learned(files.data(name), name)
    else:
        from engine.compiler.shapes.ddl import read_script

        text = files.text(name)
        if len(text) > MAX_LENGTH:
            raise Unreadable(f"'{name}' is larger than {MAX_LENGTH >> 20} MiB", "keep only the tables that are used")
        made = read_script(text, name)
    if not made:
        raise Unreadable(
            f"'{name}' names no table", "write create table statements, or make it with: engine learn CONNECTION"
        )
    return Database(made, name)


def _learned(value: Any, name: str) -> dict[str, Table]:
    named = value.get("tables") if isinstance(value, Mapping) else None
    if not isinstance(named, Mapping):
        raise Unreadable(f"'{name}' has no tables", "make it with: engine learn CONNECTION")
    return {str(table).lower(): _table(str(table), body, name) for table, body in named.items()}


def _table(name: str, body: Any, file: str) -> Table:
    columns = body.get("columns") if isinstance(body, Mapping) else None
    if not isinstance(columns, Mapping):
        raise Unreadable(f"'{file}': the table '{name}' has no columns", "make it with: engine learn CONNECTION")
    made = [_column(str(column), facts, file) for column, facts in columns.items()]
    key = body.get("key", ())
    return Table(name, {one.name.lower(): one for one in made}, tuple(map(str, key)), True, f"{file}, table {name}")


def _column(name: str, facts: Any, file: str) -> Column:
    if not isinstance(facts, Mapping):
        raise Unreadable(f"'{file}': the column '{name}' is not described", "make it with: engine learn CONNECTION")
    kind = str(facts.get("type", "")).lower()
    return Column(name, kind, facts.get("null", True) is not False, facts.get("needed") is True)


_WIDTH = re.compile(r"(?:var)?char(?:acter)?(?:\s+varying)?\s*\(\s*(\d+)|^(?:n|native\s+)?(?:var)?char2?\s*\(\s*(\d+)")
_WHOLE = frozenset(
    [
        "integer",
        "int",
        "bigint",
        "smallint",
        "tinyint",
        "mediumint",
        "int2",
        "int4",
        "int8",
        "serial",
        "bigserial",
        "smallserial",
    ]
)
_NUMBER = frozenset(["numeric", "decimal", "real", "float", "double", "float4", "float8", "number", "money"])
_TEXT = frozenset(
    [
        "text",
        "varchar",
        "char",
        "character",
        "nvarchar",
        "nchar",
        "clob",
        "citext",
        "uuid",
        "bpchar",
        "varchar2",
    ]
)
_TIME = frozenset(["date", "datetime", "timestamp", "timestamptz", "time", "timetz"])


def _type(kind: str) -> Type:
    first = re.match(r"[a-z_][\w]*", kind)
    word = first[0] if first else ""
    if "[" in kind or " array" in kind:
        return ANY
    if word in _WHOLE:
        return INTEGER
    if word in _NUMBER:
        return NUMBER
    if word in _TEXT:
        return TEXT
    if word in _TIME:
        return Type(_MOMENT)
    if word in ("boolean", "bool"):
        return Type(_BOOLEAN)
    return ANY


def longest(kind: str) -> int | None:
    """Return how many characters a declared type takes, where it says so."""
    found = _WIDTH.search(kind)
    return int(found[1] or found[2]) if found else None


def _written(column: Column) -> Type:
    """Return what may be written into a column: databases convert, so only what no database takes is refused."""
    made = _type(column.kind)
    if made in (INTEGER, NUMBER):
        # a text of digits and a boolean are converted by every database
        made = Type(frozenset({"integer", "number", "boolean", "text"}))
    elif made == TEXT:
        made = Type(frozenset({"text", "integer", "number", "boolean"}), longest=longest(column.kind))
    elif not made.any:
        made = Type(frozenset({"text", "integer", "number", "boolean"}))
    nullable = column.nullable or not column.needed
    return made.or_null() if nullable else made.without_null()
