"""Every series of a serving engine: names, labels and buckets, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from prometheus_client.metrics_core import Metric

from engine.telemetry.figures import Count, Figure, Gauge, Spread

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_CALL: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_RUN: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
_LAG: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0)

_Kind = TypeVar("_Kind", bound=Figure | Spread)


class Series:
    """What is counted; *labels* are those of pipelines that ``engine_pipeline_info`` shows."""

    def __init__(self, labels: Sequence[str], build: Mapping[str, str]) -> None:
        self._all: list[Figure | Spread] = []
        self._runs()
        self._work()
        self._callers()
        self._engine()
        self.info = self._gauge("pipeline_info", "The labels of pipelines.", "pipeline", *labels)
        names = tuple(sorted(build))
        self._gauge("build_info", "What runs here.", *names).values = {tuple(build[name] for name in names): 1.0}

    def _runs(self) -> None:
        self.runs = self._count("runs", "Runs that ended, by status.", "pipeline", "status")
        self.running = self._gauge("runs_running", "Runs that go on.", "pipeline")
        self.run_seconds = self._spread("run_seconds", "How long runs took.", _RUN, "pipeline")
        self.succeeded = self._gauge(
            "last_success_timestamp_seconds", "When a run last ended well, or records were delivered.", "pipeline"
        )
        self.firings = self._count("firings", "Triggers that fired, by kind.", "pipeline", "kind")
        self.skipped = self._count("firings_skipped", "Firings that started no run.", "pipeline")
        self.promises = self._gauge("promise_broken", "1 while a promise is broken.", "pipeline", "promise")
        self.lag = self._spread("trigger_lag_seconds", "How late triggers fired.", _LAG)

    def _work(self) -> None:
        what = "Records read, dropped by filters, rejected and sent; before any target its label is empty."
        self.records = self._count("records", what, "pipeline", "target", "outcome")
        self.dead = self._count("dead_letters", "Records kept with the reason why they failed.", "pipeline")
        self.call_seconds = self._spread("call_seconds", "How long calls of targets took.", _CALL, "connection")
        self.retries = self._count("call_retries", "Calls that failed and were tried again.", "connection")
        self.breakers = self._gauge("breaker_state", "1 for the state a breaker is in.", "connection", "state")
        self.entries = self._gauge("lane_entries", "Accepted work that waits.", "pipeline", "lane")
        self.oldest = self._gauge("lane_oldest_seconds", "How long the first of it has waited.", "pipeline", "lane")
        self.held = self._gauge("lane_held", "1 while a target cannot take what waits.", "pipeline", "lane")
        self.unread = self._count("lane_reading_failures", "Readings of the lanes that the store refused.")

    def _callers(self) -> None:
        what = "Calls of webhooks by outcome; of a path that is nobody's the pipeline is empty."
        self.answers = self._count("webhook_responses", what, "pipeline", "outcome")
        self.answer_seconds = self._spread("webhook_seconds", "How long callers of webhooks waited.", _FAST)

    def _engine(self) -> None:
        self.commits = self._spread("store_commit_seconds", "How long commits of the store took.", _FAST)
        self.store = self._gauge("store_state", "1 for the state the store is in.", "state")
        self.reloads = self._count("reloads", "Changes of the files that were followed, or refused.", "outcome")
        self.reloaded = self._gauge("reload_last_success_timestamp_seconds", "When the files were last loaded well.")
        self.stale = self._gauge("definitions_stale", "1 while the files have problems and older ones keep running.")
        self.pipelines = self._gauge("pipelines", "Loaded pipelines by state.", "state")

    def every(self) -> Sequence[Figure | Spread]:
        """Return all of them, for the reference."""
        return self._all

    def _count(self, name: str, help: str, *labels: str) -> Count:
        return self._keep(Count(f"engine_{name}", help, labels))

    def _gauge(self, name: str, help: str, *labels: str) -> Gauge:
        return self._keep(Gauge(f"engine_{name}", help, labels))

    def _spread(self, name: str, help: str, bounds: Sequence[float], *labels: str) -> Spread:
        return self._keep(Spread(f"engine_{name}", help, labels, bounds))

    def _keep(self, figure: _Kind) -> _Kind:
        self._all.append(figure)
        return figure

    def forget(self, label: str, gone: Callable[[str], bool]) -> None:
        """End the series whose *label* is gone."""
        for figure in self._all:
            figure.forget(label, gone)

    def frozen(self) -> list[Callable[[], Metric]]:
        """Copy all values for one reading."""
        return [figure.frozen() for figure in self._all]
