"""Records as the bytes of a file: JSON lines, one JSON list, or CSV. Nothing here knows files or folders."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import orjson

from connectors._file.rows import Dialect, write_rows
from engine.errors import Misconfigured
from engine.net.jsontext import NotJson, encode


class Encoded(NamedTuple):
    """What a load comes to."""

    data: bytes
    rejected: Mapping[int, str]
    """Index → reason; nothing of these is in *data*."""


class Encoder(Protocol):
    """Writes one file's records."""

    def begin(self, head: bytes) -> None:
        """Go on behind what the file holds already; *head* is how it begins."""

    def encode(self, records: Sequence[Any], fresh: bool) -> Encoded:
        """Write *records* in order; *fresh*: the file is still empty. A repeat gives the same."""
        ...

    def end(self, fresh: bool) -> bytes:
        """Return what completes the file."""
        ...


class JsonLines:
    """One JSON value a line."""

    def begin(self, head: bytes) -> None:
        """Lines know nothing of each other."""

    def encode(self, records: Sequence[Any], fresh: bool) -> Encoded:
        """Write *records*; one that JSON cannot hold is rejected."""
        lines, rejected = _texts(records)
        lines.append(b"")
        return Encoded(b"\n".join(lines), rejected)

    def end(self, fresh: bool) -> bytes:
        """Complete as it is."""
        return b""


class JsonList:
    """All records in one JSON list."""

    def begin(self, head: bytes) -> None:
        """A list is always begun anew."""

    def encode(self, records: Sequence[Any], fresh: bool) -> Encoded:
        """Write *records*; one that JSON cannot hold is rejected."""
        texts, rejected = _texts(records)
        if not texts:
            return Encoded(b"", rejected)
        return Encoded((b"[\n" if fresh else b",\n") + b",\n".join(texts), rejected)

    def end(self, fresh: bool) -> bytes:
        """Close the list."""
        return b"[]\n" if fresh else b"\n]\n"


def _texts(records: Sequence[Any]) -> tuple[list[bytes], dict[int, str]]:
    try:
        texts = [orjson.dumps(record, default=_digits) for record in records]
        # orjson writes NaN as null, so only a text with a null in it can hide one
        if b"null" not in b"".join(texts) or not any(
            _hides(record) for record, text in zip(records, texts, strict=True) if b"null" in text
        ):
            return texts, {}
    except TypeError:
        pass
    texts, rejected = [], {}
    for index, record in enumerate(records):
        try:
            texts.append(encode(record))
        except NotJson as error:
            rejected[index] = str(error)
    return texts, rejected


def _digits(value: Any) -> Any:
    if value.__class__ is Decimal and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError


def _hides(value: Any) -> bool:
    """Say whether a number in *value* is none that JSON knows."""
    kind = value.__class__
    if kind is float:
        return not math.isfinite(value)
    if kind is not dict and kind is not list:
        return False
    for item in value.values() if kind is dict else value:
        kind = item.__class__
        if (kind is float or kind is dict or kind is list) and _hides(item):
            return True
    return False


class Csv:
    """Rows of text. The columns are given, or those of the file that is appended to, or of the first record."""

    def __init__(self, dialect: Dialect, columns: Sequence[str] | None, header: bool, encoding: str) -> None:
        self._dialect, self._encoding = dialect, encoding
        self._columns = tuple(columns) if columns else ()
        self._header = header
        self._known = frozenset(self._columns)
        self._mark = "".encode(encoding)
        """What some encodings put before the first letter of a file."""

    def begin(self, head: bytes) -> None:
        """Take over the header of the file. Raises Misconfigured when its columns are others."""
        if not self._header:
            return
        text = head.decode(self._encoding, "replace").removeprefix("\ufeff")
        try:
            there = tuple(next(csv.reader(io.StringIO(text, newline=""), **self._dialect.options), ()))
        except csv.Error as error:
            raise Misconfigured(f"the file's header is not readable as csv: {error}") from None
        if self._columns and there != self._columns:
            raise Misconfigured(
                f"the file has other columns ({', '.join(there)}) than `columns` ({', '.join(self._columns)})"
            )
        self._columns, self._known = there, frozenset(there)

    def encode(self, records: Sequence[Any], fresh: bool) -> Encoded:
        """Write *records*; a field without a column, an object or a list in a cell rejects the record."""
        rejected: dict[int, str] = {}
        rows: list[tuple[int, list[str]]] = []
        for index, record in enumerate(records):
            row = self._row(record)
            if isinstance(row, str):
                rejected[index] = row
            else:
                rows.append((index, row))
        data = self._bytes(rows, rejected)
        return Encoded(self._start() + data if fresh and data else data, rejected)

    def end(self, fresh: bool) -> bytes:
        """Write the header of a file without records."""
        return self._start() if fresh else b""

    def _start(self) -> bytes:
        return self._mark + self._write([self._columns] if self._header and self._columns else [])

    def _row(self, record: Any) -> list[str] | str:
        """Return the cells, or why there are none."""
        if not isinstance(record, Mapping):
            return "a row needs named fields, and this record is no object"
        if not self._columns:
            self._columns, self._known = tuple(record), frozenset(record)
        if not record.keys() <= self._known:
            extra = next(name for name in record if name not in self._known)
            return f"the field '{extra}' has no column; the columns are: {', '.join(self._columns)}"
        try:
            return [value if value.__class__ is str else _cell(value) for value in map(record.get, self._columns)]
        except NotJson as error:
            return str(error)

    def _bytes(self, rows: list[tuple[int, list[str]]], rejected: dict[int, str]) -> bytes:
        try:
            return self._write([row for _, row in rows])
        except (UnicodeEncodeError, csv.Error):
            pass
        parts = []
        for index, row in rows:
            try:
                parts.append(self._write([row]))
            except UnicodeEncodeError as error:
                rejected[index] = f"{error.object[error.start]!r} cannot be written in {self._encoding}"
            except csv.Error as error:
                rejected[index] = f"not writable as csv: {error}"
        return b"".join(parts)

    def _write(self, rows: Sequence[Sequence[str]]) -> bytes:
        return write_rows(self._dialect, rows).encode(self._encoding)[len(self._mark) :]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if value.__class__ is int:
        return str(value)
    if isinstance(value, bool | int | float | Decimal | str):
        return value if isinstance(value, str) else encode(value).decode()
    what = "an object" if isinstance(value, Mapping) else "a list"
    raise NotJson(f"{what} does not fit a cell; pick its fields in the mapping")
