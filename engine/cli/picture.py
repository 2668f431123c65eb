"""A picture as boxes and arrows, and how it is written for Mermaid and for Graphviz. Pure.

What people wrote (names, conditions, paths) is quoted, and every sign that means something there is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

Shape = Literal["start", "store", "step", "choice", "pipeline", "kept"]
LONGEST: Final = 60
"""Characters of one line in a box."""

_MERMAID: Final[dict[Shape, tuple[str, str]]] = {
    "start": ("([", "])"),
    "store": ("[(", ")]"),
    "step": ("[", "]"),
    "choice": ("{{", "}}"),
    "pipeline": ("[[", "]]"),
    "kept": (">", "]"),
}
_DOT: Final[dict[Shape, str]] = {
    "start": "shape=box, style=rounded",
    "store": "shape=cylinder",
    "step": "shape=box",
    "choice": "shape=hexagon",
    "pipeline": "shape=box, peripheries=2",
    "kept": "shape=note",
}
_ENTITIES: Final = {ord(sign): f"#{ord(sign)};" for sign in '#"<>&`\\|{}[]()*_~'}
"""Mermaid reads Markdown, HTML and its own brackets in labels, quotes or not."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Box:
    """A box: what it says, line by line."""

    shape: Shape
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow between two boxes; dashed: not the way of the records."""

    start: str
    end: str
    label: str = ""
    dashed: bool = False


@dataclass(slots=True)
class Picture:
    """Boxes by id, arrows in order."""

    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)
    _known: dict[tuple[str, ...], str] = field(default_factory=dict)

    def box(self, shape: Shape, *lines: str, once: bool = False) -> str:
        """Add a box and return its id; *once*: the one that says the same, where there is one."""
        said = tuple(clipped(line) for line in lines if line)
        if once and (shape, *lines) in self._known:
            return self._known[shape, *lines]
        name = f"n{len(self.boxes) + 1}"
        self.boxes[name] = Box(shape, said or ("",))
        if once:
            self._known[shape, *lines] = name
        return name

    def arrow(self, start: str, end: str, label: str = "", *, dashed: bool = False) -> None:
        """Add an arrow, unless it is there."""
        made = Arrow(start, end, clipped(label), dashed)
        if made not in self.arrows:
            self.arrows.append(made)


def clipped(text: str) -> str:
    """Put a text on one line that fits a box."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def mermaid(picture: Picture) -> Iterator[str]:
    """Write the picture as a Mermaid flowchart."""
    yield "flowchart LR"
    for name, box in picture.boxes.items():
        before, after = _MERMAID[box.shape]
        text = "<br/>".join(line.translate(_ENTITIES) for line in box.lines)
        yield f'  {name}{before}"{text or " "}"{after}'
    for one in picture.arrows:
        line = "-.->" if one.dashed else "-->"
        label = f'|"{one.label.translate(_ENTITIES)}"|' if one.label else ""
        yield f"  {one.start} {line}{label} {one.end}"


def dot(picture: Picture) -> Iterator[str]:
    """Write the picture in Graphviz' language."""
    yield "digraph {"
    yield '  rankdir=LR; node [fontname="sans-serif", fontsize=11]; edge [fontname="sans-serif", fontsize=10];'
    for name, box in picture.boxes.items():
        text = r"\n".join(_quoted(line) for line in box.lines)
        yield f'  {name} [label="{text}", {_DOT[box.shape]}];'
    for one in picture.arrows:
        style = ", style=dashed" if one.dashed else ""
        yield f'  {one.start} -> {one.end} [label="{_quoted(one.label)}"{style}];'
    yield "}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
