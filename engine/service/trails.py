"""Where to listen for changes of a project: real folders, and every folder that holds a link on the way there.

A Kubernetes config map changes by one link, ``..data``, that is put in the place of another; a release folder by its
``current``. Listening at a path alone would stay with what the link pointed to when it began.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_MOST_LINKS = 40

Folder = tuple[str, int]
"""A real folder and its inode: another folder of the same name must be listened to anew."""


@dataclass(frozen=True, slots=True)
class Places:
    """What to listen to."""

    deep: frozenset[Folder] = frozenset()
    """With all that is below."""
    flat: frozenset[Folder] = frozenset()
    """Only what stands right in it, and only where it is in *names*."""
    names: frozenset[str] = frozenset()

    def concerns(self, path: str) -> bool:
        """Tell whether a change at *path* may be one of the project's: a store beside it changes all the time."""
        return path in self.names or any(path.startswith(f"{folder}{os.sep}") for folder, _ in self.deep)


class Step(NamedTuple):
    """One step on the way to a file."""

    folder: str
    """Real: no link is in it."""
    name: str
    link: bool


def places(root: Path, paths: Iterable[str]) -> Places:
    """Return where changes of *root* and of *paths*, those of its footprint, show.

    A folder among *paths* is listened to whole, but for the project's own: a store may lie in it.
    """
    home, where = os.path.realpath(root), list(paths)
    deep = {os.path.realpath(path) for path in where if os.path.isdir(path)} - {home}
    flat: set[str] = {home} if os.path.isdir(home) else set()
    names: set[str] = set()
    for path in _apart([str(root), *where], deep):
        for step in trail(path):
            at = os.path.join(step.folder, step.name)
            names.add(at)
            if step.link or _inside(step.folder, home) or os.path.isfile(at):
                flat.add(step.folder)
    return Places(_folders(deep), _folders(flat - deep), frozenset(names))


def trail(path: str) -> Iterator[Step]:
    """Walk to *path*, through every link, up to where it ends or where there is nothing."""
    here, links = os.sep, 0
    left = _parts(os.path.abspath(path))
    while left:
        name = left.pop()
        if name == os.pardir:
            here = os.path.dirname(here)
            continue
        at = os.path.join(here, name)
        to = _link(at)
        yield Step(here, name, to is not None)
        if to is None:
            if not os.path.lexists(at):
                return
            here = at
            continue
        links += 1
        if links > _MOST_LINKS:
            return
        here = os.sep if os.path.isabs(to) else here
        left += _parts(to)


def _apart(paths: Iterable[str], deep: set[str]) -> Iterator[str]:
    """Leave out files that lie, as themselves, in a folder that is listened to whole."""
    within: dict[str, bool] = {}
    for path in paths:
        folder = os.path.dirname(path)
        if folder not in within:
            real = os.path.realpath(folder)
            within[folder] = real == os.path.abspath(folder) and any(_inside(real, one) for one in deep)
        if not within[folder] or os.path.islink(path):
            yield path


def _parts(path: str) -> list[str]:
    return [part for part in reversed(path.split(os.sep)) if part not in ("", os.curdir)]


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}{os.sep}")


def _folders(paths: Iterable[str]) -> frozenset[Folder]:
    found = set()
    for path in paths:
        try:
            found.add((path, os.stat(path).st_ino))
        except OSError:  # it has gone meanwhile: the next look finds what is there then
            continue
    return frozenset(found)
