"""What a schema says about a place in a document, besides yes or no: types, units, templates, secrets, SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from engine.definition.units import seconds, size
from engine.errors import Path

Options = Callable[[str, str], "Shape | None"]
"""role, connector → the shape of its options."""

_APPLICATORS = ("allOf", "anyOf", "oneOf")
_CONDITIONALS = ("then", "else")


class Shape:
    """The schema of one place, with its references followed and its branches side by side."""

    def __init__(self, schemas: Sequence[Any], root: Mapping[str, Any], options: Options | None = None) -> None:
        self._root, self._options = root, options
        self.parts: tuple[Mapping[str, Any], ...] = tuple(self._flat(schemas))
        self._children: dict[str, Shape | None] = {}

    @classmethod
    def of(cls, schema: Any, root: Mapping[str, Any], options: Options | None = None) -> Shape:
        """Make the shape of *schema*, whose references lie in *root*."""
        return cls([schema], root, options)

    def _flat(self, schemas: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
        waiting, seen = list(schemas), set()
        while waiting:
            schema = waiting.pop(0)
            if not isinstance(schema, Mapping) or id(schema) in seen:
                continue
            seen.add(id(schema))
            yield schema
            if "$ref" in schema:
                waiting.append(self._follow(schema["$ref"]))
            for keyword in _APPLICATORS:
                waiting.extend(schema.get(keyword, ()))
            waiting.extend(schema[keyword] for keyword in _CONDITIONALS if keyword in schema)

    def _follow(self, reference: str) -> Any:
        return self._root["definitions"].get(reference.removeprefix("#/definitions/"))

    def first(self, keyword: str) -> Any:
        """Return the first value any part gives for *keyword*."""
        return next((part[keyword] for part in self.parts if keyword in part), None)

    @cached_property
    def types(self) -> frozenset[str] | None:
        """The JSON types allowed here; None: any."""
        found: set[str] = set()
        for part in self.parts:
            allowed = part.get("type")
            found.update([allowed] if isinstance(allowed, str) else allowed or ())
            if allowed is None and "enum" in part:
                found.update(type_of(value) for value in part["enum"])
        return frozenset(found) or None

    @cached_property
    def unit(self) -> str | None:
        """``duration`` or ``size``, where the text is one."""
        return self._text("x-type")

    @cached_property
    def value(self) -> str | None:
        """``template`` or ``expression``, where the value is to be compiled."""
        return self._text("x-value")

    @cached_property
    def encode(self) -> bool:
        """Whether what templates put in is percent-encoded, for a URL path."""
        return bool(self.first("x-encode") == "path")

    @cached_property
    def secret(self) -> bool:
        """Whether what stands here is a secret."""
        return bool(self.first("x-secret"))

    @cached_property
    def sql(self) -> bool:
        """Whether what stands here is SQL, which takes no templates."""
        return bool(self.first("x-sql"))

    @cached_property
    def check_only(self) -> bool:
        """Whether what stands here is for checking, and nothing that a connector is to see."""
        return bool(self.first("x-check-only"))

    @cached_property
    def role(self) -> str | None:
        """Of the connector whose name is a key here."""
        return self._text("x-connector")

    @cached_property
    def closed(self) -> bool:
        """Whether unknown keys are refused."""
        return any(part.get("additionalProperties") is False for part in self.parts)

    def _text(self, keyword: str) -> str | None:
        found = self.first(keyword)
        return found if isinstance(found, str) else None

    def known(self) -> list[str]:
        """Return the keys that may stand here."""
        return list(dict.fromkeys(key for part in self.parts for key in part.get("properties", ())))

    def is_note(self, key: str) -> bool:
        """Whether *key* is one of the ``x-…`` that are free for notes, not a name that means something here."""
        patterns = {pattern for part in self.parts for pattern in part.get("patternProperties", {})}
        return self.closed and key not in self.known() and not any(re.search(p, key) for p in patterns - {"^x-"})

    def child(self, key: str | int) -> Shape | None:
        """Return the shape of a key's or an item's value; None where anything may stand."""
        name = "[]" if isinstance(key, int) else key
        if name not in self._children:
            self._children[name] = self._item() if isinstance(key, int) else self._property(key)
        return self._children[name]

    def _item(self) -> Shape | None:
        return self._make([part["items"] for part in self.parts if isinstance(part.get("items"), Mapping)])

    def _property(self, key: str) -> Shape | None:
        known = [part["properties"][key] for part in self.parts if key in part.get("properties", ())]
        if not known and self.role and self._options and (options := self._options(self.role, key)):
            return options
        known += [
            schema
            for part in self.parts
            for pattern, schema in part.get("patternProperties", {}).items()
            if re.search(pattern, key)
        ]
        return self._make(known or [part.get("additionalProperties") for part in self.parts])

    def _make(self, schemas: Sequence[Any]) -> Shape | None:
        real = [schema for schema in schemas if isinstance(schema, Mapping) and schema]
        return Shape(real, self._root, self._options) if real else None

    def at(self, path: Path) -> Shape | None:
        """Return the shape at *path* below here."""
        shape: Shape | None = self
        for key in path:
            shape = shape.child(key) if shape else None
        return shape

    @cached_property
    def _active(self) -> bool:
        """Whether anything below here is to be converted or noted; open keys count as what they hold."""
        return _active(self, set())


def _active(shape: Shape, seen: set[tuple[int, ...]]) -> bool:
    mark = tuple(id(part) for part in shape.parts)
    if mark in seen:
        return False
    seen.add(mark)
    if shape.unit or shape.value or shape.secret or shape.sql or shape.closed or shape.role:
        return True
    below: list[Any] = []
    for part in shape.parts:
        below += part.get("properties", {}).values()
        below += part.get("patternProperties", {}).values()
        below += [part.get("additionalProperties"), part.get("items")]
    inner = shape._make([schema for schema in below if isinstance(schema, Mapping)])
    return inner is not None and _active(inner, seen)


class Notes:
    """What a walk along a shape found."""

    __slots__ = ("encoded", "secrets", "sql", "values")

    def __init__(self) -> None:
        self.values: dict[Path, Any] = {}
        self.encoded: set[Path] = set()
        self.secrets: dict[Path, str] = {}
        self.sql: dict[Path, str] = {}


def convert(value: Any, shape: Shape | None, notes: Notes, path: Path = ()) -> Any:
    """Return *value* with durations as seconds, sizes as bytes and ``x-…`` notes gone; *notes* collects the rest."""
    if shape is None or value is None:
        return value
    if shape.value:
        notes.values[path] = shape.value
        if shape.encode:
            notes.encoded.add(path)
        if shape.secret:
            _note_secrets(value, notes, path)
        return value
    if isinstance(value, str):
        return _text(value, shape, notes, path)
    if isinstance(value, dict) and shape._active:
        return {
            key: convert(item, shape.child(key), notes, (*path, key))
            for key, item in value.items()
            if not (key.startswith("x-") and shape.is_note(key))
        }
    if isinstance(value, list) and shape._active:
        return [convert(item, shape.child(index), notes, (*path, index)) for index, item in enumerate(value)]
    return value


def _text(value: str, shape: Shape, notes: Notes, path: Path) -> Any:
    if shape.secret:
        notes.secrets[path] = value
    if shape.sql:
        notes.sql[path] = value
    if shape.unit is None:
        return value
    try:
        return seconds(value) if shape.unit == "duration" else size(value)
    except ValueError:
        return value  # the schema allows another text here, or a variable that is still missing


def _note_secrets(value: Any, notes: Notes, path: Path) -> None:
    if isinstance(value, str):
        notes.secrets[path] = value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _note_secrets(item, notes, (*path, key))
    elif isinstance(value, Sequence):
        for index, item in enumerate(value):
            _note_secrets(item, notes, (*path, index))


def type_of(value: Any) -> str:
    """Return the JSON type of plain data."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return "integer" if isinstance(value, int) else "number"
    return "array" if isinstance(value, list) else "object"
