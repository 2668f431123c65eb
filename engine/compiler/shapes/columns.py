"""One item of a list of selected columns: the names that it gives, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence

from engine.compiler.shapes.ddl import dotted_name
from engine.compiler.shapes.scope import HIDDEN, NO_NAME, OPERATORS, From, Scope, Unknown
from engine.compiler.shapes.tokens import Part, Token, closing
from engine.expressions.types.model import ANY, INTEGER, NUMBER, TEXT, Type

Named = Sequence[tuple[str, Type]]


def columns_of(item: Part, sources: Sequence[From], scope: Scope) -> Named | None:
    """Return the columns that one item of the list gives; a name that is not known is empty. None: odd."""
    if not item:
        return None
    if item[-1].sign("*") and (len(item) == 1 or item[-2].sign(".")):
        return _star(item, sources)
    if len(item) >= 3 and item[-2].word("as") and item[-1].named:
        return [(_written(item[-1], scope), _value(item[:-2], sources, scope))]
    column = plain(item)
    if column is not None:
        return [_plain(item, *column, sources, scope)]
    if item[-1].named and item[-1].value not in NO_NAME and _ends(item[-2]):
        return [(_written(item[-1], scope), _value(item[:-1], sources, scope))]
    return [("", ANY)]


def _ends(token: Token) -> bool:
    """Whether an expression can end there, so that a name after it is its alias."""
    if token.named:
        return token.kind == "quoted" or token.value not in OPERATORS
    return token.kind in ("number", "text", "bind") or token.sign(")")


def _star(item: Part, sources: Sequence[From]) -> Named | None:
    if len(item) == 1:
        chosen = list(sources)
    elif len(item) == 3 and item[0].named:
        chosen = [one for one in sources if one.alias == item[0].value.lower()]
    else:
        return None
    if not chosen or any(one.record is None or one.record.further != "no" for one in chosen):
        return None
    return [
        (name, _maybe(one.type, source.maybe))
        for source in chosen
        if source.record is not None
        for name, one in source.record.fields.items()
    ]


def _maybe(type_: Type, maybe: bool) -> Type:
    return type_.or_null() if maybe else type_


def plain(item: Part) -> tuple[str, Token] | None:
    """Return the table's alias, or nothing, and the name, where *item* is a column and nothing else."""
    name, at = dotted_name(item, 0)
    if not name or at != len(item) or (item[-1].value in NO_NAME and item[-1].kind == "name"):
        return None
    return (item[-3].value.lower() if len(item) >= 3 else ""), item[-1]


def _plain(item: Part, alias: str, token: Token, sources: Sequence[From], scope: Scope) -> tuple[str, Type]:
    found = _find(alias, token.value, sources)
    if found is not None:
        return found
    candidates = [one for one in sources if not alias or one.alias == alias]
    if candidates and all(one.record is not None and one.record.further == "no" for one in candidates):
        known = tuple(name for one in candidates for name in (one.record or ANY).fields)
        named = [one.record.known_from or one.alias for one in candidates if one.record is not None]
        # SQLite takes a quoted name that is no column for a text
        if token.kind == "name" and token.value not in HIDDEN:
            scope.unknown.append(Unknown("column", token.value, " and ".join(named), known))
            return "", ANY  # said already: what reads the column under its right name is not wrong besides
        return token.value, ANY
    return _written(token, scope), ANY


def _find(alias: str, name: str, sources: Sequence[From]) -> tuple[str, Type] | None:
    for source in sources:
        if alias and source.alias != alias:
            continue
        for known, one in (source.record or ANY).fields.items():
            if known.lower() == name.lower():
                return known, _maybe(one.type, source.maybe)
    return None


def _written(token: Token, scope: Scope) -> str:
    """Return the name that an alias or an unknown column gives; empty where databases differ."""
    if token.kind == "quoted" or token.written == token.value:
        return token.value
    return {"": "", "sqlite": token.written}.get(scope.dialect, token.value)


def _value(part: Part, sources: Sequence[From], scope: Scope) -> Type:
    """Return what an expression with an alias gives; ANY for most."""
    column = plain(part)
    if column is not None:
        return _plain(part, *column, sources, scope)[1]
    if len(part) < 3 or not part[1].sign("("):
        return ANY
    end = closing(part, 1)
    if part[0].word(*_COUNTS) and (end == len(part) - 1 or _windowed(part[end + 1 :])):
        return INTEGER
    if part[0].word("cast") and end == len(part) - 1 and part[end - 2].word("as"):
        return _CASTS.get(part[end - 1].value, ANY).or_null()
    return ANY


_CASTS = {
    **dict.fromkeys(("integer", "int", "bigint", "smallint"), INTEGER),
    **dict.fromkeys(("numeric", "decimal", "real", "float"), NUMBER),
    "text": TEXT,
}
"""What is the same in all databases: SQLite makes a number of a ``date`` and of a ``string``."""
_COUNTS = ("count", "row_number", "rank", "dense_rank", "ntile")


def _windowed(part: Part) -> bool:
    """Whether nothing follows but ``over w`` or ``over (…)``, and ``filter (…)`` before it."""
    if len(part) > 1 and part[0].word("filter") and part[1].sign("("):
        part = part[closing(part, 1) + 1 :]
    if not part:
        return True
    return len(part) > 1 and part[0].word("over") and (len(part) == 2 or closing(part, 1) == len(part) - 1)
