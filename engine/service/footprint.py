"""What a project is made of, without reading it: one cheap look tells whether anything changed.

Events of the file system can be lost, and on some file systems there are none; a footprint that differs is what
counts. What is not in it, such as data/ and what editors put beside a file, changes nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from engine.definition.files import FOLDERS, SETTINGS, everything

RUN_SECRETS = Path("/run/secrets")
DOTENV = ".env"

Mark = tuple[int, int, int, int, str]
"""When the content and when the file changed, in ns; its size; its inode; where it points, if it is a link.

With the inode, as a rename may bring a file of the same age and size; with the time of the file itself, as tools that
copy keep the time of the content. A file that cannot be looked at has the error's number, negative, for a size.
"""

Footprint = Mapping[str, Mark | None]
"""By path; None: there is no such file."""

_LONGEST_NAME = 4096
_NAMED = (
    re.compile(r"\$\{file:([^}\n]+?)(?::-[^}\n]*)?\}"),
    re.compile(
        r"""(?<!\$\{)\b(?:file|schema|tables|openapi|jwks|ca|cert|key)["']?\s*:\s*["']?([^\s"',{}\[\]#$][^"',{}\[\]#\n]*)"""
    ),
)


def footprint(root: Path, also: Iterable[Path] = ()) -> Footprint:
    """Look at every file that *root* is loaded from, and at *also*: files, or folders of secrets."""
    marks: dict[str, Mark | None] = {}
    for path in _paths(root, also):
        text = str(path)
        if text not in marks:
            marks[text] = _mark(text)
    return marks


def look(root: Path) -> Footprint:
    """Take the footprint of a project with the files that its texts name now."""
    return footprint(root, named(root))


def vanished(before: Footprint, now: Footprint) -> list[str]:
    """Name what was there before and is not there now."""
    return [path for path, mark in before.items() if mark is not None and now.get(path) is None]


def differing(before: Footprint, now: Footprint) -> list[str]:
    """Name what is not as it was, sorted."""
    return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))


def named(root: Path) -> tuple[Path, ...]:
    """Return the files that the project's texts name: schemas, key sets, rows, certificates, ``${file:…}``.

    Read from the text and not from what was loaded, so that a file is known also while the project is broken without
    it. A name too many costs a look at a file. The tables of ``lookup_table`` are not among them: they are read anew
    at their next use, and a pipeline may well write one every minute.
    """
    found = {name.strip() for path, _ in everything(root, {}) for name in _names(_text(path))}
    found.update(_names(_text(root / SETTINGS)))
    return tuple(sorted(root / name for name in found if len(name) < _LONGEST_NAME and _is_file(root, name)))


def _is_file(root: Path, name: str) -> bool:
    # `key: external_id` names no file, `schema: order.json` does even where it is still missing
    if "\0" in name or "://" in name or os.path.isdir(root / name):
        return False
    return "." in name or "/" in name or os.path.isfile(root / name)


def _names(text: str) -> Iterator[str]:
    for pattern in _NAMED:
        yield from (match[1].strip() for match in pattern.finditer(text))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _paths(root: Path, also: Iterable[Path]) -> Iterator[Path]:
    yield from (root, root / SETTINGS, root / DOTENV)
    for folder in FOLDERS:
        yield root / folder
    yield from (path for path, _ in everything(root, {}))
    for path in (root / "secrets", RUN_SECRETS, *also):
        yield path
        yield from _flat(path)


def _flat(folder: Path) -> Iterator[Path]:
    """Return the files right in a folder, without those that begin with a dot; none where it is no folder."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    yield from (folder / name for name in names if not name.startswith("."))


def _mark(path: str) -> Mark | None:
    try:
        facts, link = os.lstat(path), ""
        if (facts.st_mode & 0o170000) == 0o120000:
            link = os.readlink(path)
            facts = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return (0, 0, -(error.errno or 1), 0, "")
    if (facts.st_mode & 0o170000) == 0o040000:
        return (0, 0, 0, facts.st_ino, link)  # what lies in a folder has marks of its own
    return (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino, link)
