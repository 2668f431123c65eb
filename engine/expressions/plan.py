"""A value of the language as a tree: what the reader makes and the generator and the oracle walk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.errors import Path, dotted

_INSIDE = frozenset({"$value", "$field", "$const", "$each"})


def place(path: Path) -> str:
    """Write a path without the keys that only say how a field is made."""
    if "$copy" in path:
        path = path[: path.index("$copy") + 1]
    return dotted(tuple(part for part in path if part not in _INSIDE))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Node:
    """A value, and where it stands in the document."""

    path: Path

    @property
    def where(self) -> str:
        """The place as failures carry it: the field, not the key inside it."""
        return place(self.path)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Const(Node):
    """Itself."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Lookup(Node):
    """A plain path: an absent step is not null."""

    steps: tuple[str | int, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Query(Node):
    """JMESPath; *tree* is the package's syntax tree."""

    text: str
    tree: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Text(Node):
    """Jinja."""

    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Items(Node):
    """A list of values."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fields(Node):
    """An object: names and values, ``$copy`` already spelled out."""

    fields: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Each(Node):
    """``$each`` and ``$map``: one value per element."""

    source: Node
    body: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Field(Node):
    """One field with its ``$`` keys."""

    source: Node
    type: str | None = None
    format: str | None = None
    scale: int | None = None
    required: bool | None = None
    default: Any = None
    has_default: bool = False
    sensitive: bool = False


def written(steps: tuple[str | int, ...]) -> str:
    """Write a plain path as people read it."""
    return dotted(steps)
