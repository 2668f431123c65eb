"""Types of JSON Schema: draft-07, 2020-12, and what OpenAPI makes of them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from engine.expressions.types.acts import MAX_CHOICES, both, unions
from engine.expressions.types.model import ANY, KINDS, NULL, Field, Further, Kind, Type

Resolve = Callable[[str], Any]
MAX_DEPTH = 24
MAX_NODES = 20_000

_KINDS: Mapping[str, frozenset[Kind]] = {
    "null": NULL.kinds,
    "boolean": frozenset({"boolean"}),
    "integer": frozenset({"integer"}),
    "number": frozenset({"integer", "number"}),
    "string": frozenset({"text"}),
    "array": frozenset({"list"}),
    "object": frozenset({"object"}),
}
_OBJECT_WORDS = ("properties", "additionalProperties", "patternProperties", "unevaluatedProperties")


def type_of_schema(schema: Any, resolve: Resolve | None = None, known_from: str = "", *, root: Any = None) -> Type:
    """Return what fits *schema*; what it leaves open, or what cannot be found, is anything.

    *resolve* gives the document of another file a ``$ref`` names, or None; *root* is the document in which ``#/…``
    is looked up, where that is not *schema* itself.
    """
    return _Reading(resolve, known_from).type(schema, _Document("", schema if root is None else root), 0)


class _Document:
    """A document, and the name by which its references are relative."""

    __slots__ = ("content", "name")

    def __init__(self, name: str, content: Any) -> None:
        self.name = name
        self.content = content


class _Reading:
    """Reads one schema with all it refers to."""

    def __init__(self, resolve: Resolve | None, known_from: str) -> None:
        self.resolve = resolve
        self.known_from = known_from
        self.left = MAX_NODES
        self.known: dict[tuple[str, str], Type] = {}
        self.open: set[tuple[str, str]] = set()
        self.documents: dict[str, _Document | None] = {}

    def type(self, schema: Any, document: _Document, depth: int) -> Type:
        """Return what fits a schema that stands in a document."""
        self.left -= 1
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH or self.left < 0:
            return ANY
        made = self._plain(schema, document, depth)
        if isinstance(schema.get("$ref"), str):
            made = _together(made, self._referred(schema["$ref"], document, depth))
        made = self._combined(made, schema, document, depth)
        if schema.get("nullable") is True:
            made = made.or_null()
        if schema.get("unevaluatedProperties") is False and "patternProperties" not in schema:
            made = replace(made, further="no")
        return made

    def _plain(self, schema: Mapping[str, Any], document: _Document, depth: int) -> Type:
        kinds = self._kinds(schema)
        choices = _choices(schema)
        if choices is not None:
            kinds &= frozenset[Kind]().union(*(_kind_of(value) for value in choices)) or KINDS
        fields: dict[str, Field] = {}
        further: Further = "yes"
        items: Type | None = None
        if "object" in kinds and (any(word in schema for word in _OBJECT_WORDS) or "required" in schema):
            fields, further = self._fields(schema, document, depth)
        elif "object" in kinds and "type" in schema:
            further = "unsaid"
        if "list" in kinds and isinstance(schema.get("items"), Mapping) and "prefixItems" not in schema:
            items = self.type(schema["items"], document, depth + 1)
        longest = schema.get("maxLength")
        return Type(
            kinds,
            fields,
            further,
            items,
            longest if isinstance(longest, int) and not isinstance(longest, bool) and "text" in kinds else None,
            _plain_choices(choices),
            self.known_from if "object" in kinds and kinds != KINDS else "",
        )

    def _kinds(self, schema: Mapping[str, Any]) -> frozenset[Kind]:
        named = schema.get("type")
        names = [named] if isinstance(named, str) else named if isinstance(named, (list, tuple)) else []
        kinds = frozenset[Kind]().union(*(_KINDS.get(str(name), KINDS) for name in names))
        if kinds:
            return kinds
        if isinstance(schema.get("properties"), Mapping):  # what people mean who leave the type out
            return _KINDS["object"]
        return KINDS

    def _fields(self, schema: Mapping[str, Any], document: _Document, depth: int) -> tuple[dict[str, Field], Further]:
        written = schema.get("properties")
        required = schema.get("required")
        needed = {name for name in required if isinstance(name, str)} if isinstance(required, (list, tuple)) else set()
        fields = {
            str(name): Field(self.type(inner, document, depth + 1), name in needed)
            for name, inner in (written.items() if isinstance(written, Mapping) else ())
            if inner is not False
        }
        others = schema.get("additionalProperties")
        further: Further = "unsaid"
        if others is False and "patternProperties" not in schema:
            further = "no"
        elif others is not None or "patternProperties" in schema:
            further = "yes"
        if further != "no":
            fields |= {name: Field(ANY) for name in sorted(needed - fields.keys())}
        return fields, further

    def _combined(self, made: Type, schema: Mapping[str, Any], document: _Document, depth: int) -> Type:
        parts = schema.get("allOf")
        later = [schema]
        for part in parts if isinstance(parts, (list, tuple)) else ():
            if isinstance(part, Mapping) and "if" in part:
                later.append(part)
                part = {name: inner for name, inner in part.items() if name not in ("if", "then", "else")}
                if not part:
                    continue
            made = _together(made, self.type(part, document, depth + 1))
        for word in ("anyOf", "oneOf"):
            either = schema.get(word)
            if isinstance(either, (list, tuple)) and either:
                made = unions(_together(made, self.type(part, document, depth + 1)) for part in either)
        sides = [side for part in later for side in _sides(part)]
        return unions(_together(made, self.type(side, document, depth + 1)) for side in sides) if sides else made

    def _referred(self, reference: str, document: _Document, depth: int) -> Type:
        file, _, pointer = reference.partition("#")
        found = self._document(file, document) if file else document
        if found is None:
            return ANY
        key = (found.name, pointer)
        if key in self.known:
            return self.known[key]
        if key in self.open:
            return ANY
        self.open.add(key)
        made = self.type(_at(found.content, pointer), found, depth + 1)
        self.open.discard(key)
        self.known[key] = made
        return made

    def _document(self, file: str, document: _Document) -> _Document | None:
        if "://" in file or self.resolve is None:
            return None
        name = posixpath.normpath(posixpath.join(posixpath.dirname(document.name), unquote(file)))
        if name not in self.documents:
            content = self.resolve(name)
            self.documents[name] = _Document(name, content) if content is not None else None
        return self.documents[name]


def _together(one: Type, other: Type) -> Type:
    """Return what fits two parts of one schema.

    Strictly, a part without additional properties forbids the fields that only the other part names. Nothing could
    be sent then, and nobody means it: together they name all fields there are.
    """
    if "no" not in (one.further, other.further) or not (one.fields and other.fields):
        return both(one, other)
    made = both(_opened(one), _opened(other))
    return replace(made, further="no") if "object" in made.kinds and not made.any else made


def _opened(part: Type) -> Type:
    return replace(part, further="unsaid") if part.further == "no" else part


def _sides(schema: Mapping[str, Any]) -> list[Any]:
    """Return what may hold of a conditional; each alone is more than all that hold together."""
    if "if" not in schema or not ("then" in schema or "else" in schema):
        return []
    return [schema.get("then", True), schema.get("else", True)]


def _at(content: Any, pointer: str) -> Any:
    """Follow a JSON pointer; None where there is nothing, or the pointer is none."""
    if not pointer:
        return content
    if not pointer.startswith("/"):
        return None
    for part in pointer[1:].split("/"):
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(content, Mapping):
            content = content.get(name)
        elif isinstance(content, (list, tuple)) and name.isascii() and name.isdigit() and int(name) < len(content):
            content = content[int(name)]
        else:
            return None
    return content


def _choices(schema: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if "const" in schema:
        return (schema["const"],)
    written = schema.get("enum")
    return tuple(written) if isinstance(written, (list, tuple)) and written else None


def _plain_choices(choices: tuple[Any, ...] | None) -> tuple[object, ...]:
    if choices is None or len(choices) > MAX_CHOICES or any(isinstance(one, (list, dict)) for one in choices):
        return ()
    return tuple(one for one in choices if one is not None)


def _kind_of(value: Any) -> frozenset[Kind]:
    if value is None or isinstance(value, bool):
        return NULL.kinds if value is None else _KINDS["boolean"]
    if isinstance(value, str):
        return _KINDS["string"]
    if isinstance(value, (int, float, Decimal)):
        return _KINDS["number"]
    return _KINDS["array"] if isinstance(value, (list, tuple)) else _KINDS["object"]
