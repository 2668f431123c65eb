"""What pipelines and connections say about each other across files: names that clash, are missing, or go in circles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.definition.document import KEY, Document
from engine.definition.explain import Finding
from engine.definition.nearest import nearest, surely
from engine.definition.retype import scalar
from engine.errors import Path

One = tuple[str, Document, Path]
Named = Sequence[One]
"""Every definition in order of reading: its name, its file, and the path of the name."""


def duplicates(what: str, named: Named) -> Iterator[tuple[Document, Finding]]:
    """Return a finding for each name that another definition has already."""
    first: dict[str, tuple[Document, Path]] = {}
    for name, document, path in named:
        if name in first:
            other, place = first[name][0], first[name][0].place(first[name][1])
            fact = f"there is a {what} '{name}' already at {place.file}:{place.line}:{place.column}"
            finding = Finding(
                path[:-1] if path[-1] == KEY else path, path[-1] == KEY, f"duplicate-{what}", fact, "rename one"
            )
            if other is not document or path != first[name][1]:
                yield document, finding
        first.setdefault(name, (document, path))


def renamed(named: Named) -> Iterator[tuple[Document, Finding]]:
    """Return a finding for each ``renamed_from`` whose old name still has, or has already, another owner."""
    names = {name: (document, path) for name, document, path in reversed(named)}
    heirs: dict[str, tuple[Document, Path]] = {}
    for name, document, _ in named:
        path: Path = ("renamed_from",)
        old = document.value.get("renamed_from")
        if not isinstance(old, str) or old == name:
            continue
        if other := names.get(old) or heirs.get(old):
            place = other[0].place(other[1])
            fact = f"'{old}' is still a pipeline" if old in names else f"what '{old}' left goes to another pipeline"
            hint = "only one can go on where it stood"
            fact = f"{fact} ({place.file}:{place.line})"
            yield document, Finding(path, False, "renamed-from", fact, hint)
        heirs.setdefault(old, (document, path))


def afters(value: Any) -> list[tuple[Path, str]]:
    """Return the pipelines a pipeline's triggers name in ``after``, each with its path."""
    found: list[tuple[Path, str]] = []
    triggers = value.get("triggers") if isinstance(value, Mapping) else None
    for index, trigger in enumerate(triggers if isinstance(triggers, list) else ()):
        after = trigger.get("after") if isinstance(trigger, Mapping) else None
        path: Path = ("triggers", index, "after")
        if isinstance(after, str):
            found.append((path, after))
        elif isinstance(after, list):
            found += [((*path, at), name) for at, name in enumerate(after) if isinstance(name, str)]
    return found


def unknown_after(named: Named) -> Iterator[tuple[Document, Finding]]:
    """Return a finding for each ``after`` that names no pipeline."""
    names = {name: (document, path) for name, document, path in reversed(named)}
    for own, document, _ in named:
        for path, name in afters(document.value):
            if name in names:
                continue
            hint, meant = "", nearest(name, [other for other in names if other != own])
            if meant:
                place = names[meant][0].place(names[meant][1])
                hint = f"did you mean '{meant}' ({place.file}:{place.line})?"
            fact = f"there is no pipeline '{name}'"
            yield document, Finding(path, False, "unknown-pipeline", fact, hint, fix=scalar(surely(name, meant)))


def cycles(named: Named) -> Iterator[tuple[Document, Finding]]:
    """Return one finding for each circle of ``after``, at the pipeline of it that is read first."""
    follows = {name: (document, afters(document.value)) for name, document, _ in reversed(named)}
    done: set[str] = set()
    for name, _, _ in named:
        circle = _circle(name, follows) if name not in done else None
        if circle:
            done.update(circle)
            document, waits = follows[name]
            path = next(path for path, other in waits if other == circle[1 % len(circle)])
            shown = " after ".join([name, *(_where(one, circle, follows) for one in circle[1:]), name])
            yield (
                document,
                Finding(path, False, "after-cycle", f"this goes in a circle: {shown}", "break it at one place"),
            )


def _where(name: str, circle: list[str], follows: Mapping[str, tuple[Document, list[tuple[Path, str]]]]) -> str:
    """Write a pipeline of a circle with the place of its own ``after``."""
    document, waits = follows[name]
    following = circle[(circle.index(name) + 1) % len(circle)]
    place = document.place(next(path for path, other in waits if other == following))
    return f"{name} ({place.file}:{place.line}:{place.column})"


def _circle(start: str, follows: Mapping[str, tuple[Document, list[tuple[Path, str]]]]) -> list[str] | None:
    """Return the shortest way along ``after`` from *start* back to it."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop(0)
        for _, name in follows[way[-1]][1]:
            if name == start:
                return way
            if name in follows and name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return None
