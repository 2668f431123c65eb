"""What a query gives: the names of its columns and what they hold, as far as its text and the tables tell.

Only the outer list of selected columns is read, and with it where its columns come from. Whatever is unusual makes a
column, or the whole, unknown; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

from engine.compiler.shapes.columns import columns_of, plain
from engine.compiler.shapes.ddl import dotted_name
from engine.compiler.shapes.scope import AFTER_FROM, AFTER_LIST, JOINS, NO_ALIAS, SETS, WORDS, From, Scope, Unknown
from engine.compiler.shapes.tables import Database
from engine.compiler.shapes.tokens import Part, Token, bare, closing, find, split, tokens
from engine.definition.nearest import did_you_mean
from engine.expressions.types.model import ANY, Field, Type, made_of

_LONGEST = 200_000
_DEEPEST = 16
"""Queries inside of queries."""
_NAMES_ITS_OWN = ("as", "collate", "join", "lateral", "over", "window")
"""Behind these words stands the name of something that is no column."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What a query gives."""

    type: Type
    unknown: tuple[Unknown, ...] = ()


def read_query(sql: str, database: Database | None, dialect: str, known_from: str) -> Selected:
    """Return what *sql*, one query, gives; a type that is ANY where its text does not tell."""
    part = tokens(sql) if len(sql) <= _LONGEST else []
    while part and part[-1].sign(";"):
        part.pop()
    scope = Scope(database, dialect=dialect)
    made = _query(part, scope) if bare(part) and not any(token.sign(";") for token in part) else None
    if made is None:
        return Selected(ANY)
    return Selected(replace(made, known_from=known_from), tuple(scope.unknown))


def _query(part: Part, scope: Scope) -> Type | None:
    scope.depth += 1
    try:
        return _one_query(part, scope) if scope.depth <= _DEEPEST else None
    finally:
        scope.depth -= 1


def _one_query(part: Part, scope: Scope) -> Type | None:
    if part and part[0].word("with"):
        start = _with(part, scope)
        if start < 0:
            return None
        part = part[start:]
    if not part or not part[0].word("select"):
        return None
    together = find(part, SETS)
    if together < 0:
        return _select(part, scope)
    made = _select(part[:together], scope)
    # the other queries may hold other things in these columns
    return None if made is None else replace(made, fields={name: Field(ANY) for name in made.fields})


def _with(part: Part, scope: Scope) -> int:
    """Read ``with a as (…), b as (…)``; return where the query begins, -1 where that is unclear."""
    at = 1
    recursive = at < len(part) and part[at].word("recursive")
    at += recursive
    while at < len(part):
        if not part[at].named:
            return -1
        name, at = part[at].value, at + 1
        listed = at < len(part) and part[at].sign("(")
        if listed:
            at = closing(part, at) + 1
        if at >= len(part) or not part[at].word("as"):
            return -1
        at += 1
        while at < len(part) and part[at].word("not", "materialized"):
            at += 1
        if at >= len(part) or not part[at].sign("("):
            return -1
        end = closing(part, at)
        scope.named[name.lower()] = None  # inside of itself it is not known
        inner = None if recursive or listed else _query(part[at + 1 : end], scope)
        scope.named[name.lower()] = inner
        at = end + 1
        if at < len(part) and part[at].sign(","):
            at += 1
            continue
        return at
    return -1


def _select(part: Part, scope: Scope) -> Type | None:
    start = 1
    if start < len(part) and part[start].word("distinct", "all"):
        start += 1
        if start < len(part) and part[start].word("on"):
            start = closing(part, start + 1) + 1
    end = _list_end(part, start)
    items = split(part[start:end])
    if any(token.word("into") for token in part[end : end + 1]):
        return None
    sources = list(_sources(part[end:], scope))
    _names(part[end:], items, sources, scope)
    compared = {token.value.lower() for token in _conditions(part[end:]) if token.named}
    fields: dict[str, Field] = {}
    open_ended = False
    for item in items:
        made = columns_of(item, sources, scope)
        if made is None:
            return None
        for name, type_ in made:
            if not name or name in fields:
                open_ended = True
            elif name:
                # a column that a condition speaks of may not be null any more
                fields[name] = Field(type_.without_null() if name.lower() in compared and not type_.any else type_)
    return made_of(fields, "yes" if open_ended else "no")


def _aliases(items: Sequence[Part]) -> Iterator[str]:
    """Yield the names that the selected columns have, for ``order by`` and ``having``."""
    for item in items:
        if item and item[-1].named:
            yield item[-1].value.lower()


def _names(part: Part, items: Sequence[Part], sources: Sequence[From], scope: Scope) -> None:
    """Note the names in selected expressions, conditions and orders that no table has, and one that it has is like."""
    known = {source.alias: source.record for source in sources}
    if not known or any(one is None or one.further != "no" for one in known.values()):
        return
    every = [name for one in known.values() if one is not None for name in one.fields]
    names = {*(name.lower() for name in every), *_aliases(items), *known, *WORDS}
    of = " and ".join(one.known_from for one in known.values() if one is not None and one.known_from)
    start = find(part, ("where", "on", "group", "having", "order"))
    conditions = part[start : _end_of_conditions(part)] if start >= 0 else ()
    for piece in (*(item for item in items if not plain(item)), conditions):
        if any(token.word("select") for token in piece):
            continue  # inside of that other names mean something
        for token in _unknown(piece, names):
            if did_you_mean(token.value, every):
                scope.unknown.append(Unknown("column", token.value, of, tuple(every)))


def _unknown(part: Part, names: Set[str]) -> Iterator[Token]:
    """Yield what reads like the name of a column and is none of *names*."""
    for index, token in enumerate(part):
        before, after = part[index - 1 if index else index], part[index + 1] if index + 1 < len(part) else None
        if token.kind != "name" or token.value in names or before.sign(".", "::") or before.word(*_NAMES_ITS_OWN):
            continue
        if after is None or not (after.sign(".", "(") or after.kind == "text" or _aliased(after)):
            yield token


def _aliased(after: Token) -> bool:
    """Whether what stands before is a table, and this the alias it gets."""
    return after.named and after.value not in WORDS


def _end_of_conditions(part: Part) -> int:
    at = find(part, ("limit", "offset", "fetch", "for", "window"))
    return at if at >= 0 else len(part)


def _list_end(part: Part, start: int) -> int:
    at = find(part, AFTER_LIST, start)
    while at > 0 and part[at].value == "from" and part[at - 1].word("distinct"):
        at = find(part, AFTER_LIST, at + 1)  # `a is distinct from b`
    return len(part) if at < 0 else at


def _after(part: Part, start: int) -> int:
    at = find(part, AFTER_FROM, start)
    return len(part) if at < 0 else at


def _conditions(part: Part) -> Sequence[Token]:
    """Return what may leave rows out: from the first join or ``where`` up to the order."""
    at, end = find(part, ("on", "using", "where", "having")), find(part, ("order", "limit", "offset", "fetch"))
    return part[at : end if end >= 0 else len(part)] if at >= 0 else ()


def _sources(part: Part, scope: Scope) -> Iterator[From]:
    if not part or not part[0].word("from"):
        return
    made: list[From] = []
    for piece in split(part[1 : _after(part, 1)]):
        at, maybe = 0, False
        while 0 <= at < len(piece):
            one, at = _one_source(piece, at, scope, maybe)
            made.append(one)
            at, maybe, before = _next_join(piece, at)
            if before:
                made = [replace(other, maybe=True) for other in made]
    yield from made


def _next_join(piece: Part, at: int) -> tuple[int, bool, bool]:
    """Find the next joined table: where it stands, whether its rows may be absent, and whether those before it may."""
    words: list[str] = []
    while at < len(piece):
        token = piece[at]
        if token.sign("("):
            at = closing(piece, at)
        elif token.word(*JOINS):
            words.append(token.value)
            if token.value == "join":
                kinds = set(words)
                at += 2 if at + 1 < len(piece) and piece[at + 1].word("lateral") else 1
                return at, bool(kinds & {"left", "full"}), bool(kinds & {"right", "full"})
        at += 1
    return -1, False, False


def _one_source(piece: Part, at: int, scope: Scope, maybe: bool) -> tuple[From, int]:
    record: Type | None = None
    name = ""
    if piece[at].sign("("):
        end = closing(piece, at)
        inner = piece[at + 1 : end]
        record = _query(inner, scope) if inner and inner[0].word("select", "with") else None
        at = end + 1
    else:
        name, at = dotted_name(piece, at)
        if at < len(piece) and piece[at].sign("("):
            at = closing(piece, at) + 1  # a function that gives rows
        elif name:
            record = _table(name, scope)
    alias = name.rpartition(".")[2]
    if at < len(piece) and piece[at].word("as"):
        at += 1
    if at < len(piece) and piece[at].named and piece[at].value not in NO_ALIAS:
        alias, at = piece[at].value, at + 1
        if at < len(piece) and piece[at].sign("("):
            record, at = None, closing(piece, at) + 1  # names of its own for the columns
    return From(alias.lower(), record, maybe), max(at, 1)


def _table(name: str, scope: Scope) -> Type | None:
    if name.lower() in scope.named:
        return scope.named[name.lower()]
    if scope.database is None:
        return None
    table = scope.database.table(name)
    if table is None:
        scope.unknown.append(
            Unknown("table", name, scope.database.known_from, tuple(one.name for one in scope.database.tables.values()))
        )
        return None
    fields = {one.name: Field(one.read) for one in table.columns.values()}
    return made_of(fields, "no" if table.whole else "yes", table.name)
