"""Writing files: replaced as a whole at the end of a run, or appended to."""

from __future__ import annotations

import asyncio
import codecs
import gzip
import zlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Literal

from connectors._file.output import Output
from connectors._file.places import Roots
from connectors._file.rows import Dialect
from connectors._file.source import Compression, Format, format_of, packed
from connectors._file.writing import Csv, Encoder, JsonLines, JsonList
from engine.connector import BaseTarget, Context, Template
from engine.errors import Misconfigured, RecordError
from engine.record import TAKEN, Checkpoint, Outgoing, Receipt


class FileTarget(BaseTarget):
    """One file a run. What a write could not finish is cut off again, so a file never holds half a record."""

    atomic = True

    def __init__(
        self,
        context: Context,
        *,
        path: Template,
        mode: Literal["replace", "append"] = "replace",
        format: Format | None = None,
        compression: Compression = "auto",
        encoding: str = "utf-8",
        delimiter: str = ",",
        quote: str | None = '"',
        escape: str | None = None,
        header: bool = True,
        columns: Sequence[str] | None = None,
    ) -> None:
        self.context = context
        self.at_end = mode == "replace"
        self.rewinds = mode == "append"
        self._path, self._format, self._compression, self._encoding = path, format, compression, encoding
        self._dialect, self._header, self._columns = Dialect(delimiter, quote, escape), header, columns
        self._packed = False
        self._ended = False
        self._line_end = b"\n"
        self._output: Output
        self._encoder: Encoder

    async def open(self, stack: AsyncExitStack) -> None:
        """Open the file, or the part file beside it, and lock it. Raises ConnectorError."""
        try:
            path = self._path(self.context.names)
        except RecordError as error:
            raise Misconfigured(f"path: {error.code}: {error}") from error
        if not isinstance(path, str):
            raise Misconfigured("path: this must be text, the path of a file")
        kind = format_of(path, self._format)
        if kind == "json" and self.rewinds:
            raise Misconfigured(
                f"{path}: a json file is one list and cannot be appended to; write jsonl, or replace it"
            )
        self._packed = packed(path, self._compression)
        self._encoder = self._make(kind)
        self._output = Output(Roots(self.context.project, self.context.roots).place(path), part=self.at_end)
        stack.callback(self._output.close)
        self._output.open()

    def _make(self, kind: Format) -> Encoder:
        try:
            plain = codecs.lookup(self._encoding).name == "utf-8"
            self._line_end = "\n".encode(self._encoding)[len("".encode(self._encoding)) :]
        except LookupError:
            raise Misconfigured(f"encoding: '{self._encoding}' is not known; write utf-8, cp1252 …") from None
        if kind != "csv" and not plain:
            raise Misconfigured(f"encoding: {kind} is always utf-8; only csv can be written in {self._encoding}")
        if kind == "csv":
            return Csv(self._dialect, self._columns, self._header, self._encoding)
        return JsonLines() if kind == "jsonl" else JsonList()

    async def resume(self, progress: Checkpoint | None) -> None:
        """Cut an appended file back to where the last settled write ended, if it is still the same file."""
        if not self.rewinds:
            return
        output = self._output
        if progress is not None and (progress["path"], progress["inode"]) == (output.place.label, output.inode):
            if output.length >= progress["length"]:
                output.cut(progress["length"])
            else:
                fact = f"{output.place.label}: it is shorter than this pipeline left it; going on at its end"
                self.context.note("warning", "file-changed", fact)
        if not output.length:
            return
        end = self._line_end
        if not self._packed and output.read(len(end), max(0, output.length - len(end))) != end:
            output.write(end)
        self._encoder.begin(self._head())

    def _head(self) -> bytes:
        head = self._output.read(256 * 1024)
        if not self._packed or not head:
            return head
        try:
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, 256 * 1024)
        except zlib.error as error:
            raise Misconfigured(f"{self._output.place.label}: this is no gzip file to append to ({error})") from None

    async def write(self, load: Outgoing) -> Receipt:
        """Write all that the format can hold; the rest is rejected with the reason."""
        data, rejected = self._encoder.encode(load.records, fresh=not self._output.length)
        await self._put(data)
        return Receipt(rejected=rejected) if rejected else TAKEN

    async def _put(self, data: bytes) -> None:
        if self._packed and data:
            # every write is a gzip member of its own: the file is readable, and can be cut, behind each
            data = await asyncio.to_thread(gzip.compress, data, 6, mtime=0)
        self._output.write(data)

    def progress(self) -> Checkpoint | None:
        """Return which file it is and how long."""
        if not self.rewinds:
            return None
        return {"path": self._output.place.label, "inode": self._output.inode, "length": self._output.length}

    async def flush(self) -> None:
        """Make appended records durable; a replaced file becomes so at the end."""
        if self.rewinds:
            await self._output.flush()

    async def finish(self) -> None:
        """Complete the file; with ``replace`` it takes the old one's place now."""
        if not self._ended:
            await self._put(self._encoder.end(fresh=not self._output.length))
            self._ended = True
        if self.at_end:
            await self._output.publish()
        else:
            await self._output.flush()
