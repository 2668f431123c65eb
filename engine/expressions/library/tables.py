"""Tables in files of the project: ``lookup_table('units.csv', 'code', code)``."""

from __future__ import annotations

import csv
import io
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from engine import regular
from engine.errors import RecordError
from engine.expressions.library.base import function, shown

MAX_BYTES = 16 << 20


class HasFolders(Protocol):
    """The part of the settings that tables need."""

    @property
    def root(self) -> Path:
        """The project's folder."""
        ...

    @property
    def roots(self) -> Any:
        """Further folders."""
        ...


def inside(name: str, settings: HasFolders) -> Path:
    """Return the file *name* inside the project; raises RecordError ``file`` for any other."""
    if not name or "\0" in name:
        raise RecordError("file", f"{shown(name)} is not the name of a file")
    folders = [Path(settings.root).resolve(), *(Path(folder).resolve() for folder in settings.roots)]
    found = (folders[0] / name).resolve()
    if not any(found.is_relative_to(folder) for folder in folders):
        raise RecordError("file", f"{shown(name)} lies outside the project")
    if not found.is_file():
        raise RecordError("file", f"there is no file {shown(name)} in the project")
    return found


@lru_cache(maxsize=64)
def _rows(file: str, changed: int, size: int, column: str, name: str) -> dict[str, dict[str, str]]:
    """Read a CSV once per column and per change of the file."""
    if size > MAX_BYTES:
        raise RecordError("file", f"{shown(name)} is larger than {MAX_BYTES >> 20} MiB")
    try:
        text = regular.read(file, MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise RecordError("file", f"{shown(name)} cannot be read as UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    if column not in (reader.fieldnames or ()):
        raise RecordError(
            "file", f"{shown(name)} has no column {shown(column)}; it has {', '.join(reader.fieldnames or ())}"
        )
    rows: dict[str, dict[str, str]] = {}
    for row in reader:
        rows.setdefault(row[column] or "", {key: value or "" for key, value in row.items() if key is not None})
    return rows


@function("text", "text", "scalar", needs="settings")
def lookup_table(settings: HasFolders, name: str, column: str, value: Any) -> dict[str, str] | None:
    """Give the first row of a CSV file whose column holds the value, as an object; null where there is none."""
    from engine.expressions.convert import to_text

    row = table(settings, name, column).get(to_text(value))
    return dict(row) if row is not None else None


def table(settings: HasFolders, name: str, column: str) -> dict[str, dict[str, str]]:
    """Return the rows of a table by the text in *column*."""
    file = inside(name, settings)
    facts = file.stat()
    return _rows(str(file), facts.st_mtime_ns, facts.st_size, column, name)
