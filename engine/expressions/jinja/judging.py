"""The tests templates may ask: ``is defined``, ``is odd`` …"""

from __future__ import annotations

from collections.abc import Callable

from jinja2 import Undefined

from engine.expressions import convert
from engine.expressions.jinja import limits
from engine.expressions.jinja.data import defined
from engine.expressions.library.base import NUMBERS


def tests() -> dict[str, Callable[..., bool]]:
    """Return every test."""
    return {
        "defined": lambda value: not isinstance(value, Undefined),
        "undefined": lambda value: isinstance(value, Undefined),
        "none": lambda value: defined(value) is None,
        "null": lambda value: defined(value) is None,
        "string": lambda value: isinstance(defined(value), str),
        "number": lambda value: defined(value).__class__ in NUMBERS,
        "boolean": lambda value: isinstance(defined(value), bool),
        "mapping": lambda value: isinstance(defined(value), dict),
        "sequence": lambda value: isinstance(defined(value), (list, tuple)),
        "true": lambda value: value is True,
        "false": lambda value: value is False,
        "odd": lambda value: convert.to_integer(defined(value)) % 2 == 1,
        "even": lambda value: convert.to_integer(defined(value)) % 2 == 0,
        "divisibleby": lambda value, by: limits.calculate("%", defined(value), by) == 0,
        "in": lambda value, items: limits.compare("in", defined(value), defined(items)),
        **{
            name: (lambda value, other, sign=sign: limits.compare(sign, defined(value), defined(other)))
            for names, sign in (
                (("eq", "equalto", "=="), "eq"),
                (("ne", "!="), "ne"),
                (("lt", "lessthan", "<"), "lt"),
                (("le", "<="), "lteq"),
                (("gt", "greaterthan", ">"), "gt"),
                (("ge", ">="), "gteq"),
            )
            for name in names
        },
    }
