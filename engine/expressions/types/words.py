"""Types in words for people, and as JSON Schema."""

from __future__ import annotations

from typing import Any

from engine.expressions.types.acts import NUMERIC
from engine.expressions.types.model import KINDS, Type

_ONE = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "text": "text",
    "object": "an object",
    "other": "a date or bytes",
    "null": "null",
}
_MANY = {
    "boolean": "true and false",
    "integer": "whole numbers",
    "number": "numbers",
    "text": "texts",
    "object": "objects",
    "other": "dates or bytes",
    "null": "nulls",
}
_NAMES = {"text": "string", "list": "array"}


def describe(given: Type) -> str:
    """Say what a value is: ``text or null``, ``a list of objects``."""
    if given.kinds >= KINDS - {"null"}:
        return "anything" if given.nullable else "anything but null"
    return " or ".join(_parts(given)) or "nothing"


def _parts(given: Type) -> list[str]:
    kinds = given.kinds - {"integer"} if "number" in given.kinds else given.kinds
    parts = [_ONE[kind] for kind in ("text", "integer", "number", "boolean", "object") if kind in kinds]
    if "list" in kinds:
        parts.append(_list(given))
    return parts + [_ONE[kind] for kind in ("other", "null") if kind in kinds]


def _list(given: Type) -> str:
    items = given.items
    if items is None or items.kinds >= KINDS - {"null"}:
        return "a list"
    kinds = items.kinds - {"null"}
    if "list" in kinds:
        return "a list of lists"
    if "number" in kinds:
        kinds -= {"integer"}
    return f"a list of {' or '.join(_MANY[kind] for kind in sorted(kinds or items.kinds))}"


def as_schema(given: Type) -> dict[str, Any]:
    """Write as JSON Schema (draft-07)."""
    return {"$schema": "http://json-schema.org/draft-07/schema#", **_schema(given)}


def _schema(given: Type) -> dict[str, Any]:
    made: dict[str, Any] = {}
    kinds = given.kinds - {"other"}
    if "other" not in given.kinds:
        names = sorted(
            {_NAMES.get(kind, kind) for kind in kinds if kind != "integer" or not kinds >= NUMERIC},
            key=lambda name: (name == "null", name),
        )
        made["type"] = names[0] if len(names) == 1 else names
    if given.choices:
        return {**made, "enum": [*given.choices, *([None] if given.nullable else [])]}
    if "object" in kinds and (given.fields or given.further != "yes"):
        made["properties"] = {name: _schema(field.type) for name, field in given.fields.items()}
        required = [name for name, field in given.fields.items() if field.always]
        made |= {"required": required} if required else {}
        made |= {"additionalProperties": given.further == "yes"} if given.further != "unsaid" else {}
    if "list" in kinds and given.items is not None:
        made["items"] = _schema(given.items)
    if "text" in kinds and given.longest is not None:
        made["maxLength"] = given.longest
    return made
