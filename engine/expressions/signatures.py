"""How many arguments each function takes."""

from __future__ import annotations

_NONE: tuple[int, ...] = ()

STOCK: dict[str, tuple[tuple[int, ...], int, int | None]] = {
    "abs": (_NONE, 1, 1),
    "avg": (_NONE, 1, 1),
    "ceil": (_NONE, 1, 1),
    "contains": (_NONE, 2, 2),
    "ends_with": (_NONE, 2, 2),
    "floor": (_NONE, 1, 1),
    "join": (_NONE, 2, 2),
    "keys": (_NONE, 1, 1),
    "length": (_NONE, 1, 1),
    "map": ((0,), 2, 2),
    "max": (_NONE, 1, 1),
    "max_by": ((1,), 2, 2),
    "merge": (_NONE, 1, None),
    "min": (_NONE, 1, 1),
    "min_by": ((1,), 2, 2),
    "not_null": (_NONE, 1, None),
    "reverse": (_NONE, 1, 1),
    "sort": (_NONE, 1, 1),
    "sort_by": ((1,), 2, 2),
    "starts_with": (_NONE, 2, 2),
    "sum": (_NONE, 1, 1),
    "to_array": (_NONE, 1, 1),
    "to_number": (_NONE, 1, 1),
    "to_string": (_NONE, 1, 1),
    "type": (_NONE, 1, 1),
    "values": (_NONE, 1, 1),
}
"""JMESPath's own: which arguments are expressions with ``&``, the least and the most arguments."""


def arity(name: str) -> tuple[int, int | None] | None:
    """Return the least and the most arguments of a function; None where there is no such function."""
    if name in STOCK:
        return STOCK[name][1:]
    from engine.expressions.library import library

    function = library().get(name)
    return (function.least, function.most) if function else None


def spoken(least: int, most: int | None) -> str:
    """Say how many arguments that is."""
    if most is None:
        return f"{least} or more arguments"
    if least == most:
        return "1 argument" if least == 1 else f"{least} arguments" if least else "no arguments"
    return f"{least} to {most} arguments"
