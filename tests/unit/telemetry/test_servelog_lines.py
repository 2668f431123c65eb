"""The log of a serving engine: for people on a terminal, for programs elsewhere, without secrets, never a flood."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.errors import Problem
from engine.events import (
    BatchDelivered,
    BatchRead,
    CallRetried,
    CircuitChanged,
    Fired,
    LaneFreed,
    LaneHeld,
    Noted,
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
from engine.redact import Redactor
from engine.telemetry.look import PLAIN, Look
from engine.telemetry.servelog import ServeLog

AT = datetime(2026, 11, 21, 17, 2, 11, tzinfo=UTC)
RICH = Look(terminal=True, color=False, unicode=True, width=120)
PATH = "/api/v1/webhooks/sales-flow"
SECRET = "wh5ec_canary-value"

ACCEPTED = WebhookAnswered(PATH, "POST", 202, "accepted", "10.0.0.9", ("sales",), "banban", "", "8f3", 120, 0.003)
NOBODY = WebhookAnswered("/x", "POST", 401, "unauthorized", "10.0.0.9", (), None, "no webhook has this path")
LIMITED = WebhookAnswered(PATH, "POST", 429, "limited", "10.0.0.9", ("sales",), None, "more than the webhook's rate")
SESSION = RunStarted("sales", "r1", "webhook", "webhook", ("shop-db",), False, "session")
SENT = BatchDelivered("sales", "r1", "shop-db", 1, 0, 1, 0.004)
PROBLEM = Problem(
    "pipelines/sales.yaml", 18, 5, "unknown-key", "error", "target", "'wehn' is not an option", "did you mean 'when'?"
)
WARNING = Problem("pipelines/sales.yaml", 2, 1, "unused", "warning", "", "is not used")
ERROR = {"code": "disconnected", "message": "hub answered nothing", "where": "hub"}
SUMMARY = {"read": 10, "sent": {"hub": 3}, "dropped": {"filters[0]": 2}, "rejected": 1, "error": ERROR}


class Ticks:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Timers:
    """An event loop's ``call_later``, rung by hand."""

    def __init__(self) -> None:
        self.set: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, call: Callable[[], None]) -> None:
        self.set.append((seconds, call))

    def ring(self) -> None:
        due, self.set = self.set, []
        for _, call in due:
            call()


class Log:
    def __init__(self, look: Look = PLAIN, **options: Any) -> None:
        self.written: list[str] = []
        self.ticks = Ticks()
        self.timers = Timers()
        options = {"later": self.timers, **options}
        self.log = ServeLog(self.written.append, look, clock=lambda: AT, ticks=self.ticks, **options)

    def lines(self, told: Iterable[Told] = ()) -> list[dict[str, Any]]:
        for one in told:
            self.log(one)
        return [json.loads(line) for line in self.written]


@pytest.mark.parametrize(
    ("told", "level", "code", "message"),
    [
        (ACCEPTED, "info", "accepted", "accepted   8f3   202   banban   3 ms"),
        (LIMITED, "warning", "limited",
         f"refused 429 limited: more than the webhook's rate   POST {PATH}   from 10.0.0.9"),
        (SESSION, "info", "started", "started (webhook), session: webhook to shop-db"),
        (CallRetried("sales", "r1", "hub", 1, 5.0, "503"), "info", "retry", "hub: try 1 failed (503), again in 5 s"),
        (CircuitChanged("sales", "r1", "hub", "open"), "error", "circuit", "hub: circuit breaker open"),
        (CircuitChanged("sales", "r1", "hub", "half_open"), "info", "circuit", "hub: circuit breaker half open"),
        (LaneHeld("sales", "r1", "sales/in/0", "disconnected", "connection refused", "hub"), "error", "lane-held",
         "in/0 is held: hub: connection refused; what is accepted waits in order"),
        (LaneFreed("sales", "r1", "sales/in/0"), "info", "lane-freed", "in/0 goes on"),
        (Skipped("sales", "", "nightly", "the run before goes on"), "info", "skipped",
         "nightly starts no run: the run before goes on"),
        (Settled("sales", "r1", None, 1), "warning", "dead-letters",
         "1 record could not be delivered: engine dead-letters list --pipeline sales"),
        (Noted("sales", "r1", "warning", "unknown-result", "who?"), "warning", "unknown-result", "who?"),
        (RunFinished("sales", "r1", "success", 6.0, {"sent": {}}), "info", "finished", "success in 6 s"),
        (RunFinished("sales", "r1", "partial", 6.0, {"rejected": 2}), "warning", "finished",
         "partial in 6 s, rejected 2"),
        (RunFinished("sales", "r1", "failed", 6.0, SUMMARY), "error", "finished",
         "failed in 6 s, read 10, sent 3, dropped 2, rejected 1: hub answered nothing"),
    ],
)  # fmt: skip
def test_what_happens_to_a_pipeline_is_a_line_with_its_name(told: Told, level: str, code: str, message: str) -> None:
    [line] = Log().lines([told])
    assert (line["time"], line["level"], line["code"], line["message"]) == (
        "2026-11-21T17:02:11.000+00:00",
        level,
        code,
        message,
    )
    assert line["pipeline"] == "sales"
    assert line.get("run", "") == getattr(told, "run", "")


@pytest.mark.parametrize(
    ("told", "level", "code", "message"),
    [
        (NOBODY, "warning", "unauthorized",
         "refused 401 unauthorized: no webhook has this path   POST /x   from 10.0.0.9"),
        (StoreChanged("full", "3 MiB left"), "error", "store-full",
         "the store is full: nothing is accepted until there is space: 3 MiB left"),
        (StoreChanged("ok"), "info", "store", "the store has space and works again"),
        (Reloaded(12, ("a", "b"), ("c",), 0.041), "info", "reload",
         "12 pipelines, 2 new or changed (a, b), 1 removed (c), followed in 41 ms"),
        (ReloadFailed((WARNING, PROBLEM)), "error", "reload-failed",
         "pipelines/sales.yaml:18:5 unknown-key target: 'wehn' is not an option; did you mean 'when'? "
         "(what was loaded before keeps running)"),
        (Noted("", "", "error", "admin", "/metrics could not be made"), "error", "admin", "/metrics could not be made"),
    ],
)  # fmt: skip
def test_what_happens_to_the_engine_is_a_line_without_a_pipeline(
    told: Told, level: str, code: str, message: str
) -> None:
    [line] = Log().lines([told])
    assert (line["level"], line["code"], line["message"]) == (level, code, message)
    assert "pipeline" not in line
    assert "run" not in line


def test_a_broken_reload_names_every_place_and_says_what_runs_now() -> None:
    lines = Log().lines([ReloadFailed((PROBLEM,) * 25)])
    assert len(lines) == 21
    assert [(line["file"], line["line"], line["column"], line["problem"]) for line in lines[:20]] == [
        ("pipelines/sales.yaml", 18, 5, "unknown-key")
    ] * 20
    assert lines[-1]["message"] == "25 problems in the files; what was loaded before keeps running"
    assert lines[-1]["problems"] == 25


def test_keys_that_need_a_new_start_are_named() -> None:
    _, line = Log().lines([Reloaded(1, (), (), 0.1, ("listen.port", "store.sqlite.path"))])
    assert line["level"] == "warning"
    assert "listen.port, store.sqlite.path" in line["message"]


def test_programs_get_the_fields_of_a_call() -> None:
    [line] = Log().lines([ACCEPTED])
    assert {name: line[name] for name in ("status", "method", "path", "address", "client", "entry", "bytes")} == {
        "status": 202, "method": "POST", "path": PATH, "address": "10.0.0.9", "client": "banban", "entry": "8f3",
        "bytes": 120,
    }  # fmt: skip


def test_a_call_for_several_pipelines_is_a_line_of_each() -> None:
    shared = WebhookAnswered(PATH, "POST", 202, "accepted", "10.0.0.9", ("sales", "stock"))
    assert [line["pipeline"] for line in Log().lines([shared])] == ["sales", "stock"]


def test_every_batch_is_for_debugging_except_what_a_session_sends() -> None:
    bounded = (
        RunStarted("etl", "r2", "cron", "sql", ("hub",), False),
        BatchRead("etl", "r2", 100, {}, 0),
        BatchDelivered("etl", "r2", "hub", 100, 0, 1, 0.1),
        Settled("etl", "r2", None, 0),
        Fired("etl", "", "nightly", "cron", None, 0.0),
    )
    assert [line["code"] for line in Log().lines(bounded)] == ["started"]
    assert [line["code"] for line in Log(least="debug").lines(bounded)] == ["started", "read", "sent", "fired"]
    assert [line["code"] for line in Log().lines([SESSION, SENT])] == ["started", "sent"]


def test_a_session_that_ended_is_forgotten() -> None:
    log = Log()
    log.lines([SESSION, RunFinished("sales", "r1", "success", 1.0, {}), SENT])
    assert [line["code"] for line in log.lines()] == ["started", "finished"]


@pytest.mark.parametrize(("least", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_only_what_is_loud_enough_is_written(least: Any, count: int) -> None:
    told = (Fired("a", "", "t", "cron", None, 0.0), ACCEPTED, LIMITED, CircuitChanged("a", "r", "hub", "open"))
    assert len(Log(least=least).lines(told)) == count


def test_people_see_aligned_lines() -> None:
    log = Log(RICH)
    log.log.replace(["sales", "a-pipeline-with-a-longer-name"])
    for told in (ACCEPTED, LaneHeld("sales", "r1", "sales/in/0", "transient", "503", "hub"), StoreChanged("ok")):
        log.log(told)
    clock = f"{AT.astimezone():%H:%M:%S}"
    name = "sales".ljust(29)
    assert log.written == [
        f"{clock}  {name}  accepted   8f3   202   banban   3 ms",
        f"{clock}  {name}  in/0 is held: hub: 503; what is accepted waits in order [lane-held]",
        f"{clock}  {'store'.ljust(29)}  the store has space and works again",
    ]


def test_one_colour_for_each_meaning() -> None:
    log = Log(Look(terminal=True, color=True, unicode=True, width=120))
    for told in (ACCEPTED, LIMITED, CircuitChanged("sales", "r", "hub", "open")):
        log.log(told)
    assert [re.findall(r"sales +(?:\x1b\[(\d+)m)?\S", line) for line in log.written] == [[""], ["33"], ["31"]]


def test_nobody_forges_a_line_or_commands_the_terminal() -> None:
    evil = Noted("sales", "r1", "warning", "x", "one\n17:02:11  sales  accepted\x1b[2J\u2028two")
    log = Log(RICH)
    log.log(evil)
    [line] = log.written
    assert "\n" not in line
    assert "\x1b" not in line
    assert "\u2028" not in line
    [json_line] = Log().lines([evil])
    assert json_line["message"] == evil.message, "JSON says it as it was, on one line"


def test_half_a_character_does_not_end_the_log() -> None:
    [line] = Log().lines([Noted("sales", "r1", "info", "x", "half \ud800 of it")])
    assert line["message"] == "half ? of it"


EVERYTHING = (
    WebhookAnswered(f"/{SECRET}", "POST", 401, "unauthorized", "10.0.0.9", ("sales",), None, f"key {SECRET}", None),
    CallRetried("sales", "r1", "hub", 1, 1.0, f"answered {SECRET}"),
    LaneHeld("sales", "r1", "sales/in/0", "transient", f"token {SECRET}", "hub"),
    Noted("sales", "r1", "error", "x", f"bearer {SECRET}"),
    RunFinished("sales", "r1", "failed", 1.0, {"error": {"code": "x", "message": SECRET, "where": SECRET}}),
    ReloadFailed((Problem("a.yaml", 1, 1, "x", "error", SECRET, SECRET, SECRET),)),
    StoreChanged("failed", SECRET),
)


@pytest.mark.parametrize("look", [PLAIN, RICH])
def test_no_secret_is_written(look: Look) -> None:
    log = Log(look, redact=Redactor([SECRET]).text)
    for told in EVERYTHING:
        log.log(told)
    assert SECRET not in "".join(log.written)
    assert len(log.written) == len(EVERYTHING)


def test_without_a_redactor_it_is() -> None:
    """The control: the events do hold it."""
    log = Log()
    for told in EVERYTHING:
        log.log(told)
    assert all(SECRET in line for line in log.written)


def test_a_new_secret_is_masked_from_then_on() -> None:
    log = Log()
    log.log.redact = Redactor([SECRET]).text
    log.log(EVERYTHING[3])
    assert SECRET not in log.written[0]


def test_a_flood_of_calls_is_a_few_lines_and_a_count() -> None:
    log = Log()
    for _ in range(822):
        log.log(ACCEPTED)
    assert len(log.written) == 10
    log.ticks.now += 1.0
    log.timers.ring()
    line = log.lines()[-1]
    assert (line["pipeline"], line["code"], line["message"], line["more"]) == (
        "sales", "accepted", "and 812 more accepted", 812,
    )  # fmt: skip
    assert log.timers.set == [], "nothing is left to be said"


def test_a_flood_of_one_kind_hides_no_other() -> None:
    log = Log()
    for _ in range(500):
        log.log(ACCEPTED)
    for told in (LIMITED, RunFinished("sales", "r1", "failed", 1.0, {}), CircuitChanged("sales", "r", "hub", "open")):
        log.log(told)
    assert [line["code"] for line in log.lines()][10:] == ["limited", "finished", "circuit"]


def test_failed_runs_are_not_hidden_by_those_that_went_well() -> None:
    log = Log()
    for _ in range(100):
        log.log(RunFinished("sales", "r1", "success", 1.0, {}))
    log.log(RunFinished("sales", "r1", "failed", 1.0, {}))
    assert [line["level"] for line in log.lines()] == ["info"] * 10 + ["error"]


def test_calls_on_paths_of_nobody_flood_nothing() -> None:
    log = Log(most=3)
    for number in range(100):
        log.log(WebhookAnswered(f"/{number}", "POST", 401, "unauthorized", "10.0.0.9"))
    log.log.close()
    assert [line["message"] for line in log.lines()][3:] == ["and 97 more unauthorized"]
    assert log.lines()[-1]["level"] == "warning"


def test_the_rest_is_said_with_the_next_line_where_there_is_no_timer() -> None:
    log = Log(most=1, later=None)
    log.lines([ACCEPTED, ACCEPTED, ACCEPTED])
    log.ticks.now += 5.0
    assert [line["message"][:10] for line in log.lines([ACCEPTED])] == ["accepted  ", "and 2 more", "accepted  "]


def test_the_end_says_what_was_held_back() -> None:
    log = Log(most=1)
    log.lines([ACCEPTED, ACCEPTED])
    log.log.close()
    assert len(log.lines()) == 2


def test_words_are_not_made_for_lines_that_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a flood costs is a count, so that the log is never what the engine waits for."""
    from engine.telemetry import servelog

    made = []
    real = servelog.say
    monkeypatch.setattr(servelog, "say", lambda *told: made.append(told) or real(*told))
    log = Log(most=5)
    for _ in range(1000):
        log.log(ACCEPTED)
    for _ in range(1000):
        log.log(BatchRead("etl", "r2", 100, {}, 0))
    assert len(made) == 5


def test_whoever_stops_reading_the_log_does_not_stop_the_work() -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    log = ServeLog(gone, PLAIN)
    log(ACCEPTED)
    assert log.lost == 1


def test_a_mistake_in_the_log_is_not_hidden() -> None:
    """The control: only a stream that is gone is excused."""

    def wrong(line: str) -> None:
        raise TypeError

    with pytest.raises(TypeError):
        ServeLog(wrong, PLAIN)(ACCEPTED)
