"""The contract between the engine and a connector.

A connector is one file that ends with ``CONNECTOR = Connector("name", source=…, target=…)`` and one schema,
``schemas/connectors/<name>.json``. Its classes are built as ``cls(context, **options)``: the keywords are the schema's
properties, with the same defaults. Options the schema marks ``x-value: template`` or ``x-value: expression`` arrive
compiled (``Template``, ``Expression``), never as text.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from engine.record import Batch, Checkpoint, Outgoing, Receipt

T = TypeVar("T")

Names = Mapping[str, Any]
"""What a template sees: ``params trigger run vars cursor meta`` and, in targets, ``record records input``."""

Template = Callable[[Names], Any]
"""A compiled ``x-value: template`` option. Raises RecordError."""

Expression = Callable[[Any], Any]
"""A compiled ``x-value: expression`` option: JMESPath over a document, missing is null. Raises RecordError."""

Memory = Literal["replayable", "acknowledged", "live"]


Told = Mapping[str, Any]
"""What is asked of a remote system, or what it answers, as plain data without credentials."""


class Exchange(Protocol):
    """Stands between a connector and the system it reaches: in tests, and where a run is recorded.

    Asked of http: ``method path query headers body``, answered ``status headers body`` (bytes). Of sql: ``query`` or
    ``statement`` with ``binds``, or ``operation table row``; answered ``rows``, ``count``, or ``refused`` with why.
    Answered ``taken``: nobody is there, and all of it counts as done.
    """

    offline: bool
    """It answers by itself: nothing may be opened or reached."""

    async def __call__(self, connection: str, asked: Told, proceed: Callable[[], Awaitable[Told]]) -> Told:
        """Return the answer; *proceed* asks for real. Raises TimeoutError, ConnectionError."""
        ...


async def _call_once(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


@dataclass(slots=True)
class Context:
    """What the engine hands to a connector's source, target or connection."""

    name: str
    """Of the connection, or of the pipeline where there is none; for messages."""
    project: Path = Path()
    """The folder relative paths are relative to; file connectors stay inside it and *roots*."""
    roots: Sequence[Path] = ()
    names: Names = field(default_factory=dict)
    connection: Any = None
    """The opened connection object, where the pipeline names one."""
    cursor: Mapping[str, Any] | None = None
    """The values to read after, by field, as they were read; None without ``cursor:``. Also ``names["cursor"]``."""
    cursor_fields: tuple[str, ...] = ()
    keyed: bool = False
    """The target has a ``key``."""
    batched: bool = False
    """The target has a ``batch``."""
    limit: int | None = None
    """A source need not read more records than this."""
    timeout: float = 30.0
    """Seconds for one call; the engine enforces it around ``write`` and ``call``."""
    call: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]] = _call_once
    """Runs one remote call that may be repeated, under timeout, retry, rate limit and breaker. For sources."""
    note: Callable[[str, str, str], None] = lambda level, code, message: None
    """``note("warning", "code", "text")``: a line in the run's log."""
    egress: Any = None
    """An ``engine.net`` egress policy; None means its default."""
    clock: Callable[[], float] = time.monotonic
    pipeline: str = ""
    """The pipeline's name, empty for a connection."""
    target: str = ""
    """The target's id, empty elsewhere."""
    exchange: Exchange | None = None
    """What a connector that is ``replaceable`` asks in place of the remote system."""


class Connection(Protocol):
    """A named remote system: client, credentials. One instance is shared by all its users in a process."""

    async def open(self, stack: AsyncExitStack) -> None:
        """Make the client and push its cleanup on *stack*. Need not reach the remote system."""

    async def check(self) -> str:
        """Try the real system; return one line for people. Raises ConnectorError."""
        ...


class Source(Protocol):
    """Where records come from. One instance serves one run."""

    memory: Memory

    async def open(self, stack: AsyncExitStack) -> None:
        """Prepare; push every cleanup on *stack*."""

    def read(self, after: Checkpoint | None) -> AsyncIterator[Batch]:
        """Yield batches newer than *after*, in order. Raises ConnectorError, RecordError."""
        ...

    async def settled(self, checkpoint: Checkpoint) -> None:
        """Acknowledge upstream: called only after the store has *checkpoint*."""


class Operation(Protocol):
    """What a step ``call`` does: one call with an effect for each record. One instance serves one run."""

    async def open(self, stack: AsyncExitStack) -> None:
        """Prepare; push every cleanup on *stack*."""

    async def call(self, names: Names, key: str | None) -> Any:
        """Do it for the record in *names*; return the answer as plain data. Raises ConnectorError, RecordError."""
        ...

    def show(self, names: Names, key: str | None) -> Any:
        """Return what would be called, as plain data without credentials; may come without ``open``.

        Raises RecordError.
        """
        ...


class Target(Protocol):
    """Where records go. One instance serves one run."""

    atomic: bool
    """A write that raised ``Rejected`` left nothing behind, so it may be split to find the culprits."""
    at_end: bool
    """What is written becomes visible only in ``finish``; nothing settles before."""
    rewinds: bool
    """``resume`` undoes what was written after ``progress``: a repeat leaves no trace, so settling may lag behind."""

    async def open(self, stack: AsyncExitStack) -> None:
        """Prepare; push every cleanup on *stack*."""

    async def resume(self, progress: Checkpoint | None) -> None:
        """Take up where the last settled write left off; *progress* is what ``progress`` gave then, None at a start."""

    async def write(self, load: Outgoing) -> Receipt:
        """Deliver. What is raised speaks for all of *load*; see the ConnectorError family."""
        ...

    def progress(self) -> Checkpoint | None:
        """Return what ``resume`` needs if all writes up to now are settled; None when nothing."""

    async def flush(self) -> None:
        """Make all writes up to now durable; called before they are settled."""

    async def finish(self) -> None:
        """The run has written everything: make it visible. Not called for a run that stopped or failed."""


class BaseSource:
    """Defaults for a source without ceremony."""

    memory: Memory = "replayable"

    async def open(self, stack: AsyncExitStack) -> None:
        """Nothing to prepare."""

    async def settled(self, checkpoint: Checkpoint) -> None:
        """Nothing to acknowledge."""


class BaseTarget:
    """Defaults for a target without ceremony."""

    atomic: bool = False
    at_end: bool = False
    rewinds: bool = False

    async def open(self, stack: AsyncExitStack) -> None:
        """Nothing to prepare."""

    async def resume(self, progress: Checkpoint | None) -> None:
        """Nothing to take up."""

    def progress(self) -> Checkpoint | None:
        """Nothing to remember."""
        return None

    async def flush(self) -> None:
        """Durable as soon as written."""

    async def finish(self) -> None:
        """Visible as soon as written."""


@dataclass(frozen=True, slots=True)
class Connector:
    """What a connector's file offers to the registry."""

    name: str
    source: Callable[..., Source] | None = None
    target: Callable[..., Target] | None = None
    connection: Callable[..., Connection] | None = None
    """Builds connections of this kind."""
    call: Callable[..., Operation] | None = None
    connections: tuple[str, ...] = ()
    """The kinds of connection its source and target work over; empty: its own kind, where it has one."""
    batch: int = 1
    """Records of one write where the pipeline is silent about ``batch``."""
    replaceable: bool = False
    """All that it would reach it asks ``context.exchange``, where there is one; tests of pipelines run no other."""

    API: ClassVar[int] = 1
