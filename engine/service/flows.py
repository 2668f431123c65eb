"""How well a pipeline does, and a flow of several: pure arithmetic over what was told, with a bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from engine.telemetry.card import Card

Status = Literal["ok", "degraded", "down", "unknown"]

_BUCKETS: Final = 30
_STATES: Final = ("closed", "half_open", "open")


class Degraded(NamedTuple):
    """``health.degraded``: more than *error_rate* of what was done in the last *over* seconds failed."""

    error_rate: float = 0.02
    over: float = 300.0


class Window:
    """Counts of the last seconds: at most thirty-two buckets, whatever happens."""

    __slots__ = ("_buckets", "_width", "over")

    def __init__(self, over: float) -> None:
        self.over = over
        self._width = over / _BUCKETS
        self._buckets: dict[int, list[int]] = {}

    def add(self, now: float, good: int, bad: int) -> None:
        """Count what went well and what did not."""
        at = int(now // self._width)
        bucket = self._buckets.get(at)
        if bucket is None:
            bucket = self._buckets[at] = [0, 0]
            self._prune(now)
        bucket[0] += good
        bucket[1] += bad

    def counts(self, now: float) -> tuple[int, int]:
        """Return how much went well and how much did not."""
        if not self._buckets:
            return 0, 0
        oldest, newest = self._span(now)
        good = bad = 0
        for at, (well, ill) in self._buckets.items():
            if oldest <= at <= newest:
                good, bad = good + well, bad + ill
        return good, bad

    def _span(self, now: float) -> tuple[int, int]:
        # what lies in the future does not count either: the clock may have been set back
        return int((now - self.over) // self._width), int(now // self._width)

    def _prune(self, now: float) -> None:
        oldest, newest = self._span(now)
        for at in [at for at in self._buckets if not oldest <= at <= newest]:
            del self._buckets[at]

    def __len__(self) -> int:
        return len(self._buckets)


@dataclass(slots=True)
class Held:
    """Why accepted work of a lane waits."""

    lane: str
    code: str
    reason: str
    subject: str
    since: datetime


@dataclass(slots=True)
class Pulse:
    """What is known of one pipeline since the engine started."""

    window: Window
    last_success: datetime | None = None
    failed: bool = False
    """Its last run failed, and nothing was delivered since."""
    ended: datetime | None = None
    """When what decides ``failed`` happened."""
    held: dict[str, Held] = field(default_factory=dict)

    def good(self, at: datetime, number: int = 1) -> None:
        """Something went well."""
        self.window.add(at.timestamp(), number, 0)
        self.ended, self.failed = at, False
        self.last_success = max(at, self.last_success or at)

    def bad(self, at: datetime, number: int = 1) -> None:
        """Something did not."""
        self.window.add(at.timestamp(), 0, number)


Member = tuple[Card, Pulse]


def flow(members: Sequence[Member], circuits: Mapping[str, str], limit: Degraded, now: datetime) -> dict[str, Any]:
    """Say how the flow of these pipelines is; a disabled one says nothing of it."""
    members = [(card, pulse) for card, pulse in members if card.enabled]
    if not members:
        return {"status": "unknown", "enabled": False}
    pulses = [pulse for _, pulse in members]
    rate = _rate(pulses, now)
    circuit = _circuit(members, circuits)
    held = [one for pulse in pulses for one in pulse.held.values()]
    paused = any(card.paused for card, _ in members)
    failed = sum(pulse.failed for pulse in pulses)
    told: dict[str, Any] = {"status": _status(pulses, limit, rate, circuit, paused)}
    if (last := max((one.last_success for one in pulses if one.last_success), default=None)) is not None:
        told["last_success"] = written(last)
    if circuit:
        told["circuit"] = circuit
    if rate is not None:
        told["error_rate"] = round(rate, 4)
    if failed:
        told["last_run"] = "failed"
    if held:
        told["held"] = held[0].reason or held[0].code
    return told | ({"paused": True} if paused else {})


def _status(pulses: Sequence[Pulse], limit: Degraded, rate: float | None, circuit: str, paused: bool) -> Status:
    known = [one for one in pulses if one.failed or one.last_success or one.held]
    if circuit == "open" or any(one.held for one in pulses) or (known and all(one.failed for one in known)):
        return "down"
    if any(one.failed for one in pulses) or paused or circuit == "half_open":
        return "degraded"
    if rate is not None and rate > limit.error_rate:
        return "degraded"
    return "ok" if known else "unknown"


def _rate(pulses: Sequence[Pulse], now: datetime) -> float | None:
    moment = now.timestamp()
    counts = [pulse.window.counts(moment) for pulse in pulses]
    good, bad = sum(one for one, _ in counts), sum(one for _, one in counts)
    return bad / (good + bad) if good + bad else None


def _circuit(members: Sequence[Member], circuits: Mapping[str, str]) -> str:
    states = [circuits.get(name, "closed") for card, _ in members for name in card.connections]
    return max(states, key=lambda state: _STATES.index(state) if state in _STATES else 0, default="")


def overall(flows: Mapping[str, Mapping[str, Any]]) -> Literal["healthy", "degraded", "down"]:
    """Say how all flows together are: down only where nothing that is known still works."""
    states = [one["status"] for one in flows.values() if one["status"] != "unknown"]
    if states and all(state == "down" for state in states):
        return "down"
    return "healthy" if all(state == "ok" for state in states) else "degraded"


def written(at: datetime) -> str:
    """Write a moment: ``2024-01-15T10:30:00Z``."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
