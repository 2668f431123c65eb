"""Reading files: which ones, in which format, from where on."""

from __future__ import annotations

import glob
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Literal

from connectors._file.blocks import Blocks
from connectors._file.places import Place, Roots
from connectors._file.reading import Part, json_lines, one_document
from connectors._file.rows import Dialect, Rows
from engine.connector import BaseSource, Context, Expression, Template
from engine.errors import Misconfigured, RecordError, Rejected
from engine.record import Batch, Checkpoint

Format = Literal["csv", "json", "jsonl"]
Compression = Literal["auto", "gzip", "none"]

_ENDINGS: Mapping[str, Format] = {
    "csv": "csv",
    "tsv": "csv",
    "txt": "csv",
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
}


class FileSource(BaseSource):
    """Files, one after the other by name. A checkpoint names a file, proves it is the same, and where to go on."""

    def __init__(
        self,
        context: Context,
        *,
        path: Template,
        format: Format | None = None,
        compression: Compression = "auto",
        encoding: str = "utf-8",
        delimiter: str = ",",
        quote: str | None = '"',
        escape: str | None = None,
        header: bool = True,
        columns: Sequence[str] | None = None,
        records: Expression | None = None,
        numbers: Literal["fast", "exact"] = "fast",
        max_record: int = 16 * 1024**2,
        max_size: int = 256 * 1024**2,
    ) -> None:
        if not header and not columns:
            raise Misconfigured("file: without a header the columns need names; give them in columns")
        self.context = context
        self._path, self._format, self._compression, self._encoding = path, format, compression, encoding
        self._dialect, self._header, self._columns = Dialect(delimiter, quote, escape), header, columns
        self._records, self._exact = records, numbers == "exact"
        self._max_record, self._max_size = max_record, max_size
        self._open: Blocks | None = None

    async def open(self, stack: AsyncExitStack) -> None:
        """Push the cleanup; files are opened one by one while reading."""
        stack.push_async_callback(self._close)

    async def _close(self) -> None:
        blocks, self._open = self._open, None
        if blocks is not None:
            await blocks.close()

    async def read(self, after: Checkpoint | None) -> AsyncIterator[Batch]:
        """Yield the records of every file from *after* on. Raises ConnectorError, RecordError."""
        for place in self._places():
            if after is not None and place.label < after["path"]:
                continue
            kind = format_of(place.label, self._format)
            self._open = Blocks(place, packed(place.label, self._compression), self._encoding)
            try:
                same = after is not None and self._open.identity.items() <= after.items()
                async for batch in self._batches(self._open, kind, after if same else None):
                    yield batch
            finally:
                await self._close()

    def _places(self) -> list[Place]:
        try:
            path = self._path(self.context.names)
        except RecordError as error:
            raise Misconfigured(f"path: {error.code}: {error}") from error
        if not isinstance(path, str):
            raise Misconfigured("path: this must be text, the path of a file")
        if self._of_record():
            return self._asked_for(path)
        roots = Roots(self.context.project, self.context.roots)
        trigger = self.context.names.get("trigger") or {}
        if trigger.get("type") == "file" and path == trigger.get("path"):
            return [roots.place(path)]  # others gave this file its name: what is in it is no pattern
        places = roots.expand(path)
        if not places:
            self.context.note("info", "no-files", f"no file matches {path}")
        return places

    def _of_record(self) -> bool:
        """Whether a lookup asks, with a path made of its record."""
        names = self.context.names
        if "record" not in names:
            return False
        try:
            self._path({name: value for name, value in names.items() if name not in ("record", "input", "meta")})
        except (RecordError, LookupError):
            return True
        return False

    def _asked_for(self, path: str) -> list[Place]:
        """Find the one file: what is wrong with its path is that record's fault, and no file is nothing found."""
        if glob.has_magic(path):
            raise Rejected("path: made of a record it takes no wildcards")
        context = self.context
        try:
            place = Roots(context.project, context.roots).place(path)
        except Misconfigured as error:
            raise Rejected(str(error)) from error
        return [place] if place.root.joinpath(*place.parts).is_file() else []

    async def _batches(self, blocks: Blocks, kind: Format, after: Checkpoint | None) -> AsyncIterator[Batch]:
        line = 1
        rows = Rows(self._dialect, self._columns, self._header, self._max_record)
        if after is not None and kind == "json":
            return
        if after is not None:
            if kind == "csv":
                await rows.learn(blocks)
            await blocks.seek(after["offset"])
            line = after["line"]
        async for part in self._parts(blocks, kind, rows, line):
            if not part.records:
                continue
            meta = {"file": blocks.label, "first_line": part.line} if part.line else {"file": blocks.label}
            # a json document is one unit: only its end is a place to go on from
            point = {**blocks.identity, "offset": part.offset, "line": part.next_line} if part.offset else None
            yield Batch(part.records, [meta] * len(part.records), point)

    def _parts(self, blocks: Blocks, kind: Format, rows: Rows, line: int) -> AsyncIterator[Part]:
        if kind == "jsonl":
            return json_lines(blocks, line, self._exact, self._max_record)
        if kind == "csv":
            return rows.read(blocks, line)
        return one_document(blocks, self._records, self._exact, self._max_size)


def packed(name: str, compression: Compression) -> bool:
    """Say whether a file is gzip."""
    return name.endswith(".gz") if compression == "auto" else compression == "gzip"


def format_of(name: str, given: Format | None) -> Format:
    """Return the format *given*, or the one the name tells. Raises Misconfigured."""
    if given is not None:
        return given
    ending = name.lower().removesuffix(".gz").rpartition(".")[2]
    if ending not in _ENDINGS:
        raise Misconfigured(f"{name}: the name does not tell the format; write format: csv, json or jsonl")
    return _ENDINGS[ending]
