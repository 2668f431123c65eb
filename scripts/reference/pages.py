"""How a page of the reference is written: headings, tables, blocks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MADE = "<!-- Written by `make reference`; changes belong into the schemas, pages and docstrings it is made of. -->"


class Page:
    """A page that is written from top to bottom."""

    def __init__(self, title: str, *said: str) -> None:
        self._parts = [f"# {title}", MADE, *said]

    def heading(self, text: str, depth: int = 2) -> None:
        """Begin a section."""
        self._parts.append(f"{'#' * depth} {text}")

    def say(self, text: str) -> None:
        """Add a paragraph; an empty one is left out."""
        if text:
            self._parts.append(text)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Add a table, unless it is empty."""
        written = [f"| {' | '.join(cell(one) for one in row)} |" for row in rows]
        if written:
            rule = f"| {' | '.join('---' for _ in heads)} |"
            self._parts.append("\n".join([f"| {' | '.join(heads)} |", rule, *written]))

    def block(self, kind: str, text: str) -> None:
        """Add a fenced block."""
        self._parts.append(f"```{kind}\n{text.rstrip()}\n```")

    def text(self) -> str:
        """Return the page."""
        return "\n\n".join(self._parts) + "\n"


def cell(text: str) -> str:
    """Put a text into a cell: on one line, with no bar that would end it."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Write as code, whatever backticks are inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def prose(text: str) -> str:
    """Keep what people wrote in a description from being read as Markdown, but for its own `code`."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>\[\]])", r"\\\1", part) for part in parts)
