"""Which files make up a project, and the name each has in problems."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

FOLDERS = ("pipelines", "connections", "presets")
SETTINGS = "engine.yaml"


def named(root: Path, paths: Sequence[Path]) -> tuple[dict[Path, str], list[Path]]:
    """Return the files that *paths* name, each with its name in problems, and the paths where there is nothing."""
    found: dict[Path, str] = {}
    nothing: list[Path] = []
    for path in paths:
        place = root / path
        if place.is_dir():
            found.update((place / below, _label(root, place / below)) for below in _below(place))
        elif place.is_file():
            found[place] = _label(root, place)
        else:
            nothing.append(path)
    return found, nothing


TESTS = (".test.yaml", ".test.yml")
"""How names of files of tests end."""


def everything(root: Path, extra: Mapping[Path, str]) -> Iterator[tuple[Path, str]]:
    """Return the project's files, then *extra*, those named from elsewhere: a clash is said where it came in."""
    seen = {path.resolve() for path in extra}
    for folder in FOLDERS:
        for below in _below(root / folder):
            path = root / folder / below
            if not seen or path.resolve() not in seen:
                yield path, f"{folder}/{below}"
    yield from ((path, label) for path, label in extra.items() if label != SETTINGS)


def _below(folder: Path) -> Iterator[str]:
    """Return every file of definitions below *folder*, sorted; what begins with a dot is passed over."""
    closed: list[OSError] = []
    for where, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inner = os.path.relpath(where, folder).replace(os.sep, "/")
        for name in sorted(names):
            if name.endswith((".yaml", ".yml")) and not name.startswith("."):
                yield name if inner == "." else f"{inner}/{name}"
    # a folder that cannot be looked into is read like a file, and that says so
    yield from (os.path.relpath(error.filename, folder) for error in closed if not isinstance(error, FileNotFoundError))


def _label(root: Path, path: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return str(path)
