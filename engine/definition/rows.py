"""The rows of ``for_each``: from a CSV file or from the definition itself, each with its key."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from engine import regular
from engine.definition.each import Row
from engine.definition.explain import MORE, Finding
from engine.definition.nearest import did_you_mean
from engine.errors import Path, Problem

MAX_BYTES = 20_000_000
MAX_ROWS = 100_000
MAX_LINE = 200_000
MAX_COLUMNS = 1_000
MAX_PROBLEMS = 20
"""Of one file; the rows after them are not looked at."""
_KEY = re.compile(r"[A-Za-z0-9._-]{1,100}")
_WRONG_KEY = "use letters, digits and . _ -, at most 100: it becomes part of a name"


@dataclass(slots=True)
class Rows:
    """What a ``for_each`` gives."""

    rows: list[Row] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    """What is wrong in the definition."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong in the file of rows."""
    table: str | None = None
    """That file's name."""


class _Table(NamedTuple):
    columns: list[str]
    lines: list[tuple[int, list[str]]]
    problems: list[Problem]


class _NotCsv(Exception):
    def __init__(self, fact: str, line: int) -> None:
        super().__init__(fact)
        self.line = line


class Tables:
    """Files of rows, each read once."""

    def __init__(self, root: FilePath) -> None:
        self._root = root
        self._known: dict[str, _Table | str] = {}

    def rows(self, value: Any, path: Path, secrets: Set[str]) -> Rows:
        """Return the rows of *value*, a ``for_each`` that stands at *path*; none where it is not put together."""
        found = Rows()
        if not isinstance(value, Mapping) or not isinstance(value.get("key"), str):
            return found
        if isinstance(value.get("file"), str) and "items" not in value:
            self._from_file(value["file"], value["key"], path, found)
        elif isinstance(value.get("items"), list) and "file" not in value:
            _from_items(value["items"], value["key"], path, secrets, found)
        return found

    def _from_file(self, name: str, key: str, path: Path, found: Rows) -> None:
        if name not in self._known:
            self._known[name] = _read(self._root / name, name)
        table = self._known[name]
        found.table = name
        if isinstance(table, str):
            hint = "save it as UTF-8" if table.endswith("UTF-8") else "a path is relative to the project"
            finding = Finding((*path, "file"), False, "bad-rows", table, hint)
            found.findings.append(finding)
            return
        found.columns, found.problems = table.columns, list(table.problems)
        if key not in table.columns:
            if not found.problems:
                found.findings.append(_no_key(key, f"'{name}'", table.columns, path))
            return
        at = table.columns.index(key)
        first: dict[str, int] = {}
        for line, cells in table.lines:
            if len(found.problems) > MAX_PROBLEMS:
                found.problems.append(Problem(name, line, 1, MORE.code, "error", "", MORE.message, MORE.hint))
                return
            wrong = _wrong_key(cells[at], first, "line")
            if wrong:
                found.problems.append(Problem(name, line, 1, "row-key", "error", key, *wrong))
                continue
            first[cells[at]] = line
            found.rows.append(Row(cells[at], dict(zip(table.columns, cells, strict=True)), frozenset(), name, line))


def _from_items(items: Sequence[Any], key: str, path: Path, secrets: Set[str], found: Rows) -> None:
    maps = [(index, item) for index, item in enumerate(items) if isinstance(item, Mapping)]
    found.columns = list(dict.fromkeys(column for _, item in maps for column in item))
    if maps and key not in found.columns:
        found.findings.append(_no_key(key, "none of the items", found.columns, path))
        return
    first: dict[str, int] = {}
    for index, item in maps:
        if len(found.findings) > MAX_PROBLEMS:
            found.findings.append(MORE)
            return
        value, place = item.get(key), (*path, "items", index)
        text = "" if value is None or isinstance(value, list | dict | bool) else str(value)
        wrong = _wrong_key(text, first, "item")
        if wrong:
            found.findings.append(Finding((*place, key) if key in item else place, False, "row-key", *wrong))
            continue
        first[text] = index + 1
        found.rows.append(Row(text, item, secrets, "", path=place))


def _no_key(key: str, where: str, columns: Sequence[str], path: Path) -> Finding:
    has = "has no column" if where.startswith("'") else "has the key"
    hint = did_you_mean(key, columns) or f"there are: {', '.join(columns[:12])}"
    return Finding((*path, "key"), False, "unknown-column", f"{where} {has} '{key}'", hint)


def _wrong_key(text: str, first: Mapping[str, int], what: str) -> tuple[str, str] | None:
    if not text:
        return "the row has no key", _WRONG_KEY
    if not _KEY.fullmatch(text):
        return f"'{text[:60]}' cannot be a key", _WRONG_KEY
    if text in first:
        return f"the key '{text}' stands in {what} {first[text]} already", "each row has a key of its own"
    return None


def _read(path: FilePath, name: str) -> _Table | str:
    """Read a file of rows; a text says why it cannot be."""
    try:
        data = regular.read(path, MAX_BYTES)
    except OSError as error:
        return f"the file '{name}' cannot be read: {error.strerror}"
    if len(data) > MAX_BYTES:
        return f"the file '{name}' has more than {MAX_BYTES:,} bytes"
    if data.count(b"\n") > MAX_ROWS + 1:
        return f"the file '{name}' has more than {MAX_ROWS:,} rows"
    table = _Table([], [], [])
    try:
        _fill(table, _records(data), name)
    except UnicodeDecodeError:
        return f"the file '{name}' is not UTF-8"
    except _NotCsv as error:
        table.problems.append(_bad(name, error.line, f"this is not CSV: {error}", "look for a quote too many"))
    if not table.lines and not table.problems:
        table.problems.append(_bad(name, 1, "there are no rows", "write the names of the columns, then a line a row"))
    return table


def _lines(data: bytes) -> Iterator[str]:
    """Yield the lines with their ends; decoded one by one, because the whole would be there four times."""
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    for number in itertools.count(1):
        line = lines.readline(MAX_LINE + 1)
        if not line:
            return
        if len(line) > MAX_LINE:
            raise _NotCsv(f"a line has more than {MAX_LINE:,} characters", number)
        yield line


def _records(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line it begins on; the header says what stands between the cells."""
    import csv  # only where there are such files: validate is short

    header = next((line for line in _lines(data) if line.strip()), "")
    sign = max(",;\t", key=header.count)
    reader = csv.reader(_lines(data), delimiter=sign, strict=True, skipinitialspace=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, [cell.strip() for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        raise _NotCsv(str(error), line) from None


def _fill(table: _Table, records: Iterator[tuple[int, list[str]]], name: str) -> None:
    for line, cells in records:
        if len(table.problems) > MAX_PROBLEMS:
            table.problems.append(Problem(name, line, 1, MORE.code, "error", "", MORE.message, MORE.hint))
            return
        if not table.columns:
            if len(cells) > MAX_COLUMNS:
                table.problems.append(_bad(name, line, f"there are more than {MAX_COLUMNS:,} columns", "use fewer"))
                return
            table.columns.extend(cells)
            if "" in cells or len(set(cells)) < len(cells):
                fact = "a column has no name" if "" in cells else "two columns have the same name"
                table.problems.append(_bad(name, line, fact, "the first line gives each column a name of its own"))
                return
        elif len(cells) != len(table.columns):
            cell = "cell" if len(cells) == 1 else "cells"
            fact = f"the row has {len(cells)} {cell}, and there are {len(table.columns)} columns"
            table.problems.append(_bad(name, line, fact, "put quotes around a cell with a comma in it"))
        elif len(table.lines) >= MAX_ROWS:
            table.problems.append(_bad(name, line, f"there are more than {MAX_ROWS:,} rows", "use several files"))
            return
        else:
            table.lines.append((line, cells))


def _bad(name: str, line: int, fact: str, hint: str) -> Problem:
    return Problem(name, line, 1, "bad-rows", "error", "", fact, hint)
