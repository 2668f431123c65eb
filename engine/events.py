"""What happened, as past-tense facts. The runtime states them; telemetry counts, logs and draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import Problem

RunStatus = Literal[
    "queued", "running", "cancelling", "success", "partial", "empty", "failed", "timed_out", "cancelled", "interrupted"
]


@dataclass(frozen=True, slots=True)
class Event:
    """A fact about one run of one pipeline."""

    pipeline: str
    run: str


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A run began; *expected* is the number of records to come where the source knows it."""

    trigger: str
    source: str
    targets: tuple[str, ...]
    resumed: bool
    note: str = ""
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class BatchRead(Event):
    """Records were read and passed the stages."""

    records: int
    dropped: Mapping[str, int]
    failed: int
    expected: int | None = None
    """The whole run's records where the source learned it by now."""


@dataclass(frozen=True, slots=True)
class BatchDelivered(Event):
    """One write came to an end; *seconds* is the time of its last call."""

    target: str
    sent: int
    rejected: int
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CallRetried(Event):
    """A call failed and is tried again after *delay* seconds."""

    connection: str
    attempt: int
    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class CircuitChanged(Event):
    """A connection's breaker moved to *state*."""

    connection: str
    state: str


@dataclass(frozen=True, slots=True)
class Settled(Event):
    """A settlement is on disk."""

    checkpoint: Mapping[str, Any] | None
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """Something worth a line in the run's log: *code* is stable, *message* for people."""

    level: Literal["info", "warning", "error"]
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """A run ended in *status*."""

    status: RunStatus
    seconds: float
    summary: Mapping[str, Any]
    """The shape of ``engine run --json``."""


@dataclass(frozen=True, slots=True)
class LaneHeld(Event):
    """Accepted work waits in order: its target cannot take it now. Said once, and again when the reason changes."""

    lane: str
    code: str
    """``disconnected``, ``transient``, ``misconfigured``, ``circuit-open`` …"""
    reason: str
    subject: str = ""
    """The connection, or the target."""


@dataclass(frozen=True, slots=True)
class LaneFreed(Event):
    """A held lane goes on."""

    lane: str


@dataclass(frozen=True, slots=True)
class Fired(Event):
    """A trigger's firing is on disk; *run* is empty."""

    trigger: str
    kind: str
    """``cron``, ``every``, ``after`` …"""
    slot: str | None
    lag: float
    """Seconds after its moment."""


@dataclass(frozen=True, slots=True)
class Skipped(Event):
    """A firing starts no run: *reason* says why."""

    trigger: str
    reason: str


@dataclass(frozen=True, slots=True)
class PromiseChanged(Event):
    """What a pipeline promises is broken, or holds again; or nobody looks at it any more. *run* is empty."""

    promise: str
    """``fresh``, ``rejected``, ``duration``; a second one of its kind is ``fresh-2``."""
    state: Literal["broken", "kept", "gone"]
    reason: str = ""
    """Empty where people need not hear of it: it was never broken."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The files changed, and the engine follows."""

    pipelines: int
    changed: tuple[str, ...]
    """Pipelines that are new or differ."""
    removed: tuple[str, ...]
    seconds: float
    ignored: tuple[str, ...] = ()
    """Keys of engine.yaml that changed and need a new start."""


@dataclass(frozen=True, slots=True)
class ReloadFailed:
    """The files changed and have problems: what was loaded before keeps running."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class StoreChanged:
    """The store is ``full``, ``failed``, or ``ok`` again."""

    state: Literal["ok", "full", "failed"]
    reason: str = ""


WebhookOutcome = Literal[
    "accepted",
    "duplicate",
    "replied",
    "challenge",
    "unauthorized",
    "limited",
    "too_large",
    "unsupported",
    "unreadable",
    "rejected",
    "slow",
    "late",
    "unavailable",
    "failed",
]


@dataclass(frozen=True, slots=True)
class WebhookAnswered:
    """A call on the public listener and what became of it; never its body, never a credential."""

    path: str
    """As it was sent, cut short and without what is not printable."""
    method: str
    status: int
    outcome: WebhookOutcome
    address: str
    """Of the caller, behind the proxies that are trusted."""
    pipelines: tuple[str, ...] = ()
    """Whom the path belongs to; none where it belongs to nobody."""
    client: str | None = None
    """The caller's name in engine.yaml."""
    reason: str = ""
    """Why not, for people who look after the engine; the caller is told less."""
    id: str | None = None
    """Of the entry that is on disk."""
    bytes: int = 0
    seconds: float = 0.0


Told = Event | WebhookAnswered | Reloaded | ReloadFailed | StoreChanged
"""All that a serving engine says."""

Emit = Callable[[Event], None]

Tell = Callable[[Told], None]
