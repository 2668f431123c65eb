"""YAML text to plain values, with the place of every key and value.

A first, quick reading of the parser's events builds values only. Whatever is unusual (an anchor, a tag, a duplicate
key, ``${…}``, an error) makes it give up, and a second, careful one names every place. Limits bound what a hostile
file can cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.definition.document.limits import MAX_BYTES, MAX_LINE, MAX_LINES, MAX_VARIABLES, max_nodes
from engine.definition.document.places import KEY, Static
from engine.definition.document.quick import NOTHING, TooMany, quickly
from engine.definition.document.scalars import UnquotedNumber, core
from engine.definition.document.unseen import suspicious
from engine.errors import Path, Place, Problem

if TYPE_CHECKING:
    from engine.definition.document.careful import Careful

__all__ = ["KEY", "Document", "Places", "Static", "UnquotedNumber", "core", "read"]


class Places(Mapping[Path, Place]):
    """The place of every value and, under ``path + (KEY,)``, of every key; read again only when one is asked for."""

    def __init__(self, file: str, text: str, known: dict[Path, Place] | None = None) -> None:
        self._file, self._text, self._known = file, text, known

    @property
    def _all(self) -> dict[Path, Place]:
        if self._known is None:
            reader = _careful(self._file, self._text)
            reader.read()
            self._known = reader.places
        return self._known

    def __getitem__(self, path: Path) -> Place:
        return self._all[path]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


@dataclass(slots=True)
class Document:
    """One file as read: *value* is None where it is no YAML at all."""

    file: str
    text: str
    value: Any
    places: Places
    statics: Sequence[Static] = ()
    problems: list[Problem] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)
    """Where a value could not be read: what is said there is said already."""

    def place(self, path: Path) -> Place:
        """Return the nearest known place at or above *path*."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.file, 1, 1))


_ELSEWHERE = "put data into a file of its own"


def read(file: str, data: bytes, most: int = 0) -> Document:
    """Read one YAML file; never raises, its problems say what is wrong. *most*: values, where it is no definition."""
    most = most or max_nodes(file)
    if len(data) > MAX_BYTES:
        what = f"the file has more than {MAX_BYTES:,} bytes"
        return _unreadable(file, "", Problem(file, 1, 1, "too-large", "error", "", what, _ELSEWHERE))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unreadable(file, "", _not_utf8(file, data, error))
    if len(text) > MAX_LINE and (line := _long_line(text)):
        what = f"the line has more than {MAX_LINE:,} characters"
        return _unreadable(file, text, Problem(file, line, 1, "too-large", "error", "", what, _ELSEWHERE))
    if text.count("\n") > MAX_LINES:
        what = f"the file has more than {MAX_LINES:,} lines"
        return _unreadable(file, text, Problem(file, 1, 1, "too-large", "error", "", what, _ELSEWHERE))
    try:
        value, statics = quickly(text, most)
    except TooMany:
        what = f"the file has more than {most:,} values"
        return _unreadable(file, text, Problem(file, 1, 1, "too-large", "error", "", what, _ELSEWHERE))
    if len(statics) > MAX_VARIABLES:
        what = f"the file has more than {MAX_VARIABLES:,} texts with variables"
        return _unreadable(file, text, Problem(file, 1, 1, "too-large", "error", "", what, _ELSEWHERE))
    if value is not NOTHING and not suspicious(text):
        return Document(file, text, value, Places(file, text), statics)
    reader = _careful(file, text, most)
    value = reader.read()
    return Document(
        file, text, value, Places(file, text, reader.places), reader.statics, reader.problems, reader.broken
    )


def _careful(file: str, text: str, most: int = 0) -> Careful:
    """Make the reader of what is unusual; what knows all the slips of YAML loads only for that."""
    from engine.definition.document.careful import Careful

    return Careful(file, text, most)


def _unreadable(file: str, text: str, problem: Problem) -> Document:
    return Document(file, text, None, Places(file, text, {}), (), [problem])


def _long_line(text: str) -> int:
    """Return the number of the first line that is too long, 0 where there is none."""
    start = 0
    while len(text) - start > MAX_LINE:
        end = text.rfind("\n", start, start + MAX_LINE + 1)
        if end < 0:
            return text.count("\n", 0, start) + 1
        start = end + 1
    return 0


def _not_utf8(file: str, data: bytes, error: UnicodeDecodeError) -> Problem:
    before = data[: error.start].decode("utf-8-sig", "replace")
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    fact = "the file is UTF-16" if wide else f"byte 0x{data[error.start]:02x} is not UTF-8"
    return Problem(file, line, column, "not-utf8", "error", "", fact, "save the file as UTF-8")
