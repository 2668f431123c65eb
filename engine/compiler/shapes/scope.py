"""What a query's names can mean: the words of SQL, and what stands after ``from``."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.compiler.shapes.tables import Database
from engine.expressions.types.model import Type

AFTER_LIST = (
    "from", "where", "group", "having", "window", "order", "limit", "offset", "fetch", "union", "intersect", "except",
    "for", "into",
)  # fmt: skip
AFTER_FROM = AFTER_LIST[1:]
SETS = ("union", "intersect", "except")
JOINS = ("join", "inner", "cross", "left", "right", "full", "outer", "natural", "lateral", "straight_join")
NO_ALIAS = frozenset((*AFTER_LIST, *JOINS, "on", "using", "as", "tablesample", "indexed", "not"))
NO_NAME = frozenset(
    ("end", "null", "true", "false", "and", "or", "not", "is", "in", "like", "between", "asc", "desc", "distinct",
     "all", "case", "when", "then", "else", "current_date", "current_time", "current_timestamp", "precision",
     "zone", "isnull", "notnull", "user", "current_user", "session_user",
     "select", "with", "values")
)  # fmt: skip
OPERATORS = frozenset(
    ("and", "or", "not", "is", "in", "like", "ilike", "glob", "regexp", "match", "between", "escape", "distinct",
     "from", "then", "else", "when", "case", "at", "over", "similar", "to", "collate", "any", "some", "all", "exists",
     "interval", "within", "group", "operator", "using", "by", "zone", "time", "precision")
)  # fmt: skip
HIDDEN = ("rowid", "oid", "_rowid_", "ctid")
WORDS = OPERATORS | NO_NAME | frozenset(
    (*AFTER_LIST, *JOINS, *HIDDEN, "on", "using", "nulls", "first", "last", "next", "only", "ties", "filter",
     "partition", "rows", "range", "groups", "row", "unbounded", "preceding", "following", "current", "exclude",
     "others", "ignore", "respect", "placing", "separator", "value", "key",
     "year", "quarter", "month", "week", "day", "hour", "minute", "second", "epoch", "dow", "doy", "isodow", "isoyear",
     "leading", "trailing", "both", "array", "date", "timestamp", "grouping", "rollup", "cube", "indexed", "unknown",
     "localtime", "localtimestamp", "current_role", "current_schema")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name in a query that the tables do not have."""

    what: str
    """``table`` or ``column``."""
    name: str
    of: str
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class From:
    """One of what stands after ``from``; *record* None: nothing is known of it."""

    alias: str
    record: Type | None
    maybe: bool = False
    """Outer-joined: each of its columns can be null."""


@dataclass(slots=True)
class Scope:
    """What the reading of one query knows, and the names it did not find."""

    database: Database | None
    named: dict[str, Type | None] = field(default_factory=dict)
    """What ``with`` names; None: unknown."""
    unknown: list[Unknown] = field(default_factory=list)
    depth: int = 0
    dialect: str = ""
    """``sqlite`` keeps names as they are written, the others make those without quotes lower case; empty: which?"""
