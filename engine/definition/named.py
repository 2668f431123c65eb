"""What files give names to: pipelines and their instances, connections, tables of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from engine.definition.document import KEY
from engine.definition.reading import File
from engine.definition.references import One


def of_kind(loaded: Iterable[File], kind: str) -> Iterator[File]:
    """Yield the files of one kind."""
    return (file for file in loaded if file.kind == kind)


def tables(loaded: Sequence[File]) -> dict[str, frozenset[str]]:
    """Return the files of rows, and the files of the definitions that name them."""
    found: dict[str, set[str]] = {}
    for file in loaded:
        for template in file.templates:
            if template.rows.table:
                found.setdefault(template.rows.table, set()).add(file.document.file)
    return {table: frozenset(files) for table, files in found.items()}


def pipelines(loaded: Sequence[File]) -> Iterator[One]:
    """Yield each pipeline: its name, its document, and where the name stands."""
    for file in of_kind(loaded, "pipeline"):
        name = file.document.value.get("pipeline")
        if isinstance(name, str):
            yield name, file.document, ("pipeline",)


def instances(loaded: Sequence[File]) -> Iterator[One]:
    """Yield what ``pipelines`` does, and of a template each of its instances instead."""
    for file in of_kind(loaded, "pipeline"):
        name = file.document.value.get("pipeline")
        if file.templates:
            yield from ((made.name, made.document, ("pipeline",)) for made in file.templates[0].made)
        elif isinstance(name, str):
            yield name, file.document, ("pipeline",)


def connections(loaded: Sequence[File]) -> Iterator[One]:
    """Yield each connection the same way."""
    for file in of_kind(loaded, "connections"):
        named = file.document.value.get("connections")
        for name in named if isinstance(named, dict) else ():
            if not name.startswith("x-"):
                yield name, file.document, ("connections", name, KEY)
