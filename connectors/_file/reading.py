"""Records out of blocks: JSON lines, or one JSON document. Nothing here knows files or folders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn, Protocol

import orjson

from engine.connector import Expression
from engine.errors import Misconfigured, RecordError
from engine.net.jsontext import NotJson, decode

RECORDS = 256
BYTES = 32 * 1024
"""Of one batch at most: larger ones fall out of the processor's cache."""


class Part(NamedTuple):
    """Records that stand behind one another in a file."""

    records: list[Any]
    line: int
    """Of the first one, 1-based; 0 where the format has no lines."""
    offset: int
    """Behind the last one."""
    next_line: int


class Bytes(Protocol):
    """What ``Blocks`` offers."""

    label: str
    offset: int

    async def next(self) -> bytes:
        """Return the next block, empty at the end."""
        ...

    def go_on(self) -> None:
        """Begin to read the block after this one."""


class Pieces:
    """Blocks cut at line ends; what is left of a record waits for the next block."""

    def __init__(self, blocks: Bytes, most: int, line: int) -> None:
        self.label = blocks.label
        self._blocks, self._most = blocks, most
        self._rest = b""
        self._at = 0
        self.line = line
        self.ended = False

    async def next(self) -> bytes:
        """Return what is known to be whole lines, empty when it ended."""
        while not self.ended:
            block = await self._blocks.next()
            if not self._at:
                self._at = self._blocks.offset
            self.ended = not block
            if block:
                self._blocks.go_on()
            data = self._rest + block
            cut = len(data) if self.ended else data.rfind(b"\n") + 1
            self.back(data[cut:], b"")
            if cut:
                return data[:cut]
        return b""

    def back(self, tail: bytes, behind: bytes | None = None) -> None:
        """Keep the beginning of a record that is not complete, before what is kept already."""
        self._rest = tail + (self._rest if behind is None else behind)
        if len(self._rest) > self._most:
            self.fail(self.line, f"a record of more than {self._most} bytes; raise max_record if it is one")

    def part(self, records: list[Any], length: int, lines: int) -> Part:
        """Count *length* bytes and *lines* lines as read."""
        line = self.line
        self._at += length
        self.line += lines
        return Part(records, line, self._at, self.line)

    def fail(self, line: int, why: str) -> NoReturn:
        """Raise for one line of the file."""
        raise RecordError("file-format", f"{self.label}:{line}: {why}")


async def json_lines(blocks: Bytes, line: int, exact: bool, most: int) -> AsyncIterator[Part]:
    """Read one JSON value a line; empty lines are skipped."""
    pieces = Pieces(blocks, most, line)
    load: Callable[[bytes], Any] = _exact if exact else orjson.loads
    while data := await pieces.next():
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        step = batch_size(len(lines), len(data))
        for start in range(0, len(lines), step):
            some = lines[start : start + step]
            try:
                records = [load(text) for text in some]
            except ValueError:
                records = None
            if records is None:
                for part in _careful(pieces, some, load):
                    yield part
            else:
                yield pieces.part(records, sum(map(len, some)) + len(some), len(some))


def _careful(pieces: Pieces, lines: Sequence[bytes], load: Callable[[bytes], Any]) -> Iterator[Part]:
    """Leave out empty lines, and name the line that is not JSON after giving those before it."""
    records: list[Any] = []
    for index, text in enumerate(lines):
        if not text.strip():
            continue
        try:
            records.append(load(text))
        except ValueError as error:
            line = pieces.line + index
            if records:
                yield pieces.part(records, sum(map(len, lines[:index])) + index, index)
            pieces.fail(line, f"this is not JSON: {error}")
    yield pieces.part(records, sum(map(len, lines)) + len(lines), len(lines))


def _exact(text: bytes) -> Any:
    return decode(text, exact=True)


def batch_size(lines: int, size: int) -> int:
    """Return how many of *lines* lines of *size* bytes make a batch."""
    return max(1, min(RECORDS, BYTES * lines // max(size, 1)))


async def one_document(blocks: Bytes, records: Expression | None, exact: bool, most: int) -> AsyncIterator[Part]:
    """Read a whole JSON document: its list of records, or what *records* finds in it."""
    parts: list[bytes] = []
    size = 0
    while block := await blocks.next():
        size += len(block)
        if size > most:
            raise Misconfigured(
                f"{blocks.label}: json is read whole, and this file has more than {most} bytes; "
                "write it as jsonl, or raise max_size"
            )
        parts.append(block)
        blocks.go_on()
    try:
        document = decode(b"".join(parts), exact=exact)
    except NotJson as error:
        raise RecordError("file-format", f"{blocks.label}: this is not JSON: {error}") from None
    found = records(document) if records is not None else document
    if records is not None and not isinstance(found, list):
        kind = "null" if found is None else type(found).__name__
        raise RecordError("file-format", f"{blocks.label}: records must lead to a list, and it gives {kind}")
    found = found if isinstance(found, list) else [found]
    step = batch_size(len(found), size)
    for start in range(0, len(found), step):
        yield Part(found[start : start + step], 0, size if start + step >= len(found) else 0, 0)
