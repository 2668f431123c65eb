"""Where in a text the key or scalar at a place begins and ends, so that it can be written anew and nothing else."""

from __future__ import annotations

from typing import Any

from yaml._yaml import CParser
from yaml.error import YAMLError
from yaml.events import AliasEvent, ScalarEvent, StreamEndEvent

from engine.definition.document.careful import Careful

Span = tuple[int, int]
"""Offsets into the text: the first character, and the one behind the last."""

Spot = tuple[int, int]
"""Line and column, 1-based."""


class Spans:
    """The spans of one text: of every key and scalar, and of what is no YAML and has a remedy."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: dict[Spot, Span] = {}
        broken = self._scan()
        if broken:
            careful = Careful("", text)
            careful.read()
            for spot, written in careful.faults.items():
                begin = self._offset(spot)
                if written and text.startswith(written, begin):
                    self._known[spot] = (begin, begin + len(written))

    def at(self, line: int, column: int) -> Span | None:
        """Return the span of what begins at a place; None where no key or scalar does."""
        return self._known.get((line, column))

    def _scan(self) -> bool:
        """Note every scalar; true where the text is no YAML, or a key is no text."""
        odd = False
        try:
            parser = CParser(self._text)
            event: Any = parser.get_event()
            while event.__class__ is not StreamEndEvent:
                if isinstance(event, (ScalarEvent, AliasEvent)):
                    self._note(event)
                elif "{{" in self._text:
                    odd = True  # an unquoted template is YAML: a map as the key of a map
                event = parser.get_event()
        except YAMLError:
            return True
        return odd

    def _note(self, event: Any) -> None:
        begin, end = event.start_mark, event.end_mark
        written = self._text[begin.index : end.index].rstrip()
        if written:
            self._known[begin.line + 1, begin.column + 1] = (begin.index, begin.index + len(written))

    def _offset(self, spot: Spot) -> int:
        line, column = spot
        begin = 0
        for _ in range(line - 1):
            begin = self._text.find("\n", begin) + 1
            if begin == 0:
                return len(self._text)
        return begin + column - 1
