"""What events look like while a run goes on, and as lines of its log."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest

from engine.events import (
    BatchDelivered,
    BatchRead,
    CallRetried,
    CircuitChanged,
    Noted,
    RunFinished,
    RunStarted,
    Settled,
)
from engine.telemetry.look import PLAIN, Look
from engine.telemetry.progress import Counters, Progress
from engine.telemetry.runlog import Reporter, human, log_line

AT = datetime(2026, 11, 21, 17, 2, 11, tzinfo=UTC)
P, R = "bank-transactions", "01JD5X0000000000000000RUN1"
RICH = Look(terminal=True, color=False, unicode=True, width=120)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def started(expected: int | None = 50_000) -> RunStarted:
    return RunStarted(P, R, "manual", "sql", ("target",), False, "full, from the beginning", expected)


def drawn(progress: Progress) -> list[str]:
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=120, force_terminal=True, color_system=None).print(progress.draw())
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    return [line.rstrip() for line in text.splitlines()]


def feed(progress: Progress, clock: Clock) -> None:
    progress(started())
    clock.now += 38
    progress(BatchRead(P, R, 50_000, {"filters[0]": 1_000}, 0))
    for _ in range(453):
        progress(BatchDelivered(P, R, "target", 100, 0, 1, 0.01))
    progress(CallRetried(P, R, "automation-hub", 1, 1.0, "503"))
    progress(CallRetried(P, R, "automation-hub", 2, 2.0, "503"))


def test_the_bars_show_what_the_sketch_shows() -> None:
    clock, terminal = Clock(), Terminal()
    names = {"source": "bank-db", "target": "automation-hub"}
    with Progress(terminal, RICH, lambda pipeline: names, clock=clock) as progress:
        feed(progress, clock)
        reading, sending = drawn(progress)
    assert re.fullmatch(r"  reading bank-db +━+ +50\u202f000 +1\.3k/s", reading)
    assert re.fullmatch(r"  sending automation-hub ━+╸? *━* +45\u202f300 +batch 453   2 retries   eta 3\.1 s", sending)


def test_the_title_stays_and_the_bars_go() -> None:
    terminal = Terminal()
    with Progress(terminal, RICH, lambda pipeline: {}) as progress:
        progress(started())
        progress.write("17:02:11  a warning")
        progress(RunFinished(P, R, "success", 1.0, {}))
        assert progress.draw() == ""
    text = terminal.getvalue()
    assert text.startswith("bank-transactions  run 01JD…00RUN1   full, from the beginning\n")
    assert "a warning" in text
    assert "\x1b[2K" in text, "the bars are erased"


def test_without_a_known_end_there_is_no_bar_and_no_guess() -> None:
    clock = Clock()
    with Progress(Terminal(), RICH, lambda pipeline: {}, clock=clock) as progress:
        progress(started(None))
        clock.now += 10
        progress(BatchRead(P, R, 700, {}, 0))
        progress(BatchDelivered(P, R, "target", 700, 0, 1, 0.1))
        text = "\n".join(drawn(progress))
    assert "━" not in text
    assert "eta" not in text
    assert "70/s" in text


def test_what_is_written_above_the_bars_is_masked() -> None:
    terminal = Terminal()
    with Progress(terminal, RICH, lambda pipeline: {}, mask=lambda text: text.replace("canary", "***")) as progress:
        progress(started())
        progress.write("token canary")
        progress(RunFinished(P, R, "success", 1.0, {}))
        progress.write("canary again")
    assert "canary" not in terminal.getvalue()


def test_the_estimate_counts_what_is_dropped() -> None:
    counters = Counters(P, "sql", ("a", "b"), 0.0, 1000)
    counters.add(BatchRead(P, R, 100, {"filters[0]": 40}, 10))
    assert counters.to_send() == 500
    counters.add(BatchDelivered(P, R, "a", 50, 0, 1, 0.1))
    assert counters.eta(10) is None, "b has not begun"
    counters.add(BatchDelivered(P, R, "b", 20, 5, 1, 0.1))
    assert counters.eta(10) == pytest.approx((500 - 25) * 10 / 25)


def test_an_expectation_may_come_late_and_be_wrong() -> None:
    counters = Counters(P, "sql", ("a",), 0.0, None)
    counters.add(BatchRead(P, R, 10, {}, 0, 20))
    assert counters.to_send() == 20
    counters.add(BatchRead(P, R, 50, {}, 0))
    assert counters.to_send() == 60


FINISHED = {"error": {"code": "disconnected", "message": "refused", "where": "automation-hub"}}


@pytest.mark.parametrize(
    ("event", "level", "code", "said"),
    [
        (started(), "info", "started", "started (manual), full, from the beginning: sql to target"),
        (BatchRead(P, R, 100, {"filters[0]": 3}, 1), "debug", "read", "read 100, dropped 3, rejected 1"),
        (BatchDelivered(P, R, "target", 99, 1, 2, 0.02), "debug", "sent",
         "target: sent 99, rejected 1 in 20 ms, 2 tries"),
        (CallRetried(P, R, "hub", 1, 5.0, "503"), "info", "retry", "hub: try 1 failed (503), again in 5 s"),
        (CircuitChanged(P, R, "hub", "open"), "warning", "circuit", "hub: circuit breaker open"),
        (CircuitChanged(P, R, "hub", "half_open"), "info", "circuit", "hub: circuit breaker half open"),
        (Noted(P, R, "warning", "unknown-result", "who?"), "warning", "unknown-result", "who?"),
        (RunFinished(P, R, "failed", 6.0, FINISHED), "error", "finished", "failed in 6 s: refused"),
        (RunFinished(P, R, "success", 6.0, {"error": None}), "info", "finished", "success in 6 s"),
    ],
)  # fmt: skip
def test_events_become_lines(event, level, code, said) -> None:
    line = log_line(event, AT)
    assert line is not None
    assert (line.run, line.level, line.code, line.message) == (R, level, code, said)
    assert line.time == "2026-11-21T17:02:11.000000+00:00"


def test_a_settlement_has_no_line() -> None:
    assert log_line(Settled(P, R, None, 0), AT) is None


def test_lines_for_people() -> None:
    line = log_line(Noted(P, R, "warning", "unknown-result", "who?"), AT)
    assert line is not None
    local = AT.astimezone()
    assert human(line, P, RICH) == f"{local:%H:%M:%S}  bank-transactions  who? [unknown-result]"
    assert human(line, P, PLAIN) == f"{local:%Y-%m-%d %H:%M:%S} warning bank-transactions: who? [unknown-result]"


@pytest.mark.parametrize(("least", "count"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)])
def test_a_reporter_writes_what_is_worth_it(least, count) -> None:
    lines: list[str] = []
    reporter = Reporter(lines.append, PLAIN, least, lambda: AT)
    for event in (
        BatchRead(P, R, 1, {}, 0),
        CallRetried(P, R, "hub", 1, 5.0, "503"),
        Noted(P, R, "warning", "x", "y"),
        RunFinished(P, R, "failed", 6.0, FINISHED),
    ):
        reporter(event)
    assert len(lines) == count, "and the end is told by the summary"
