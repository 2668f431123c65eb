"""The store's contract: lanes of entries, settled in one transaction; runs, dead letters and logs.

A *lane* is a named, durable, ordered list of entries with one owner at a time: a lease whose token strictly grows. The
owner fetches, works and settles. Every mutation is one call with plain values: atomic, safe to repeat, no closures. The
store's own clock times leases and stamps rows. Times are ISO 8601 in UTC with microseconds. Checkpoints, bodies and
records are written with ``engine.codec`` and come back exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from engine.events import RunStatus
from engine.record import Checkpoint


class NewEntry(NamedTuple):
    """An entry to append. With *dedupe*, a second one with the same text in the lane's scope is not appended."""

    lane: str
    body: Any
    dedupe: str | None = None
    """Unique within *scope*; remembered for ``retention`` after the entry is done."""
    scope: str = ""
    """Empty: the lane itself."""


class Entry(NamedTuple):
    """An entry of a lane; ids are opaque, and ordered only within their lane."""

    id: str
    lane: str
    body: Any
    appended: str
    attempts: int
    """Of a replayed dead letter: its attempts before; else 0."""


class Lease(NamedTuple):
    """The right to work a lane until it expires; every settle checks *token*."""

    lane: str
    owner: str
    token: int


class Progress(NamedTuple):
    """What a lane's owner finds: where the last one settled."""

    checkpoint: Checkpoint | None
    state: Mapping[str, bytes]
    restarts: int
    """How often in a row an owner was lost (crashed, expired) since the last settle that moved on.

    Releases do not count. A settlement of nothing but a run row, log lines or new entries did not move on.
    """


class RunRow(NamedTuple):
    """One execution of a pipeline, as history shows it."""

    id: str
    pipeline: str
    status: RunStatus
    trigger: str
    params: Mapping[str, Any]
    revision: str
    started: str
    finished: str | None = None
    summary: Mapping[str, Any] = {}
    """The shape of ``engine run --json``, as far as known."""
    group: str | None = None
    rerun_of: str | None = None


DeadStatus = Literal["open", "replayed", "dropped"]


class DeadLetter(NamedTuple):
    """A record that could not be delivered: kept with its reason, to be edited and replayed."""

    id: str
    pipeline: str
    run: str
    code: str
    message: str
    where: str
    """The dotted place in the definition, or the target's name."""
    record: Any
    """As it entered the failing place; replay gives it in again there."""
    entry: str
    """The stage it enters again at; empty: the beginning."""
    target: str | None
    """The target that refused it; None: it failed before any."""
    mapped: Any
    """As it would have been sent; None: it never got that far."""
    key: str | None
    meta: Mapping[str, Any]
    attempts: int
    identity: str | None = None
    """Same pipeline, same identity, still open: one dead letter of the newest content, its ``times`` grows."""
    status: DeadStatus = "open"
    times: int = 1
    first: str = ""
    """This and ``last``, ``times`` and ``status`` are the store's to write."""
    last: str = ""


class LogLine(NamedTuple):
    """A line in a run's log."""

    run: str
    time: str
    level: str
    code: str
    message: str


class Settlement(NamedTuple):
    """All that becomes true at once: or none of it does."""

    id: str
    """Settling the same id twice is settling it once; the last 256 of a lane are remembered."""
    lease: Lease
    checkpoint: Checkpoint | None = None
    """The lane's new checkpoint; None leaves it as it is."""
    state: Mapping[str, bytes | None] = {}
    """Stage state that changed; None removes."""
    done: Sequence[str] = ()
    """Entries of the lane that are finished."""
    dead: Sequence[DeadLetter] = ()
    append: Sequence[NewEntry] = ()
    run: RunRow | None = None
    """Written over the row of the same id."""
    logs: Sequence[LogLine] = ()
    also: Sequence[tuple[Lease, Checkpoint | None]] = ()
    """Further lanes this owner holds and their new checkpoints; here None clears."""
    finished: Sequence[tuple[Lease, Sequence[str]]] = ()
    """Entries of further lanes this owner holds that are finished; those lanes moved on."""


class Where(NamedTuple):
    """Which rows ``find`` and ``amend`` mean; None: any. Times compare with a row's last change, by the store's clock.

    A field that a kind of row does not have matches none. A run's ``code`` and ``reason`` are those of its summary's
    error; a log line's ``status`` is its level; the ``pipeline`` of lanes and entries stands before the first slash.
    """

    pipeline: str | None = None
    run: str | None = None
    id: str | None = None
    status: str | None = None
    code: str | None = None
    reason: str | None = None
    """A dead letter's ``code: message`` begins with this."""
    since: str | None = None
    before: str | None = None
    lane: str | None = None


class Page(NamedTuple):
    """How much of a listing: newest first for runs and dead letters, oldest first for logs and entries."""

    limit: int = 50
    after: str | None = None


class LaneRow(NamedTuple):
    """A lane as listings show it."""

    lane: str
    checkpoint: Checkpoint | None
    entries: int
    owner: str | None
    changed: str
    oldest: str | None = None
    """When the first of its entries was appended."""


ANY = Where()
FIRST = Page()

What = Literal["runs", "dead", "logs", "lanes", "entries", "causes"]
"""``causes`` groups dead letters: rows of Cause."""


class Cause(NamedTuple):
    """Open dead letters with one pipeline, code and message."""

    pipeline: str
    code: str
    message: str
    letters: int
    first: str
    last: str
    example: str
    """The id of one of them."""
    example_key: str | None


class Store(Protocol):
    """Every mutation is durable when its call returns."""

    async def open(self, stack: AsyncExitStack, owner: str) -> None:
        """Open for *owner* (a text unique to this process) and push the cleanup on *stack*.

        Runs that a process which is no more left ``running`` (or ``cancelling``) become ``interrupted``. Raises
        Unavailable when another process writes, the file is newer than this engine or cannot be made; StoreFailed when
        it is damaged.
        """

    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        """Append; give each one's id, and whether it is fresh (a duplicate gives the first one's id and False)."""
        ...

    async def acquire(self, prefix: str, limit: int, ttl: float) -> Sequence[Lease]:
        """Take up to *limit* free or expired lanes that begin with *prefix*; a lane named so exactly is made if absent.

        *ttl* in seconds. Order: the lane named so exactly first, then the one that waits longest. A prefix that is
        empty or ends with a slash names no lane. A lease that expired and that nobody took still settles and renews.
        """
        ...

    async def renew(self, leases: Sequence[Lease], ttl: float) -> Sequence[Lease]:
        """Prolong; give those that are still held."""
        ...

    async def release(self, leases: Sequence[Lease]) -> None:
        """Give up; a lease that is no longer held is ignored."""

    async def waiting(self) -> Sequence[str]:
        """Name the lanes that have unfinished entries, sorted; its cost grows with their number, not the entries'."""
        ...

    async def load(self, lease: Lease) -> Progress:
        """Read where the lane stands. Raises LeaseLost."""
        ...

    async def fetch(self, lease: Lease, limit: int, max_bytes: int) -> Sequence[Entry]:
        """Read the lane's unfinished entries in order, at least one if there is one. Does not change them.

        A later fetch of the same lease continues after the entries already fetched. Raises LeaseLost.
        """
        ...

    async def settle(self, settlement: Settlement) -> None:
        """Make it all true in one transaction. Raises LeaseLost, StoreFull, StoreFailed: then no trace is left."""

    async def find(self, what: What, where: Where = ANY, page: Page = FIRST) -> tuple[Sequence[Any], str | None]:
        """List rows, and the ``after`` of the next page or None. Causes come most frequent first, lanes by name."""
        ...

    async def amend(self, where: Where, do: Literal["replay", "edit", "drop"], body: Any = None, limit: int = 0) -> int:
        """Change open dead letters; give how many (0 for any that are not open). *limit* 0: all.

        ``replay`` appends each to the lane ``<pipeline>/in/replay`` (its body is the DeadLetter as a mapping) and
        closes it, in one transaction. ``edit`` (needs ``where.id``) replaces the record by *body*. ``drop`` closes it.
        """
        ...

    async def clear(self, lane: str, to: str | None, limit: int) -> int:
        """Drop the first *limit* entries of a lane that nobody works, or move them to the end of *to*; give how many.

        A moved entry keeps its order, body, time, attempts and dedupe text, and gets a new id; a dropped one counts as
        done. An owner whose lease expired loses the lane. Raises StoreError, and nothing is changed, while the lane is
        held, or where *to* is the lane itself or no lane's name.
        """
        ...

    async def purge(self, older: Mapping[str, str], limit: int) -> int:
        """Remove at most *limit* rows older than the given times by kind; give how many.

        Kinds: ``runs`` ``logs`` ``dead`` (closed ones; an open one only by ``dead_open``) ``dead_open`` ``dedupe``.
        """
        ...

    async def backup(self, path: Path) -> None:
        """Write a consistent copy to the new file *path* while others write. Raises StoreError; no half file stays.

        It holds all that was durable before the call. A store that is no file refuses.
        """

    async def wait(self, prefix: str, timeout: float) -> None:
        """Return when a lane with the prefix may have got an entry, or after *timeout* seconds: a hint, no proof."""
