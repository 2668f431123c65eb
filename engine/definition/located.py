"""What the fast validator says is wrong, in the form that ``explain`` puts into words.

The fast validator reads a large document in a moment and tells where each rule is broken; the rule itself and the value
are looked up here. jsonschema reads everything again in Python, and is the oracle of the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from engine.definition.explain import MAX_FOUND, Mistake


@dataclass(slots=True)
class Located:
    """A ``Mistake``."""

    absolute_path: tuple[str | int, ...]
    absolute_schema_path: tuple[str | int, ...]
    validator: str
    validator_value: Any
    instance: Any
    schema: Mapping[str, Any]
    message: str
    context: Sequence[Mistake] | None = None


def mistakes(errors: Iterable[Any], document: Mapping[str, Any], value: Any) -> list[Mistake]:
    """Return the first *errors* of the fast validator, whose schema is *document*, about *value*."""
    return [made for error in islice(errors, MAX_FOUND) for made in _made(error, document, value)]


def _made(error: Any, document: Mapping[str, Any], value: Any) -> Iterator[Mistake]:
    path = tuple(error.schema_path)
    where, instance = _at(value, error.instance_path)
    if error.kind.name == "propertyNames":  # what is wrong is a key of the map there
        instance, path = error.kind.value.instance, (*path[:-1], "propertyNames", path[-1])
    _, schema = _at(document, error.schema_path[:-1])
    if not isinstance(schema, Mapping):
        schema = {}
    keyword = str(path[-1]) if path else ""
    context = None
    if keyword in ("anyOf", "oneOf") and isinstance(error.kind.value, list):
        context = [made for branch in error.kind.value for inner in branch for made in _made(inner, document, value)]
    yield Located(where, path, keyword, schema.get(keyword), instance, schema, error.message, context)


def _at(value: Any, pointer: Iterable[str | int]) -> tuple[tuple[str | int, ...], Any]:
    """Follow a pointer, in which a key of digits has become a number; return the path with the key as it is."""
    path: list[str | int] = []
    for part in pointer:
        if isinstance(value, Mapping):
            part = str(part)
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            value = None
        path.append(part)
    return tuple(path), value
