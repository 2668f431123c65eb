"""Whether the engine lives, may be given work, and how the flows of a group do: answers over what was told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from engine.errors import Problem
from engine.events import (
    BatchDelivered,
    BatchRead,
    CircuitChanged,
    LaneFreed,
    LaneHeld,
    PromiseChanged,
    Reloaded,
    ReloadFailed,
    RunFinished,
    RunStatus,
    StoreChanged,
    Told,
    WebhookAnswered,
)
from engine.service.flows import Degraded, Held, Member, Pulse, Window, flow, overall, written
from engine.telemetry.card import Card

Answer = tuple[int, Mapping[str, Any]]
"""An HTTP status and a body to be written as JSON."""

Probe = Callable[[], str]
"""Empty while all is well, else what is wrong."""

_SHOWN: Final = 50
_DONE: Final = frozenset({"success", "partial", "empty"})
_FAILED: Final = frozenset({"failed", "timed_out", "interrupted"})
_OURS: Final = frozenset({"failed", "late", "unavailable"})
"""Outcomes of webhooks that are the engine's or the target's fault, not the caller's."""
_MENDED: Final = (3, 51, 3)
_DEGRADED: Final = Degraded()


@dataclass(frozen=True, slots=True)
class Group:
    """One of ``health.groups``: the pipelines with these labels, and the label that makes a flow."""

    labels: Mapping[str, str]
    by: str | None = None


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """``health`` of engine.yaml."""

    groups: Mapping[str, Group] = field(default_factory=dict)
    degraded: Degraded = _DEGRADED

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None) -> HealthSettings:
        """Read ``health``, with its durations as seconds."""
        settings = settings or {}
        groups = {
            name: Group({label: _text(value) for label, value in (group.get("labels") or {}).items()}, group.get("by"))
            for name, group in (settings.get("groups") or {}).items()
        }
        degraded = settings.get("degraded") or {}
        return cls(groups, Degraded(degraded.get("error_rate", 0.02), degraded.get("over", 300.0)))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Health:
    """A consumer of everything that is told; it remembers no more than a few numbers for each pipeline."""

    def __init__(
        self,
        settings: HealthSettings | None = None,
        *,
        probes: Mapping[str, Probe] | None = None,
        sqlite: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """*probes* are asked for readiness and may be added to (``scheduler``, ``listener``); *sqlite* its version."""
        self.settings = settings or HealthSettings()
        self.closing = False
        """No new work: the process is on its way out."""
        self.orphans: Mapping[str, int] = {}
        """Lanes whose pipeline is gone, and how much waits in them."""
        self._probes: Mapping[str, Probe] = {} if probes is None else probes
        self._sqlite = sqlite
        self._clock = clock
        self._cards: dict[str, Card] = {}
        self._told_of = False
        """Whether anybody said which pipelines there are: until then history may speak of any."""
        self._pulses: dict[str, Pulse] = {}
        self._connections: frozenset[str] = frozenset()
        self._circuits: dict[str, str] = {}
        self._store = StoreChanged("ok")
        self._promises: dict[tuple[str, str], tuple[str, datetime]] = {}
        """Those that are broken: why, and since when that is known."""
        self._problems: tuple[Problem, ...] | None = None
        self._stale_since: datetime | None = None
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            RunFinished: self._finished, BatchRead: self._batch_read, BatchDelivered: self._delivered,
            LaneHeld: self._lane_held, LaneFreed: self._lane_freed, CircuitChanged: self._circuit,
            WebhookAnswered: self._answered, Reloaded: self._reloaded, ReloadFailed: self._reload_failed,
            StoreChanged: self._store_changed, PromiseChanged: self._promise,
        }  # fmt: skip

    def __call__(self, told: Told) -> None:
        """Remember what counts of it."""
        handler = self._handlers.get(type(told))
        if handler is not None:
            handler(told)

    def replace(self, cards: Iterable[Card], connections: Collection[str] | None = None) -> None:
        """Know these pipelines from now on; what is known of those that stay is kept.

        With *connections*, breakers of those that were named before and are not now are forgotten.
        """
        self._cards = {card.name: card for card in cards}
        self._told_of = True
        self._pulses = {name: pulse for name, pulse in self._pulses.items() if name in self._cards}
        over = self.settings.degraded.over
        for pulse in self._pulses.values():
            if pulse.window.over != over:
                pulse.window = Window(over)
        if connections is not None:
            gone = self._connections - {*connections}
            self._connections = frozenset(connections)
            self._circuits = {name: state for name, state in self._circuits.items() if name not in gone}

    def recall(self, pipeline: str, status: RunStatus, at: datetime) -> None:
        """Take up what history says of a run, in any order; it does not count for the error rate."""
        pulse = self._pulse(pipeline)
        if pulse is None or status not in _DONE | _FAILED:
            return
        if status in _DONE:
            pulse.last_success = max(at, pulse.last_success or at)
        if pulse.ended is None or at > pulse.ended:
            pulse.ended, pulse.failed = at, status in _FAILED

    # the answers

    def live(self) -> Answer:
        """Answer ``/healthz``: whoever can answer lives."""
        return 200, {"status": "ok"}

    def ready(self, now: datetime) -> Answer:
        """Answer ``/readyz``: may it be given work. Old definitions, held lanes and open breakers are told, no more."""
        parts = {name: probe() for name, probe in self._probes.items()}
        reasons = [f"{name}: {what}" for name, what in parts.items() if what]
        if self.closing:
            reasons.insert(0, "closing: the engine stops")
        if self._store.state != "ok":
            reasons.append(f"store: {self._store.state}" + (f", {self._store.reason}" if self._store.reason else ""))
        body: dict[str, Any] = {"status": "unready" if reasons else "ready"}
        if reasons:
            body["reasons"] = reasons
        body |= {name: what or "ok" for name, what in parts.items()}
        body |= {"store": self._about_store(), "definitions": self._about_definitions(now)}
        body |= self._about_work(now)
        return (503 if reasons else 200), body

    def group(self, name: str, now: datetime) -> Answer | None:
        """Answer ``/health/groups/NAME``; None where engine.yaml names no such group."""
        group = self.settings.groups.get(name)
        if group is None:
            return None
        members: dict[str, list[Member]] = {}
        for card in self._cards.values():
            if all(card.labels.get(label) == value for label, value in group.labels.items()):
                pulse = self._pulses.get(card.name) or Pulse(Window(self.settings.degraded.over))
                members.setdefault(card.labels.get(group.by or "", card.name), []).append((card, pulse))
        limit = self.settings.degraded
        flows = {label: flow(some, self._circuits, limit, now) for label, some in sorted(members.items())}
        status = overall(flows)
        return (503 if status == "down" else 200), {"status": status, "flows": flows}

    def _about_store(self) -> dict[str, Any]:
        told: dict[str, Any] = {"state": self._store.state}
        if self._store.reason:
            told["reason"] = self._store.reason
        if self._sqlite:
            told["sqlite"] = self._sqlite
            if _version(self._sqlite) < _MENDED:
                told["warning"] = (
                    f"SQLite {self._sqlite} can damage a file that two connections write at once (WAL-reset, mended in "
                    "3.51.3); the engine writes with one only: let no other program write to its file"
                )
        return told

    def _about_definitions(self, now: datetime) -> dict[str, Any]:
        told: dict[str, Any] = {"pipelines": len(self._cards), "stale": self._problems is not None}
        if self._problems is not None and self._stale_since is not None:
            told["since"] = written(self._stale_since)
            told["problems"] = [
                {"file": one.file, "line": one.line, "column": one.column, "code": one.code, "message": str(one)}
                for one in self._problems[:_SHOWN]
            ]
            told |= _more(len(self._problems))
        return told

    def _about_work(self, now: datetime) -> dict[str, Any]:
        held = [(name, one) for name, pulse in self._pulses.items() for one in pulse.held.values()]
        shown = [
            {"pipeline": name, "lane": one.lane, "code": one.code, "reason": one.reason, "subject": one.subject,
             "since": written(one.since)}
            for name, one in sorted(held, key=lambda pair: pair[1].since)[:_SHOWN]
        ]  # fmt: skip
        breakers = {name: state for name, state in sorted(self._circuits.items()) if state != "closed"}
        told: dict[str, Any] = {"held": shown, "breakers": breakers} | _more(len(held))
        if self._promises:
            told["promises"] = [
                {"pipeline": pipeline, "promise": promise, "reason": reason, "since": written(since)}
                for (pipeline, promise), (reason, since) in sorted(self._promises.items())[:_SHOWN]
            ]
        if self.orphans:
            told["orphans"] = dict(sorted(self.orphans.items())[:_SHOWN])
        return told

    # what is told

    def _pulse(self, pipeline: str) -> Pulse | None:
        if self._told_of and pipeline not in self._cards:
            return None
        pulse = self._pulses.get(pipeline)
        if pulse is None:
            pulse = self._pulses[pipeline] = Pulse(Window(self.settings.degraded.over))
        return pulse

    def _finished(self, told: RunFinished) -> None:
        pulse = self._pulse(told.pipeline)
        if pulse is None:
            return
        now = self._clock()
        if told.status in _DONE:
            pulse.good(now)
        elif told.status in _FAILED:
            pulse.bad(now)
            pulse.ended, pulse.failed = now, True

    def _batch_read(self, told: BatchRead) -> None:
        if told.failed and (pulse := self._pulse(told.pipeline)) is not None:
            pulse.bad(self._clock(), told.failed)

    def _delivered(self, told: BatchDelivered) -> None:
        pulse = self._pulse(told.pipeline)
        if pulse is None:
            return
        now = self._clock()
        if told.sent:
            pulse.good(now, told.sent)
        if told.rejected:
            pulse.bad(now, told.rejected)

    def _lane_held(self, told: LaneHeld) -> None:
        pulse = self._pulse(told.pipeline)
        if pulse is not None:
            before = pulse.held.get(told.lane)
            since = before.since if before else self._clock()
            pulse.held[told.lane] = Held(told.lane, told.code, told.reason, told.subject, since)

    def _lane_freed(self, told: LaneFreed) -> None:
        pulse = self._pulses.get(told.pipeline)
        if pulse is not None:
            pulse.held.pop(told.lane, None)

    def _promise(self, told: PromiseChanged) -> None:
        key = (told.pipeline, told.promise)
        if told.state == "broken":
            self._promises[key] = (told.reason, self._clock())
        else:
            self._promises.pop(key, None)

    def _circuit(self, told: CircuitChanged) -> None:
        self._circuits[told.connection] = told.state

    def _answered(self, told: WebhookAnswered) -> None:
        if told.outcome in _OURS:
            for pipeline in told.pipelines:
                if (pulse := self._pulse(pipeline)) is not None:
                    pulse.bad(self._clock())

    def _reloaded(self, told: Reloaded) -> None:
        self._problems, self._stale_since = None, None

    def _reload_failed(self, told: ReloadFailed) -> None:
        self._problems = told.problems
        self._stale_since = self._stale_since or self._clock()

    def _store_changed(self, told: StoreChanged) -> None:
        self._store = told


def _more(number: int) -> dict[str, int]:
    return {"more": number - _SHOWN} if number > _SHOWN else {}


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
