"""CSV: rows of text as records, and records as rows of text. Nothing here knows files or folders."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import accumulate, repeat
from typing import Any, NamedTuple

from connectors._file.blocks import undecodable
from connectors._file.reading import Bytes, Part, Pieces, batch_size
from engine.errors import Misconfigured, RecordError


class Dialect(NamedTuple):
    """How rows are written."""

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The same for the csv module; it refuses what the dialect does not allow."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote,
            "escapechar": self.escape,
            "doublequote": self.escape is None,
            "quoting": csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            "strict": True,
        }


class _More(Exception):
    """The lines at hand end, and the file does not."""


class Parsed(NamedTuple):
    """What a piece of a file holds."""

    rows: list[tuple[list[str], int]]
    """Each with the number of lines up to its end."""
    ends: list[int]
    """After how many bytes each line ends; 0 first."""
    failed: RecordError | None
    """Why reading ends behind the rows."""


class Rows:
    """Reads CSV: every row an object of texts. A row that is too short leaves its last fields out."""

    def __init__(self, dialect: Dialect, columns: Sequence[str] | None, header: bool, most: int) -> None:
        self._options, self._header, self._most = dialect.options, header, most
        self._columns = list(columns) if columns else []
        # a limit of the whole process, so it only grows
        csv.field_size_limit(max(csv.field_size_limit(), most))

    async def learn(self, blocks: Bytes) -> None:
        """Read the names of the columns from the header, where nothing else gives them."""
        if not self._columns:
            async for _ in self.read(blocks, 1):
                return

    async def read(self, blocks: Bytes, line: int) -> AsyncIterator[Part]:
        """Read rows; at the beginning of a file (*line* 1) the header is taken off first."""
        pieces = Pieces(blocks, self._most, line)
        waiting = self._header and line == 1
        while data := await pieces.next():
            parsed = self._parse(pieces, data)
            done = 0
            if waiting and parsed.rows:
                waiting = False
                row, done = next((one for one in parsed.rows if one[0]), parsed.rows[0])
                self._name(row, pieces)
                del parsed.rows[: 1 + [end for _, end in parsed.rows].index(done)]
                yield pieces.part([], parsed.ends[done], done)
            for part in self._parts(pieces, parsed, done):
                yield part
            if parsed.failed is not None:
                raise parsed.failed

    def _parse(self, pieces: Pieces, data: bytes) -> Parsed:
        ends = [0, *accumulate(len(line) + 1 for line in data.split(b"\n"))]
        ends[-1] = len(data)
        reader = csv.reader(_feed(_text(pieces, data), pieces.ended), **self._options)
        rows: list[tuple[list[str], int]] = []
        failed = None
        try:
            # rows that came before an exception stay in the list
            rows.extend(zip(reader, map(getattr, repeat(reader), repeat("line_num")), strict=False))
        except _More:
            pass
        except csv.Error as error:
            failed = _error(pieces, reader.line_num - 1, str(error))
        whole = ends[rows[-1][1]] if rows else 0
        if failed is None and whole < len(data):
            pieces.back(data[whole:])
        return Parsed(rows, ends, failed)

    def _parts(self, pieces: Pieces, parsed: Parsed, done: int) -> Iterator[Part]:
        rows, ends = parsed.rows, parsed.ends
        step = batch_size(len(rows), ends[-1])
        names, width = self._columns, len(self._columns)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            if max(len(row) for row, _ in some) > width:
                cut = next(index for index, (row, _) in enumerate(some) if len(row) > width)
                if cut:
                    yield from self._parts(pieces, Parsed(some[:cut], ends, None), done)
                raise _error(pieces, 0, f"this row has {len(some[cut][0])} fields, and there are {width} columns")
            last = some[-1][1]
            records = [dict(zip(names, row, strict=False)) for row, _ in some if row]
            yield pieces.part(records, ends[last] - ends[done], last - done)
            done = last

    def _name(self, header: Sequence[str], pieces: Pieces) -> None:
        if self._columns:
            return
        for index, name in enumerate(header):
            if not name.strip() or name in header[:index]:
                what = f"two columns are named '{name}'" if name.strip() else f"column {index + 1} has no name"
                raise Misconfigured(f"{pieces.label}:{pieces.line}: {what}; name them all with `columns`")
        self._columns = list(header)


def _feed(text: str, last: bool) -> Iterator[str]:
    # only a line feed ends a line: the other characters that end lines for Python are data here
    yield from io.StringIO(text, newline="\n")
    if not last:
        raise _More


def _text(pieces: Pieces, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = pieces.line + data.count(b"\n", 0, error.start)
        raise undecodable(f"{pieces.label}:{line}", "utf-8", data[error.start]) from None


def _error(pieces: Pieces, lines: int, why: str) -> RecordError:
    return RecordError("file-format", f"{pieces.label}:{pieces.line + lines}: {why}")


def write_rows(dialect: Dialect, rows: Iterable[Sequence[str]]) -> str:
    """Write rows as text, each ended by a line feed."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", **dialect.options).writerows(rows)
    return text.getvalue()
