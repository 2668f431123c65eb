"""Aligned columns: cells are padded before they are painted, and clipped to the terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.telemetry.look import Look, Meaning
from engine.telemetry.words import clip


class Cell(NamedTuple):
    """A text, what it means, and whether it stands to the right."""

    text: str
    meaning: Meaning | None = None
    right: bool = False


def table(
    rows: Sequence[Sequence[str | Cell]], look: Look, heads: Sequence[str] = (), indent: str = "", wrap: bool = False
) -> list[str]:
    """Lay out *rows* under dim *heads*; the widest text column gives way when the terminal is narrow.

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
    widths = _fit(widths, room)
    return [indent + _line(row, widths, look) for row in cells]


def _wrapped(row: list[Cell], width: int) -> list[list[Cell]]:
    from textwrap import wrap

    first, *more = wrap(row[-1].text, width) or [""]
    below = [[*(Cell("") for _ in row[:-1]), row[-1]._replace(text=text)] for text in more]
    return [[*row[:-1], row[-1]._replace(text=first)], *below]


def _fit(widths: list[int], room: int) -> list[int]:
    fitted = list(widths)
    while fitted and sum(fitted) + 2 * (len(fitted) - 1) > room:
        widest = max(range(len(fitted)), key=lambda index: fitted[index])
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
