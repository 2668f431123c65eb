"""Looks into folders that files are dropped in, and moves files out of them; each call is work for a thread.

What stands in such a folder was named by others. Only regular files with printable names count; a link, a pipe or a
device is never opened, and nothing outside of the project and the folders of ``files:`` is touched.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Mark(NamedTuple):
    """What makes a file of one name this version of it."""

    modified: int
    """In ns."""
    size: int

    def __str__(self) -> str:
        return f"{self.modified}-{self.size}"

    @classmethod
    def read(cls, text: str) -> Mark:
        """Read what ``str`` wrote."""
        modified, _, size = text.rpartition("-")
        return cls(int(modified), int(size))


class Found(NamedTuple):
    """What one look into a folder showed."""

    files: Mapping[str, Mark]
    """By name, sorted."""
    odd: Mapping[str, str]
    """Names that fit and are ignored, fit to be shown, and why."""


def home(root: Path, roots: Sequence[Path], text: str) -> Path:
    """Return the real folder that *text* names. Raises ValueError where it leads out, OSError where it cannot be told.

    The folder need not be there.
    """
    if ".." in Path(text).parts or "\0" in text:
        raise ValueError(f"'{text}' has '..' in it; write the path from the project's folder")
    real = Path(os.path.realpath(root / text))
    allowed = [Path(os.path.realpath(one)) for one in (root, *roots)]
    if not any(real.is_relative_to(one) for one in allowed):
        fact = f"'{text}' leads out of the project"
        raise ValueError(f"{fact}; a folder elsewhere must stand under files: in engine.yaml")
    return real


def look(folder: Path, pattern: str) -> Found:
    """Look at what fits *pattern* in *folder*, not below it. Raises OSError."""
    files: dict[str, Mark] = {}
    odd: dict[str, str] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _fits(entry.name, pattern):
                continue
            try:
                facts = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # it has gone meanwhile
            if stat.S_ISDIR(facts.st_mode):
                continue
            if why := _odd(entry.name, facts.st_mode):
                odd[ascii(entry.name)] = why
            else:
                files[entry.name] = Mark(facts.st_mtime_ns, facts.st_size)
    return Found({name: files[name] for name in sorted(files)}, odd)


def _fits(name: str, pattern: str) -> bool:
    # what begins with a dot is being written, or hidden, unless it is asked for
    return fnmatch.fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith("."))


def _odd(name: str, mode: int) -> str:
    if not name.isprintable():
        return "its name has signs in it that cannot be written"
    if stat.S_ISLNK(mode):
        return "it is a link, not a file"
    return "" if stat.S_ISREG(mode) else "it is a pipe or a device, not a file"


def version(path: Path) -> Mark | None:
    """Return which version of a file is there; None: none. Raises OSError."""
    try:
        facts = os.lstat(path)
    except FileNotFoundError:
        return None
    return Mark(facts.st_mtime_ns, facts.st_size) if stat.S_ISREG(facts.st_mode) else None


def move(path: Path, mark: Mark, to: Path) -> Path | None:
    """Move this version of a file into the folder *to*, which is made; nothing there is replaced.

    Return where it is now; None where that version is not there any more: it was moved before, or another one has
    come, which is left alone. Raises OSError.
    """
    if version(path) != mark:
        return None
    os.makedirs(to, exist_ok=True)
    goal = free(to, path.name)
    try:
        os.rename(path, goal)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _carry(path, goal)
    return goal


def _carry(path: Path, goal: Path) -> None:
    """Move over to another file system: whole under its name, or not there."""
    part = goal.with_name(f".{goal.name}.part")
    try:
        shutil.copy2(path, part, follow_symlinks=False)
        os.rename(part, goal)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    path.unlink()


def free(folder: Path, name: str) -> Path:
    """Return a name that nothing in *folder* has: ``a.csv``, ``a-2.csv``; the ending, which tells the format, stays."""
    stem, dot, ending = name.partition(".") if not name.startswith(".") else (name, "", "")
    number, path = 1, folder / name
    while os.path.lexists(path):
        number += 1
        path = folder / f"{stem}-{number}{dot}{ending}"
    return path
