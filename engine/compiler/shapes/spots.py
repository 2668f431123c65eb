"""Where a word stands in a text of several lines, so that a problem in a long query is at its line."""

from __future__ import annotations

import re
from pathlib import Path as FilePath

from engine.errors import Place
from engine.expressions import Issue

_WORD = re.compile(r"[:$]?\w+")


def spot(root: FilePath, place: Place, issue: Issue, text: object) -> tuple[Place, str]:
    """Return the place of the word that *issue* is about, and its fix; *place* where the text begins.

    A text on one line keeps its place: that is what a fix replaces.
    """
    if issue.offset is None or not isinstance(text, str):
        return place, issue.fix
    found = _WORD.match(text, issue.offset)
    if found is None:
        return place, issue.fix
    word = found[0]
    before = len(_finds(word, text[: issue.offset]))
    try:
        lines = (root / place.file).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return place, issue.fix
    for number, column in _places(lines, place, word):
        if before == 0:
            return (place, issue.fix) if number == place.line else (Place(place.file, number, column), "")
        before -= 1
    return place, issue.fix


def _finds(word: str, text: str) -> list[int]:
    return [found.start() for found in re.finditer(rf"(?<![\w$:]){re.escape(word)}(?!\w)", text)]


def _places(lines: list[str], place: Place, word: str) -> list[tuple[int, int]]:
    """Return every line and column of *word* in the scalar that begins at *place*."""
    if place.line > len(lines):
        return []
    first = lines[place.line - 1]
    indent = len(first) - len(first.lstrip(" -"))  # of the key; a list's dash stands before it
    made = [(place.line, at + 1) for at in _finds(word, first) if at + 1 >= place.column]
    for number, line in enumerate(lines[place.line :], place.line + 1):
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        made += [(number, at + 1) for at in _finds(word, line)]
    return made
