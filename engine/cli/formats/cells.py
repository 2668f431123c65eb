"""How wide text is on a terminal, and text made safe for one."""

from __future__ import annotations

from unicodedata import category, east_asian_width

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset({"\u200c", "\u200d"})


def safe(text: str) -> str:
    """Return *text* on one line, with nothing in it that a terminal would obey."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if sign == "\t" else "\ufffd" if _obeyed(sign) else sign for sign in text)


def _obeyed(sign: str) -> bool:
    return category(sign) in _UNSAFE and sign not in _JOINERS


def width(text: str) -> int:
    """Return how many cells *text* takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(sign: str) -> int:
    if category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(sign) in ("W", "F") else 1


def back(text: str, end: int, room: int) -> int:
    """Return where to begin so that no more than *room* cells stand before *end*."""
    start = min(end, len(text))
    while start > 0 and (room := room - _cells(text[start - 1])) >= 0:
        start -= 1
    return start


def cut(text: str, room: int, mark: str) -> str:
    """Return *text* in no more than *room* cells, with *mark* where something is left out."""
    if width(text) <= room:
        return text
    left, kept = room - width(mark), ""
    for sign in text:
        left -= _cells(sign)
        if left < 0:
            break
        kept += sign
    return kept + mark
