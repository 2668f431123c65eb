"""The quick reading of YAML: values only, and it gives up on whatever is unusual."""

from __future__ import annotations

from typing import Any

from yaml._yaml import CParser
from yaml.error import YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from engine.definition.document.limits import MAX_DEPTH, MAX_KEY, MAX_NODES, MAX_TEXT
from engine.definition.document.places import Static
from engine.definition.document.scalars import UnquotedNumber, core

NOTHING: Any = object()
"""In place of a value where the careful reading must say more."""


class TooMany(Exception):
    """The file has more values than a definition may have."""


class _Unusual(Exception):
    """The quick reading gives up."""


def quickly(text: str, nodes: int = MAX_NODES) -> tuple[Any, list[Static]]:
    """Return the value of *text*, of at most *nodes*, and its ``${…}``; ``NOTHING``: the careful reading must say more.

    Raises TooMany.
    """
    try:
        get = CParser(text).get_event
        get()
        if get().__class__ is not DocumentStartEvent:
            return NOTHING, []
        reader = _Quick(get, nodes)
        value = reader.node(get(), 0)
        get()
        return (value if get().__class__ is StreamEndEvent else NOTHING), reader.statics
    except (_Unusual, UnquotedNumber, YAMLError):
        return NOTHING, []


class _Quick:
    """Builds values as long as nothing is unusual."""

    def __init__(self, get: Any, nodes: int) -> None:
        self.statics: list[Static] = []
        self._get = get
        self._left = nodes
        self._path: list[str | int] = []

    def node(self, event: Any, depth: int) -> Any:
        """Build the value that begins with *event*."""
        kind = event.__class__
        if kind is AliasEvent or event.anchor is not None or event.tag is not None or depth > MAX_DEPTH:
            raise _Unusual
        if kind is ScalarEvent:
            text, plain = event.value, event.implicit[0]
            if len(text) > MAX_TEXT:
                raise _Unusual
            if "${" in text:
                self.statics.append(Static(tuple(self._path), text, plain))
                return text
            return core(text) if plain else text
        return self._mapping(depth + 1) if kind is MappingStartEvent else self._sequence(depth + 1)

    def _mapping(self, depth: int) -> dict[str, Any]:
        get, node, path = self._get, self.node, self._path
        value: dict[str, Any] = {}
        while (key := get()).__class__ is not MappingEndEvent:
            if key.__class__ is not ScalarEvent or key.tag is not None or key.anchor is not None:
                raise _Unusual
            name = key.value
            if name in value or name == "<<" or name == "" or len(name) > MAX_KEY:
                raise _Unusual
            if len(value) > self._left:
                raise TooMany
            path.append(name)
            value[name] = node(get(), depth)
            path.pop()
        self._spend(len(value))
        return value

    def _sequence(self, depth: int) -> list[Any]:
        get, node, path = self._get, self.node, self._path
        value: list[Any] = []
        while (event := get()).__class__ is not SequenceEndEvent:
            path.append(len(value))
            value.append(node(event, depth))
            path.pop()
            if len(value) > self._left:
                raise TooMany
        self._spend(len(value))
        return value

    def _spend(self, nodes: int) -> None:
        self._left -= nodes
        if self._left < 0:
            raise TooMany
