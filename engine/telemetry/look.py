"""How text is dressed for one stream: colours, signs and separators on a terminal, plain ASCII elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TextIO

Meaning = Literal["error", "warning", "done", "detail", "strong"]
"""One colour for each meaning, everywhere."""

_CODES: Final[Mapping[Meaning, str]] = {"error": "31", "warning": "33", "done": "32", "detail": "2", "strong": "1"}

_PLAIN: Final[Mapping[str, str]] = {
    "×": "x",
    "→": "->",
    "←": "<-",
    "│": "|",
    "…": "...",
    "✓": "ok",
    "✗": "failed",
    "━": "-",
    "·": "-",
    "\u202f": " ",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What one stream can show."""

    terminal: bool = False
    color: bool = False
    unicode: bool = False
    width: int = 80

    def paint(self, text: str, meaning: Meaning) -> str:
        """Colour *text* by what it means, where there are colours."""
        return f"\x1b[{_CODES[meaning]}m{text}\x1b[0m" if self.color and text else text

    def sign(self, sign: str) -> str:
        """Give *sign* (``× → │ … ✓ ✗``) or what stands for it in ASCII."""
        return sign if self.unicode else _PLAIN[sign]

    def number(self, number: int) -> str:
        """Write a count: ``50 000`` with thin separators for eyes, ``50000`` for programs."""
        if not self.terminal:
            return str(number)
        return f"{number:,}".replace(",", self.sign("\u202f"))

    def short(self, identity: str) -> str:
        """Shorten an id for eyes, ``01JD…0QK7M2``; commands take it back so."""
        return f"{identity[:4]}…{identity[-6:]}" if self.unicode and len(identity) >= 20 else identity


PLAIN: Final = Look()


def look_of(stream: TextIO, environ: Mapping[str, str]) -> Look:
    """Find out what *stream* can show: NO_COLOR, TERM, LC_ALL and its encoding have their say."""
    terminal = stream.isatty()
    dumb = environ.get("TERM", "") in ("dumb", "")
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    # with LC_ALL=C Python writes UTF-8 all the same, but the person asked for plain
    unicode = encoding.startswith("utf") and environ.get("LC_ALL") not in ("C", "POSIX") and not dumb
    return Look(
        terminal=terminal,
        color=terminal and not dumb and not environ.get("NO_COLOR"),
        unicode=terminal and unicode,
        width=_width(stream, environ) if terminal else 10_000,
    )


def _width(stream: TextIO, environ: Mapping[str, str]) -> int:
    written = environ.get("COLUMNS", "")
    if written.isdecimal() and int(written):
        return int(written)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):  # a terminal that does not tell
        return 80
