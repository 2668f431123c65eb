"""What one rendering may cost: a budget of work, sizes of results, and arithmetic that stays small and exact."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from engine.errors import RecordError
from engine.expressions.library import allowance
from engine.expressions.library.base import MAX_TEXT, kind_of, too_large
from engine.expressions.library.numbers import decimal_of

MAX_WORK = 50_000
"""Units of one rendering: about four syntax nodes of a loop's body, or 256 characters read by a filter."""
MAX_TEMPLATE = 8192
MAX_BITS = 4096
MAX_NODES = 200_000

# sums, differences and products of amounts are exact; quotients have 28 digits
_EXACT = Context(prec=400, traps=[InvalidOperation, DivisionByZero, Overflow])
_QUOTIENT = Context(prec=28, traps=[InvalidOperation, DivisionByZero, Overflow])


class _Work(threading.local):
    left = MAX_WORK


_work = _Work()


def begin() -> None:
    """Start a rendering."""
    _work.left = MAX_WORK
    allowance.begin()


def spend(units: int) -> None:
    """Take *units* of the budget; raises RecordError when there is none left."""
    _work.left -= units
    if _work.left < 0:
        raise RecordError("too-large", "the template does too much work on this record")


def weigh(value: Any) -> None:
    """Spend what reading *value* costs."""
    if isinstance(value, (str, list, dict, tuple)):
        spend(1 + len(value) // 256)


def looped(items: Any, cost: int) -> Any:
    """Give what a loop may go over, and spend what it costs."""
    if not isinstance(items, (list, dict, tuple)):
        raise RecordError("type", f"a loop goes over a list, got {kind_of(items)}")
    spend(1 + len(items) * cost)
    return items


def joined(parts: tuple[str, ...]) -> str:
    """Join texts within the size limit."""
    if sum(map(len, parts)) > MAX_TEXT:
        raise too_large("the template")
    return "".join(parts)


_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
_DECIMAL: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": _EXACT.add,
    "-": _EXACT.subtract,
    "*": _EXACT.multiply,
    "/": _QUOTIENT.divide,
    "//": _EXACT.divide_int,
    "%": _EXACT.remainder,
    "**": _QUOTIENT.power,
}
_NUMBERS = frozenset({int, float, Decimal})


def calculate(sign: str, left: Any, right: Any) -> Any:
    """Do arithmetic: on decimals when either side is one, never on text except ``+``, never on huge numbers."""
    kinds = (left.__class__, right.__class__)
    if kinds[0] in _NUMBERS and kinds[1] in _NUMBERS:
        return _numbers(sign, left, right, Decimal in kinds)
    if sign == "+" and kinds == (str, str):
        return joined((left, right))
    if sign == "+" and kinds == (list, list):
        return left + right
    raise RecordError("type", f"'{sign}' does not go between {kind_of(left)} and {kind_of(right)}")


def _numbers(sign: str, left: Any, right: Any, exact: bool) -> Any:
    if sign == "**":
        _check_power(left, right)
    elif sign == "*" and left.__class__ is right.__class__ is int and _bits(left) + _bits(right) > MAX_BITS:
        raise RecordError("too-large", "a product is too large")
    try:
        if exact:
            return _DECIMAL[sign](decimal_of(left), decimal_of(right))
        if sign != "**" and (left.__class__ is float or right.__class__ is float):
            # fractions count as they are written, so that 0.1 + 0.2 is 0.3
            made: Any = float(_DECIMAL[sign](decimal_of(left), decimal_of(right)))
        else:
            made = _PLAIN[sign](left, right)
    except (ZeroDivisionError, DivisionByZero):
        raise RecordError("type", f"division by zero ({left} {sign} {right})") from None
    except (ArithmeticError, ValueError):
        raise RecordError("type", f"{left} {sign} {right} has no result") from None
    if made.__class__ is complex or (made.__class__ is float and (made != made or made in (_INFINITY, -_INFINITY))):
        raise RecordError("type", f"{left} {sign} {right} has no result")
    return made


_INFINITY = float("inf")


def _bits(number: Any) -> int:
    return int(number.bit_length())


def _check_power(base: Any, exponent: Any) -> None:
    if abs(exponent) > 1000 or (isinstance(base, int) and base.bit_length() * max(1, abs(exponent)) > MAX_BITS):
        raise RecordError("too-large", f"a power of {exponent} is too large")


_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda left, right: left in right,
    "notin": lambda left, right: left not in right,
}


def compare(sign: str, left: Any, right: Any) -> bool:
    """Compare; a float meets a decimal by its shortest writing, and text does not stand before or after a number."""
    kinds = (left.__class__, right.__class__)
    if kinds == (float, Decimal):
        left = Decimal(repr(left))
    elif kinds == (Decimal, float):
        right = Decimal(repr(right))
    try:
        return bool(_COMPARE[sign](left, right))
    except TypeError:
        if sign in {"in", "notin"}:
            raise RecordError("type", f"'in' does not look for {kind_of(left)} in {kind_of(right)}") from None
        raise RecordError("type", f"{kind_of(left)} and {kind_of(right)} have no order") from None
