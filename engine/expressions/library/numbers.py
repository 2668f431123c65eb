"""Number functions: exact rounding, and numbers as people of a country write them."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from engine.errors import RecordError
from engine.expressions.library.base import function, shown

EXACT = Context(prec=60)
MAX_EXPONENT = 400
"""Decimals beyond 10 to the power of this are refused: they are mistakes, and costly to write out."""

_PATTERN = re.compile(
    r"(?P<prefix>[^#0]*)(?P<whole>(?:#(?P<group>[.,' ])##)?0+)(?:(?P<point>[.,])(?P<parts>0+))?(?P<suffix>[^#0]*)\Z"
)
_LOCALES = {
    "pt": (".", ","),
    "en": (",", "."),
    "de": (".", ","),
    "es": (".", ","),
    "it": (".", ","),
    "fr": (" ", ","),
    "ch": ("'", "."),
}


def decimal_of(number: Any) -> Decimal:
    """Make a decimal of any number; a float counts as its shortest writing."""
    made = number if number.__class__ is Decimal else Decimal(repr(number) if isinstance(number, float) else number)
    if not made.is_finite() or abs(made.adjusted()) > MAX_EXPONENT:
        raise RecordError("type", f"{shown(number)} is too large or not a number")
    return made


def rounded(number: Any, places: int) -> Decimal:
    """Round to a number of places, half away from zero."""
    if not -MAX_EXPONENT <= places <= MAX_EXPONENT:
        raise RecordError("type", f"round() goes to {MAX_EXPONENT} places, got {places}")
    exact = decimal_of(number)
    return exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, Context(prec=2 * MAX_EXPONENT + 60))


@function("number", "integer", optional=1)
def round_(number: Any, places: int = 0) -> int | float | Decimal:
    """Round half away from zero; 0 places give a whole number."""
    if isinstance(number, int) and places >= 0:
        return number
    made = rounded(number, places)
    if places <= 0:
        return int(made)
    return float(made) if isinstance(number, float) else made


def _marks(locale: str | None) -> tuple[str, str]:
    """Return the thousands and the decimal mark of a locale (``pt_BR``) or of an example (``1.234,56``)."""
    if locale is None:
        return ",", "."
    if locale[:2].lower() in _LOCALES:
        return _LOCALES["ch" if locale[-3:] in {"_CH", "-CH"} else locale[:2].lower()]
    match = re.fullmatch(r"(?:1(?P<group>[.,' ])?234)?(?:0)?(?P<point>[.,])5?6?", locale)
    if match and match["point"] and match["group"] != match["point"]:
        return match["group"] or ("." if match["point"] == "," else ","), match["point"]
    raise RecordError("type", f"{shown(locale)} is not a way to write numbers; give an example, such as 1.234,56")


@function("text", "text", optional=1)
def parse_number(text: str, locale: str | None = None) -> Decimal:
    """Read a number; the second argument shows how they are written: ``1.234,56`` or ``pt_BR``."""
    group, point = _marks(locale)
    body = text.strip().replace("\u00a0", " ").replace("\u202f", " ")
    grouped = rf"\d{{1,3}}(?:{re.escape(group)}\d{{3}})+"
    match = re.fullmatch(rf"([+-]?)({grouped}|\d+)?(?:{re.escape(point)}(\d+))?", body, re.ASCII)
    if not match or not (match[2] or match[3]) or len(body) > 400:
        written = f" written like {locale}" if locale else ""
        raise RecordError("type", f"{shown(text)} is not a number{written}")
    return Decimal(
        f"{match[1]}{(match[2] or '0').replace(group, '')}.{match[3] or '0'}"
        if match[3]
        else match[1] + match[2].replace(group, "")
    )


@function("number", "text", optional=1)
def format_number(number: Any, pattern: str = "0.00") -> str:
    """Write a number by a pattern: ``0.00``, ``#.##0,00``, ``R$ #.##0,00``, ``000``."""
    return format_pattern(number, pattern)


def is_pattern(pattern: str) -> bool:
    """Return whether *pattern* is one ``format_number`` takes."""
    match = _PATTERN.match(pattern)
    return bool(match) and not (match["group"] and match["group"] == match["point"])  # type: ignore[index]


def format_pattern(number: Any, pattern: str) -> str:
    """Write *number* by *pattern*: digits that must be there are 0, the thousands mark stands in ``#.##0``."""
    match = _PATTERN.match(pattern) if is_pattern(pattern) else None
    if not match:
        raise RecordError("type", f"{shown(pattern)} is not a number pattern; write it like 0.00 or #.##0,00")
    places = len(match["parts"] or "")
    exact = rounded(number, places)
    whole, _, part = f"{abs(exact):f}".partition(".")
    whole = whole.rjust(match["whole"].count("0") if not match["group"] else 1, "0")
    if match["group"]:
        whole = f"{int(whole):,}".replace(",", match["group"])
    sign = "-" if exact < 0 else ""
    return match["prefix"] + sign + whole + (match["point"] + part if places else "") + match["suffix"]


@function("number", "number")
def power_of_ten(number: Any, exponent: Any) -> Decimal:
    """Move the decimal point: 1234 and -2 give 12.34."""
    if not isinstance(exponent, int) or abs(exponent) > MAX_EXPONENT:
        raise RecordError("type", f"power_of_ten() goes to {MAX_EXPONENT}, got {shown(exponent)}")
    return decimal_of(number).scaleb(exponent, Context(prec=2 * MAX_EXPONENT))
