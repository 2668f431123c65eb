"""Tables in memory that can be put back: what the memory store keeps beyond one open."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from engine import codec
from engine.store.base import DeadLetter, LogLine, RunRow

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ABSENT = object()


class LaneKept(NamedTuple):
    """A lane; ``expires`` and ``free_since`` are seconds of the store's clock."""

    free_since: float
    changed: str
    owner: str | None = None
    token: int = 0
    expires: float = 0.0
    restarts: int = 0
    checkpoint: str | None = None
    settlements: tuple[str, ...] = ()


class EntryKept(NamedTuple):
    """An unfinished entry, its body written."""

    number: int
    lane: str
    body: str
    appended: str
    attempts: int
    dedupe: tuple[str, str] | None


class DedupeKept(NamedTuple):
    """The entry a text stands for, and when it was done."""

    entry: int
    done: str | None = None


class RunKept(NamedTuple):
    """A run's row and who wrote it."""

    number: int
    row: RunRow
    owner: str
    changed: str


class LetterKept(NamedTuple):
    """A dead letter and when it last changed."""

    number: int
    row: DeadLetter
    changed: str


class LineKept(NamedTuple):
    """A log line and when the store got it."""

    number: int
    row: LogLine
    changed: str


def copied(value: Any) -> Any:
    """Give the value as a store on disk gives it back; TypeError or ValueError for what is not plain data."""
    return codec.decode(codec.encode(value))


def copied_run(row: RunRow) -> RunRow:
    """Copy a run's values."""
    return row._replace(params=copied(row.params), summary=copied(row.summary))


def copied_letter(row: DeadLetter) -> DeadLetter:
    """Copy a dead letter's values."""
    return row._replace(record=copied(row.record), mapped=copied(row.mapped), meta=copied(row.meta))


@dataclass
class Tables:
    """The data of memory stores; two stores over the same tables are two lives of one."""

    lanes: dict[str, LaneKept] = field(default_factory=dict)
    state: dict[tuple[str, str], bytes] = field(default_factory=dict)
    entries: dict[int, EntryKept] = field(default_factory=dict)
    dedupe: dict[tuple[str, str], DedupeKept] = field(default_factory=dict)
    runs: dict[str, RunKept] = field(default_factory=dict)
    dead: dict[str, LetterKept] = field(default_factory=dict)
    logs: dict[int, LineKept] = field(default_factory=dict)
    numbers: int = 0
    """The last number given; none is given twice."""
    before_write: Callable[[], None] = lambda: None
    """Called before every single change; tests let it raise, as a full or failing disk does."""
    _undo: list[tuple[dict[Any, Any], Any, Any]] = field(default_factory=list)

    def number(self) -> int:
        """Give the next number."""
        self.numbers += 1
        return self.numbers

    def put(self, table: dict[K, V], key: K, row: V) -> V:
        """Write one row."""
        self.before_write()
        self._undo.append((table, key, table.get(key, _ABSENT)))
        table[key] = row
        return row

    def drop(self, table: dict[K, Any], key: K) -> None:
        """Remove one row, if it is there."""
        self.before_write()
        self._undo.append((table, key, table.pop(key, _ABSENT)))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all changes made inside, or, when it raises, none."""
        self._undo.clear()
        try:
            yield
        except BaseException:
            self.roll_back()
            raise

    def roll_back(self) -> None:
        """Put back what the transaction changed."""
        for table, key, row in reversed(self._undo):
            if row is _ABSENT:
                table.pop(key, None)
            else:
                table[key] = row
