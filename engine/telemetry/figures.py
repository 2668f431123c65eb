"""Counters, gauges and histograms that cost little to feed: plain dictionaries, read as Prometheus families."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]


class Figure:
    """A name, its labels, and a value for each combination of them that was seen."""

    family: type[CounterMetricFamily] | type[GaugeMetricFamily] = GaugeMetricFamily

    def __init__(self, name: str, help: str, labels: Labels = ()) -> None:
        self.name = name
        self.help = help
        self.labels = labels
        self.values: dict[Labels, float] = {} if labels else {(): 0.0}

    def forget(self, label: str, gone: Callable[[str], bool]) -> None:
        """Drop the combinations whose *label* is gone."""
        if label in self.labels:
            at = self.labels.index(label)
            for labels in [labels for labels in self.values if gone(labels[at])]:
                del self.values[labels]

    def frozen(self) -> Callable[[], Metric]:
        """Copy the values; what is returned may be called in another thread."""
        values = dict(self.values)

        def read() -> Metric:
            family = self.family(self.name, self.help, labels=self.labels)
            for labels, value in values.items():
                family.add_metric(labels, value)
            return family

        return read


class Count(Figure):
    """Only grows."""

    family = CounterMetricFamily

    def add(self, labels: Labels, number: float = 1) -> None:
        """Count *number* more."""
        self.values[labels] = self.values.get(labels, 0) + number


class Gauge(Figure):
    """Stands where it was set."""

    def put(self, labels: Labels, value: float) -> None:
        """Set it."""
        self.values[labels] = value

    def pick(self, labels: Labels, state: str, states: Collection[str]) -> None:
        """Set 1 for *state*, which is the last label, and 0 for the other *states*."""
        for one in states:
            self.values[*labels, one] = float(one == state)


class Spread:
    """A histogram."""

    def __init__(self, name: str, help: str, labels: Labels, bounds: Sequence[float]) -> None:
        self.name = name
        self.help = help
        self.labels = labels
        self._bounds = tuple(bounds)
        self._texts = [*map(floatToGoString, bounds), "+Inf"]
        # one number for each bound, one for what lies beyond, then the sum
        self.values: dict[Labels, list[float]] = {} if labels else {(): self._empty()}

    def _empty(self) -> list[float]:
        return [0.0] * (len(self._bounds) + 2)

    def add(self, labels: Labels, value: float) -> None:
        """Count *value*."""
        row = self.values.get(labels)
        if row is None:
            row = self.values[labels] = self._empty()
        row[bisect_left(self._bounds, value)] += 1
        row[-1] += value

    def forget(self, label: str, gone: Callable[[str], bool]) -> None:
        """Drop the combinations whose *label* is gone."""
        if label in self.labels:
            at = self.labels.index(label)
            for labels in [labels for labels in self.values if gone(labels[at])]:
                del self.values[labels]

    def frozen(self) -> Callable[[], Metric]:
        """Copy the values; what is returned may be called in another thread."""
        values = {labels: row.copy() for labels, row in self.values.items()}

        def read() -> Metric:
            family = HistogramMetricFamily(self.name, self.help, labels=self.labels)
            for labels, row in values.items():
                family.add_metric(labels, self._buckets(row), row[-1])
            return family

        return read

    def _buckets(self, row: Sequence[float]) -> list[tuple[str, float]]:
        so_far, buckets = 0.0, []
        for text, number in zip(self._texts, row, strict=False):
            so_far += number
            buckets.append((text, so_far))
        return buckets


class _Once(Collector):
    """What was frozen for one reading."""

    def __init__(self, figures: Iterable[Callable[[], Metric]]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Give the families."""
        return (figure() for figure in self._figures)


def written(figures: Iterable[Callable[[], Metric]], others: Iterable[Collector] = ()) -> bytes:
    """Write frozen figures, and what *others* collect, as Prometheus reads it."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in (_Once(figures), *others):
        registry.register(collector)
    return generate_latest(registry)
