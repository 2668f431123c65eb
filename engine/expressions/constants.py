"""Arguments that are written out in an expression and can be judged before anything runs: patterns, units, zones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.errors import RecordError

UNKNOWN: Any = object()
"""In place of an argument that only the record gives."""
_DAY = "2026-01-15"


def wrong_constant(name: str, arguments: Sequence[Any]) -> str:
    """Return what is wrong with a constant among *arguments* of a function, nothing where all may be right.

    Every record would be rejected for it.
    """
    judge = _JUDGES.get(name)
    if judge is None:
        return ""
    position, try_it = judge
    text = arguments[position] if position < len(arguments) else UNKNOWN
    if not isinstance(text, str):
        return ""
    try:
        return try_it(text) or ""
    except RecordError as error:
        return error.message


def _pattern(text: str) -> None:
    from engine.expressions.library.patterns import compiled

    compiled(text)


def _date_format(text: str) -> str:
    from engine.expressions.library.dates import check_format

    return check_format(text)


def _calls(name: str, *before: Any) -> Callable[[str], None]:
    """Try it with arguments that are right: what is wrong then is the constant."""

    def try_it(text: str) -> None:
        from engine.expressions.library import library
        from engine.expressions.library.allowance import begin
        from engine.expressions.values import Settings

        begin()  # else what the last record left over, in this thread, would count here
        found = library()[name]
        found.call(*((Settings(),) if found.needs == "settings" else ()), *before, text)

    return try_it


_JUDGES: Mapping[str, tuple[int, Callable[[str], str | None]]] = {
    "matches": (1, _pattern),
    "extract": (1, _pattern),
    "extract_all": (1, _pattern),
    "substitute": (1, _pattern),
    "parse_date": (1, _date_format),
    "format_date": (1, _date_format),
    "date_add": (2, _calls("date_add", _DAY, 1)),
    "date_diff": (2, _calls("date_diff", _DAY, _DAY)),
    "to_timezone": (1, _calls("to_timezone", _DAY)),
    "from_epoch": (1, _calls("from_epoch", 0)),
    "to_epoch": (1, _calls("to_epoch", _DAY)),
    "parse_number": (1, _calls("parse_number", "1")),
    "format_number": (1, _calls("format_number", 1)),
}
