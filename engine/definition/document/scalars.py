"""Plain YAML scalars to values, by the 1.2 core schema, strict about numbers that would lose their digits."""

from __future__ import annotations

import math
import re
from typing import Any

_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}
_STARTS = frozenset("+-.0123456789")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_RADIX = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_LONG = re.compile(r"[-+]?[0-9a-fA-FxoeE.+-]+")
_MAX_DIGITS = 1_000
_BARE_EXPONENT = re.compile(r"[-+]?[0-9]+[eE]")


class UnquotedNumber(ValueError):
    """A plain scalar that YAML reads as a number its author did not write."""


def core(text: str) -> Any:
    """Return what a plain scalar means. Raises UnquotedNumber."""
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _STARTS else text


def _number(text: str) -> Any:
    if len(text) > _MAX_DIGITS and _LONG.fullmatch(text):
        raise UnquotedNumber(f"a number of {len(text):,} characters is too long")
    if _RADIX.fullmatch(text):
        return int(text, 0)
    if _NOT_FINITE.fullmatch(text):
        raise UnquotedNumber(f"{text} is a YAML number that JSON does not have")
    if not _NUMBER.fullmatch(text):
        return text
    if _LEADING_ZERO.match(text):
        raise UnquotedNumber(f"{text} would become the number {_shown(text)}")
    if _BARE_EXPONENT.match(text):
        raise UnquotedNumber(f"{text} would become the number {_shown(text)}")
    if _INTEGER.fullmatch(text):
        return int(text)
    value = float(text)
    if math.isinf(value):
        raise UnquotedNumber(f"{text} is too large for a number")
    return value


def _shown(text: str) -> str:
    if len(text) > 40:
        return "without its zeros"
    value = float(text)
    if math.isinf(value):
        return "infinity"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else str(value)
