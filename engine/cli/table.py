"""Aligned columns: cells are padded before they are painted, and clipped to the terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.telemetry.look import Look, Meaning
from engine.telemetry.words import clip

_TELLING = 24
"""Characters of a description that still say something."""


class Cell(NamedTuple):
    """A text, what it means, and whether it stands to the right; *whole*: its column is never cut, one types it."""

    text: str
    meaning: Meaning | None = None
    right: bool = False
    whole: bool = False


def table(
    rows: Sequence[Sequence[str | Cell]], look: Look, heads: Sequence[str] = (), indent: str = "", wrap: bool = False
) -> list[str]:
    """Lay out *rows* under dim *heads*; what is said last gives way when the terminal is narrow, then the widest.

    With *wrap* the last column goes on below itself instead of being clipped.
    """
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    right = [any(cell.right for cell in column) for column in zip(*cells, strict=True)] if cells else []
    if heads:
        cells.insert(0, [Cell(head, "detail", r) for head, r in zip(heads, right, strict=True)])
    widths = [max(len(cell.text) for cell in column) for column in zip(*cells, strict=True)]
    room = look.width - len(indent)
    if wrap and widths:
        widths[-1] = min(widths[-1], max(room - sum(widths[:-1]) - 2 * (len(widths) - 1), 24))
        cells = [line for row in cells for line in _wrapped(row, widths[-1])]
    whole = [any(cell.whole for cell in column) for column in zip(*cells, strict=True)]
    if any(whole) and not whole[-1] and sum(widths[:-1]) + 2 * (len(widths) - 1) + _TELLING > room:
        # the last column only describes: a word or two of it would say nothing
        cells, widths = [row[:-1] for row in cells], widths[:-1]
    widths = _fit(widths, room, whole)
    return [indent + _line(row, widths, look) for row in cells]


def _wrapped(row: list[Cell], width: int) -> list[list[Cell]]:
    from textwrap import wrap

    first, *more = wrap(row[-1].text, width) or [""]
    below = [[*(Cell("") for _ in row[:-1]), row[-1]._replace(text=text)] for text in more]
    return [[*row[:-1], row[-1]._replace(text=first)], *below]


def _fit(widths: list[int], room: int, whole: Sequence[bool]) -> list[int]:
    fitted = list(widths)

    def over() -> int:
        return sum(fitted) + 2 * (len(fitted) - 1) - room

    if len(whole) == len(fitted) and any(whole) and not whole[-1] and over() > 0:
        fitted[-1] = max(fitted[-1] - over(), min(fitted[-1], _TELLING))
    while fitted and over() > 0:
        free = [index for index in range(len(fitted)) if not whole[index]] or [*range(len(fitted))]
        widest = max(free, key=lambda index: fitted[index])
        if fitted[widest] <= 8:
            break
        fitted[widest] -= 1
    return fitted


def _line(row: Sequence[Cell], widths: Sequence[int], look: Look) -> str:
    # nothing pads the line's end: it would only make lines wrap
    last = max((index for index, cell in enumerate(row) if cell.text), default=-1)
    painted = []
    for index, (cell, width) in enumerate(zip(row[: last + 1], widths, strict=False)):
        text = clip(cell.text, width, look.sign("…"))
        padded = text.rjust(width) if cell.right else text if index == last else text.ljust(width)
        painted.append(look.paint(padded, cell.meaning) if cell.meaning else padded)
    return "  ".join(painted)
