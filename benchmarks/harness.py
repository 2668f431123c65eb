"""Measure variants side by side: interleaved rounds, medians, spread, and ratios against target and gate."""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

ROUNDS = 7


@dataclass(frozen=True)
class Timing:
    """Seconds of one variant, a value per round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """How far the slowest and the fastest round lie apart, as a part of the median."""
        return (max(self.rounds) - min(self.rounds)) / self.median


def measure(
    variants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, least: float = 0.15
) -> dict[str, Timing]:
    """Time every variant once a round, in turn; each runs as often as it takes to fill *least* seconds."""
    repeats = {name: _repeats(run, least) for name, run in variants.items()}
    times: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds):
        order = list(variants.items())
        for name, run in order if turn % 2 == 0 else reversed(order):
            times[name].append(_once(run, repeats[name]))
    return {name: Timing(tuple(found)) for name, found in times.items()}


def _repeats(run: Callable[[], object], least: float) -> int:
    run()
    number = 1
    while True:
        taken = _once(run, number) * number
        if taken >= least / 4:
            return max(1, int(number * least / taken))
        number *= 2


def _once(run: Callable[[], object], number: int) -> float:
    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter()
        for _ in range(number):
            run()
        return (time.perf_counter() - begin) / number
    finally:
        gc.enable()


@dataclass
class Report:
    """Collects figures and says at the end whether every gate held."""

    title: str
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        machine = f"{os.cpu_count()} cores, Python {sys.version.split()[0]}"
        print(f"{self.title}   ({machine}, interleaved rounds, medians)")

    def times(self, timings: Mapping[str, Timing], unit: str = "record", count: int = 1) -> None:
        """Print each variant's time per *unit*."""
        for name, timing in timings.items():
            each = timing.median / count * 1e6
            print(f"  {name:<46} {each:>10.2f} µs a {unit}   ±{timing.spread / 2:.0%}")

    def ratio(
        self, name: str, value: float, target: float, gate: float, better: Literal["more", "less"] = "more"
    ) -> None:
        """Print a ratio against its target and its gate."""
        more = better == "more"
        on_target = value >= target if more else value <= target
        held = value >= gate if more else value <= gate
        sign = "≥" if more else "≤"
        verdict = "target met" if on_target else "above the gate, short of the target" if held else "BELOW THE GATE"
        print(f"  {name:<46} {value:>10.2f} ×   target {sign} {target:g}, gate {sign} {gate:g}   {verdict}")
        if not held:
            self.failed.append(name)

    def seconds(self, name: str, rounds: Sequence[float], target: float, gate: float) -> None:
        """Print the median of whole-process times against a target and a gate in seconds."""
        value = statistics.median(rounds)
        verdict = "target met" if value <= target else "within the gate, short of the target"
        if value > gate:
            verdict = "BEYOND THE GATE"
            self.failed.append(name)
        spread = f"{min(rounds) * 1e3:.0f} to {max(rounds) * 1e3:.0f}"
        bounds = f"target ≤ {target * 1e3:g}, gate ≤ {gate * 1e3:g}"
        print(f"  {name:<46} {value * 1e3:>9.0f} ms  {bounds}   {verdict} ({spread})")

    def finish(self) -> int:
        """Return the exit code; on fewer than 4 cores gates are reported and do not fail."""
        if self.failed and (os.cpu_count() or 1) < 4:
            print(f"below the gate, on fewer than 4 cores: {', '.join(self.failed)}")
            return 0
        return 1 if self.failed else 0
