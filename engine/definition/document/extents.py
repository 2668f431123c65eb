"""How far every value of a text reaches, so that it can be replaced, or something put behind it, and all else stays."""

from __future__ import annotations

from typing import Any, NamedTuple

from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from engine.errors import Path


class Extent(NamedTuple):
    """Offsets into the text: the first character of a value, and the one behind its last."""

    start: int
    end: int
    kind: str
    """``scalar``, ``flow`` (in brackets) or ``block``."""
    column: int
    """Of its first character, from 0: a block's items stand there."""


def extents(text: str) -> dict[Path, Extent]:
    """Return the extent of every value by its path; what stands behind an alias has none. The text is good YAML."""
    parser = CParser(text)
    parser.get_event()
    parser.get_event()
    found: dict[Path, Extent] = {}
    _node(parser, text, (), found)
    return found


def _node(parser: Any, text: str, path: Path, found: dict[Path, Extent]) -> int:
    event: Any = parser.get_event()
    start, stop = int(event.start_mark.index), int(event.end_mark.index)
    column = int(event.start_mark.column)
    if isinstance(event, ScalarEvent | AliasEvent):
        end = start + len(text[start:stop].rstrip())
        found[path] = Extent(start, end, "scalar", column)
        return end
    assert isinstance(event, MappingStartEvent | SequenceStartEvent)
    kind = "flow" if event.flow_style else "block"
    end, number = start, 0
    while not isinstance(parser.peek_event(), MappingEndEvent | SequenceEndEvent):
        key: Any = number
        if isinstance(event, MappingStartEvent):
            key = getattr(parser.get_event(), "value", None)
        end = max(end, _node(parser, text, (*path, key), found))
        number += 1
    last: Any = parser.get_event()
    end = int(last.end_mark.index) if kind == "flow" else end
    found[path] = Extent(start, end, kind, column)
    return end
