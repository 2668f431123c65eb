"""A compiled pipeline: frozen, pure, ready to run; nothing in it knows YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Literal, Protocol

from engine.connector import Context, Names, Operation, Source, Target
from engine.errors import Place
from engine.policy import CircuitBreaker, RateLimit, Resilience
from engine.record import Emission, Meta, Record


@dataclass(frozen=True, slots=True)
class Frame:
    """What expressions see of a run, besides the record; ``now`` is frozen for one batch."""

    params: Mapping[str, Any]
    trigger: Mapping[str, Any]
    run: Mapping[str, Any]
    vars: Mapping[str, Any]
    now: datetime
    """Aware, in the pipeline's timezone."""
    timezone: tzinfo
    results: Mapping[str, Any] = field(default_factory=dict)


class Stage(Protocol):
    """Records in, records out; pure."""

    label: str
    """Stable over edits elsewhere: the dotted path of its first step."""

    def apply(
        self, records: Sequence[Record], metas: Sequence[Meta], inputs: Sequence[Record], frame: Frame
    ) -> Emission:
        """Transform; a record that fails is in ``failed`` and the others go on. Never raises RecordError.

        *inputs* is what ``input`` means in a target's templates; before targets it is *records*.
        """
        ...


Condition = Callable[[Record, Meta, Record, Frame], bool]
"""record, meta, input, frame → true or false. Raises RecordError for anything else."""

Key = Callable[[Record, Meta, Record, Frame], str]
"""record, meta, input, frame → the key as text. Raises RecordError ``missing-key``."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A connection as a pipeline uses it."""

    name: str
    build: Callable[[Context], Any] | None
    """Makes the connection object; None: only limits are shared under this name."""
    circuit_breaker: CircuitBreaker | None = None
    rate_limit: RateLimit | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class CursorPlan:
    """Where an incremental source resumes, compiled."""

    fields: tuple[str, ...]
    initial: Mapping[str, Any]
    lookback: float | None
    lookback_is_time: bool
    reset: Callable[[Mapping[str, Any]], bool]
    """names (``params trigger run vars``) → whether this run reads from the beginning."""


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """How to make the source."""

    connector: str
    remote: Remote | None
    build: Callable[[Context], Source]
    cursor: CursorPlan | None
    resilience: Resilience


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """How to make a target and what goes to it."""

    id: str
    connector: str
    remote: Remote | None
    build: Callable[[Context], Target]
    when: Condition | None
    stage: Stage | None
    """The target's own mapping."""
    key: Key | None
    batch: int
    batched: bool
    """The author wrote ``batch``."""
    wait: float | None
    resilience: Resilience
    on_rejected: Literal["dead_letter", "drop", "fail"]


@dataclass(frozen=True, slots=True)
class CachePlan:
    """How long a lookup remembers answers, and how many."""

    ttl: float
    """Seconds."""
    size: int


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LookupPlan:
    """A step that asks a source for each record; it stands between pure stages. Equal only to itself."""

    label: str
    """As a stage's; a record that fails here enters here again."""
    connector: str
    remote: Remote | None
    resilience: Resilience
    build: Callable[[Context], Source]
    """The source it makes reads ``context.names`` anew in every ``read``."""
    question: Callable[[Names], Any]
    """names → plain data; equal questions have equal answers. Raises RecordError."""
    into: tuple[str, ...]
    """The path of the field that gets what is found."""
    when: Condition | None = None
    match: Key | None = None
    """The record's values that a row must have, as one text; None: every row of the answer."""
    row_match: Callable[[Record], str | None] = lambda row: None
    """The same of a row, None for one that matches nothing. Raises RecordError."""
    many: bool = False
    """All rows as a list, not the one."""
    cache: CachePlan | None = None
    missing: Literal["reject", "null"] = "reject"
    retry_for: float | None = None
    """Seconds to ask again for, where nothing is found."""


@dataclass(frozen=True, slots=True, eq=False)
class CallPlan:
    """A step that does something in a remote system for each record; it stands between pure stages."""

    label: str
    connector: str
    remote: Remote | None
    resilience: Resilience
    build: Callable[[Context], Operation]
    into: tuple[str, ...] = ()
    """The path of the field that gets the answer; empty: nobody wants it."""
    when: Condition | None = None
    key: Key | None = None
    """Makes doing it again harmless."""


AskPlan = LookupPlan | CallPlan
"""A stage that is not pure."""


@dataclass(frozen=True, slots=True)
class TimerPlan:
    """A trigger that time fires: ``cron`` or ``every``."""

    id: str
    next_after: Callable[[datetime], datetime | None]
    """now → the next slot, aware and after *now*, in UTC; None: never again. Pure."""
    missed: Literal["none", "last", "all"] = "none"
    """Which slots that passed while nobody was there are made up for."""
    missed_window: float | None = None
    """Seconds; older slots are not made up for."""
    jitter: float = 0.0
    """A firing is put off by up to so many seconds; its slot stays."""
    params: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    """names (``trigger``) → the run's params."""
    pipeline: str = ""
    """Whose trigger it is; with the id and the slot it decides the jitter of a firing."""
    kind: Literal["cron", "every"] = "cron"
    rule: str = ""
    """Equal where the slots follow from equal words; a trigger whose rule changed begins anew, as if it were new."""


@dataclass(frozen=True, slots=True)
class AfterPlan:
    """A trigger that the end of other pipelines fires."""

    id: str
    pipelines: tuple[str, ...]
    on: Literal["success", "failure", "any"] = "success"
    params: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict


@dataclass(frozen=True, slots=True)
class FilePlan:
    """A trigger that files fire which appear in a folder; each starts one run."""

    id: str
    path: str
    """The folder as it is written: relative to the project, or inside one of ``files``."""
    pattern: str = "*"
    settle: float = 1.0
    """Seconds for which a file must not have changed."""
    done: str | None = None
    """The folder that a file is moved to after a run that went well; None: it stays."""
    failed: str | None = None
    """The same after one that did not."""
    params: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    pipeline: str = ""


@dataclass(frozen=True, slots=True)
class PromisePlan:
    """What a pipeline is to keep; a broken one is told."""

    name: str
    """``fresh`` …; a second one of the same kind is ``fresh-2``."""
    kind: Literal["fresh", "rejected", "duration"]
    limit: float
    """Seconds, or a share between 0 and 1; it must stay below, ``fresh`` at most at it."""
    text: str
    """As it is written: ``3h``, ``< 1%``."""


@dataclass(frozen=True, slots=True)
class WebhookPlan:
    """A trigger that a caller fires over HTTP; ``engine.http`` knows what its parts mean."""

    id: str
    path: str
    methods: frozenset[str]
    auth: tuple[Mapping[str, Any], ...] | None
    """Any item passes, all keys inside one must; None: written as ``auth: none``."""
    clients: tuple[str, ...] = ()
    max_body: int = 1 << 20
    rate_limit: RateLimit | None = None
    validate: Callable[[Any], Sequence[tuple[tuple[str | int, ...], str]]] | None = None
    """body → its mistakes against the schema."""
    records: Callable[[Any], Any] | None = None
    """body → its records; None: the body is one record, a list one record each."""
    event_id: Callable[[Mapping[str, Any]], Any] | None = None
    """names (``body``, ``headers``) → what makes an event the same event."""
    event_header: str | None = None
    """The header that names the event, where it is one."""
    respond: Mapping[str, Any] | None = None
    """None: 202 once it is on disk; else ``status headers body timeout`` of a reply with the result."""
    challenge: Any = None
    params: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    runs: bool = False
    """The pipeline has a source of its own: a call starts a run, and its body is ``trigger.body``."""
    place: Place = field(default_factory=lambda: Place("", 1, 1))
    """Where its path is written."""
    where: str = ""
    """The dotted place of the webhook in that file."""


@dataclass(frozen=True, slots=True)
class ClientPlan:
    """A caller of webhooks that engine.yaml names."""

    name: str
    auth: tuple[Mapping[str, Any], ...]
    """As ``WebhookPlan.auth``: any item passes, all keys inside one must."""
    rate_limit: RateLimit | None = None


Overlap = Literal["skip", "queue_one", "queue", "cancel", "allow"]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One compiled revision."""

    name: str
    fingerprint: str
    source: SourcePlan
    stages: tuple[Stage | AskPlan, ...]
    targets: tuple[TargetPlan, ...]
    timezone: tzinfo
    params: Mapping[str, Any]
    """JSON Schema properties of a run's inputs."""
    check_params: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    """Fill in defaults and check; raises DefinitionError."""
    mask: Callable[[Any], Any]
    """Replace what ``$sensitive`` marks in a record, as the source gave it, for people's eyes."""
    mask_sent: Callable[[str, Any], Any]
    """The same for a record as mapped: target id, record."""
    time_limit: float | None = None
    unrouted: Literal["reject", "drop"] = "reject"
    labels: Mapping[str, str] = field(default_factory=dict)
    vars: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    timers: tuple[TimerPlan, ...] = ()
    after: tuple[AfterPlan, ...] = ()
    webhooks: tuple[WebhookPlan, ...] = ()
    files: tuple[FilePlan, ...] = ()
    overlap: Overlap = "skip"
    max_age: float | None = None
    """Seconds after which accepted work that waits becomes dead letters."""
    renamed_from: str | None = None
    """The name it had before: its state goes on under this one."""
    inactive: tuple[str, ...] = ()
    """Keys that only the server acts on: ``triggers``, ``promises``."""
