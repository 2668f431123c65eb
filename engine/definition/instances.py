"""Instances of ``for_each``: the tree of a template is shared, and only what ``${each.…}`` stands in is copied."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.definition.document import Document
from engine.definition.each import Row
from engine.definition.rows import Rows
from engine.definition.variables import Resolved
from engine.errors import Path

Fill = Callable[[Document, Row | None], Resolved]
"""Puts a row's values into a document, in place; without a row, what fits."""


@dataclass(slots=True)
class Made:
    """One instance on its way to a definition."""

    name: str
    row: Row
    document: Document
    """Of a connection, its file with nothing in it but this one."""
    resolved: Resolved


@dataclass(slots=True)
class Template:
    """A pipeline or a connection with ``for_each``."""

    name: str
    path: Path
    """``()`` of a pipeline, ``("connections", name)`` of a connection."""
    rows: Rows
    each: tuple[Path, ...]
    """Where ``${each.…}`` stands in the file."""
    steady: bool
    """No row leaves anything out: all have the same keys."""
    made: list[Made] = field(default_factory=list)
    shared: frozenset[int] = frozenset()
    """Ids of the maps and lists that all instances have in common."""

    def concerned(self, path: Path, key: bool = False) -> bool:
        """Whether what stands at *path* came from a row; *key*: it is the key that is meant."""
        return any(path[: len(one)] == one and not (key and len(path) == len(one)) for one in self.each)

    def lively(self, calm: Collection[str]) -> bool:
        """Whether a row's value stands anywhere but under the keys *calm*, or may take something out."""
        at = len(self.path)
        return not self.steady or any(one[at] not in calm for one in self.each)


def expand(document: Document, template: Template, fill: Fill) -> Resolved:
    """Make the instances; the template's own place in *document* becomes the first of them, or what fits.

    The first one is checked with the whole document, so that what is wrong in the template is said once.
    """
    root = node(document.value, template.path)
    frame = {key: value for key, value in root.items() if key != "for_each"}
    prefixes = _prefixes(template)
    template.shared = frozenset(_ids(frame, {one[len(template.path) :] for one in prefixes}))
    for row in template.rows.rows:
        whole = _copied(_wrapped(frame, template.path), prefixes)
        own = Document(document.file, document.text, whole, document.places)
        resolved = fill(own, row)
        template.made.append(Made(f"{template.name}[{row.key}]", row, own, resolved))
    if template.made:
        first = node(template.made[0].document.value, template.path)
        done = template.made[0].resolved
    else:
        whole = _copied(_wrapped(frame, template.path), prefixes)
        own = Document(document.file, document.text, whole, document.places)
        done, first = fill(own, None), node(own.value, template.path)
    _put(document, template.path, {**first, "for_each": root["for_each"]})
    return done


def _wrapped(frame: Any, path: Path) -> Any:
    for key in reversed(path):
        frame = {key: frame}
    return frame


def _prefixes(template: Template) -> Sequence[Path]:
    """Return the paths of the maps and lists that hold a ``${each.…}``, outer ones first."""
    found = {one[:length] for one in template.each for length in range(len(one))}
    return sorted(found, key=len)


def _copied(whole: Any, prefixes: Sequence[Path]) -> Any:
    """Return *whole* with fresh maps and lists at *prefixes*."""
    made: dict[Path, Any] = {(): whole.copy()}
    for path in prefixes:
        if path:
            above = made[path[:-1]]
            made[path] = above[path[-1]] = above[path[-1]].copy()
    return made[()]


def _ids(value: Any, copied: set[Path], path: Path = ()) -> Iterator[int]:
    if not isinstance(value, dict | list):
        return
    if path not in copied:
        yield id(value)  # all below is shared too, and is reached through this one
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list):
            yield from _ids(item, copied, (*path, key))


def node(value: Any, path: Path) -> Any:
    """Return what stands at *path*."""
    for key in path:
        value = value[key]
    return value


def _put(document: Document, path: Path, value: Any) -> None:
    if not path:
        document.value = value
        return
    node(document.value, path[:-1])[path[-1]] = value
