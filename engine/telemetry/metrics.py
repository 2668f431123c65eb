"""Figures of a serving engine for Prometheus: a consumer of everything that is told, counted per batch."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client import ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from engine.errors import StoreError
from engine.events import (
    BatchDelivered,
    BatchRead,
    CallRetried,
    CircuitChanged,
    Fired,
    LaneFreed,
    LaneHeld,
    PromiseChanged,
    Reloaded,
    ReloadFailed,
    RunFinished,
    RunStarted,
    Settled,
    Skipped,
    StoreChanged,
    Told,
    WebhookAnswered,
)
from engine.telemetry.card import Card, Waiting
from engine.telemetry.figures import written
from engine.telemetry.series import Series

Lanes = Callable[[], Awaitable[Iterable[Waiting]]]
"""Reads the lanes that have entries; may raise StoreError."""

_BREAKER: Final = ("closed", "half_open", "open")
_STORE: Final = ("ok", "full", "failed")
_SWITCH: Final = ("active", "paused", "disabled")
_DONE: Final = frozenset({"success", "partial", "empty"})
_KEPT: Final = frozenset({"fire", "in", "out"})
"""Lanes that hold work; the others hold positions, and their names grow without end."""
_FRESH = 1.0
"""Readings closer together than this share one look into the store."""
_LABELS, _LONGEST = 10, 100
_TAKEN: Final = frozenset({"pipeline", "le", "job", "instance"})


class Metrics:
    """Counts what is told; ``expose`` writes it all down for one reading."""

    def __init__(
        self,
        lanes: Lanes | None = None,
        labels: Sequence[str] = (),
        build: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """*labels* are ``metrics.labels`` of engine.yaml, *build* what ``engine_build_info`` says: ``version`` …"""
        self._lanes = lanes
        self._clock = clock
        self._process = ProcessCollector(registry=None)
        self._labels = _label_names(labels)
        self._connections: frozenset[str] = frozenset()
        self._targets: dict[tuple[str, str], str] = {}
        self._going: dict[str, set[str]] = {}
        self._looked: float | None = None
        self.series = Series(tuple(self._labels.values()), build or {})
        self.series.store.pick((), "ok", _STORE)
        self.series.reloaded.put((), self._now())
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            RunStarted: self._started, RunFinished: self._finished, BatchRead: self._batch_read, Settled: self._settled,
            BatchDelivered: self._delivered, CallRetried: self._retried, CircuitChanged: self._circuit,
            LaneHeld: self._held, LaneFreed: self._freed, Fired: self._fired, Skipped: self._skipped,
            Reloaded: self._reloaded, ReloadFailed: self._reload_failed, StoreChanged: self._store_changed,
            WebhookAnswered: self._answered, PromiseChanged: self._promise,
        }  # fmt: skip

    def __call__(self, told: Told) -> None:
        """Count it."""
        handler = self._handlers.get(type(told))
        if handler is not None:
            handler(told)

    def committed(self, seconds: float) -> None:
        """Count a commit of the store; to be called in the loop's thread."""
        self.series.commits.add((), seconds)

    def replace(self, cards: Iterable[Card], connections: Collection[str] | None = None) -> None:
        """Know these pipelines from now on; series of those that are gone end.

        With *connections*, so do those of connections that were named before and are not now.
        """
        known = {card.name: card for card in cards}
        self._targets = {(card.name, id): name for card in known.values() for id, name in card.targets.items()}
        self.series.forget("pipeline", lambda pipeline: pipeline != "" and pipeline not in known)
        self._going = {name: runs for name, runs in self._going.items() if name in known}
        if connections is not None:
            gone = self._connections - {*connections}
            self._connections = frozenset(connections)
            self.series.forget("connection", gone.__contains__)
        self._describe(known.values())

    def _describe(self, cards: Collection[Card]) -> None:
        self.series.info.values = {
            (card.name, *(card.labels.get(label, "")[:_LONGEST] for label in self._labels)): 1.0 for card in cards
        }
        states = ["disabled" if not card.enabled else "paused" if card.paused else "active" for card in cards]
        for state in _SWITCH:
            self.series.pipelines.put((state,), states.count(state))

    async def expose(self) -> tuple[int, bytes, str]:
        """Return status, body and content type for ``/metrics``."""
        await self._look()
        # with thousands of pipelines the writing takes long enough for others to notice
        text = await asyncio.to_thread(written, self.series.frozen(), (self._process,))
        return 200, text, CONTENT_TYPE_PLAIN_0_0_4

    async def _look(self) -> None:
        """Read what waits in the lanes; what the store does not tell is left out, and counted."""
        now = self._now()
        if self._lanes is None or (self._looked is not None and 0 <= now - self._looked < _FRESH):
            return
        self._looked = now
        entries, oldest = self.series.entries.values, self.series.oldest.values
        try:
            found = [row for row in await self._lanes() if _holds(row.lane)]
        except StoreError:
            self.series.unread.add(())
            found = []
        entries.clear()
        oldest.clear()
        for row in found:
            pipeline, _, lane = row.lane.partition("/")
            entries[pipeline, lane] = row.entries
            if row.oldest:
                oldest[pipeline, lane] = max(0.0, now - datetime.fromisoformat(row.oldest).timestamp())

    def _now(self) -> float:
        return self._clock().timestamp()

    # runs and their records

    def _started(self, told: RunStarted) -> None:
        runs = self._going.setdefault(told.pipeline, set())
        runs.add(told.run)
        self.series.running.put((told.pipeline,), len(runs))

    def _finished(self, told: RunFinished) -> None:
        runs = self._going.setdefault(told.pipeline, set())
        runs.discard(told.run)
        pipeline = (told.pipeline,)
        self.series.running.put(pipeline, len(runs))
        self.series.runs.add((told.pipeline, told.status))
        self.series.run_seconds.add(pipeline, told.seconds)
        if told.status in _DONE:
            self.series.succeeded.put(pipeline, self._now())

    def _batch_read(self, told: BatchRead) -> None:
        add = self.series.records.add
        add((told.pipeline, "", "read"), told.records)
        if told.dropped:
            add((told.pipeline, "", "dropped"), sum(told.dropped.values()))
        if told.failed:
            add((told.pipeline, "", "rejected"), told.failed)

    def _delivered(self, told: BatchDelivered) -> None:
        pipeline, target = told.pipeline, told.target
        if told.sent:
            self.series.records.add((pipeline, target, "sent"), told.sent)
            self.series.succeeded.put((pipeline,), self._now())
        if told.rejected:
            self.series.records.add((pipeline, target, "rejected"), told.rejected)
        connection = self._targets.get((pipeline, target))
        if connection is not None:
            self.series.call_seconds.add((connection,), told.seconds)

    def _settled(self, told: Settled) -> None:
        if told.dead_letters:
            self.series.dead.add((told.pipeline,), told.dead_letters)

    def _fired(self, told: Fired) -> None:
        self.series.firings.add((told.pipeline, told.kind))
        self.series.lag.add((), max(0.0, told.lag))

    def _skipped(self, told: Skipped) -> None:
        self.series.skipped.add((told.pipeline,))

    def _promise(self, told: PromiseChanged) -> None:
        key = (told.pipeline, told.promise)
        if told.state == "gone":
            self.series.promises.values.pop(key, None)
        else:
            self.series.promises.put(key, 1 if told.state == "broken" else 0)

    # what they meet

    def _retried(self, told: CallRetried) -> None:
        self.series.retries.add((told.connection,))

    def _circuit(self, told: CircuitChanged) -> None:
        self.series.breakers.pick((told.connection,), told.state, _BREAKER)

    def _held(self, told: LaneHeld) -> None:
        self.series.held.put((told.pipeline, _within(told.lane, told.pipeline)), 1)

    def _freed(self, told: LaneFreed) -> None:
        self.series.held.values.pop((told.pipeline, _within(told.lane, told.pipeline)), None)

    def _answered(self, told: WebhookAnswered) -> None:
        # a path that is nobody's never becomes a label: whoever calls could make as many as they like
        for pipeline in told.pipelines or _NOBODY:
            self.series.answers.add((pipeline, told.outcome))
        self.series.answer_seconds.add((), told.seconds)

    # the engine itself

    def _reloaded(self, told: Reloaded) -> None:
        self.series.reloads.add(("success",))
        self.series.reloaded.put((), self._now())
        self.series.stale.put((), 0)

    def _reload_failed(self, told: ReloadFailed) -> None:
        self.series.reloads.add(("failure",))
        self.series.stale.put((), 1)

    def _store_changed(self, told: StoreChanged) -> None:
        self.series.store.pick((), told.state, _STORE)


_NOBODY = ("",)


def _holds(lane: str) -> bool:
    """Tell whether a lane holds work, and not a position or a note of the engine."""
    return lane.partition("/")[2].partition("/")[0] in _KEPT


def _within(lane: str, pipeline: str) -> str:
    """Name a lane inside its pipeline: ``in/0``."""
    return lane.removeprefix(f"{pipeline}/")


def _label_names(labels: Sequence[str]) -> dict[str, str]:
    """Give each label of pipelines the name that Prometheus allows it to have."""
    names: dict[str, str] = {}
    for label in labels[:_LABELS]:
        name = re.sub(r"[^a-zA-Z0-9_]", "_", label)
        name = f"label_{name}" if name in _TAKEN or not name[:1].isalpha() else name
        if name not in names.values():
            names[label] = name
    return names
