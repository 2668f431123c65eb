"""``engine run``: what is asked, in which order, what is told where, and how it exits."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import pytest

from engine.errors import DefinitionError, Disconnected, Problem, Unavailable
from engine.events import BatchDelivered, BatchRead, Noted, RunFinished, RunStarted
from engine.runtime.request import Preview, RunResult

PARTIAL = """\
partial in 41 s
  read      50 000
  dropped    1 204   filters[0]  amount != `0`
  sent      48 761   automation-hub
  rejected      35   22 × refused: unknown bank    8 × missing-field: description    5 × type: 'R$ 12' is not a decimal
  cursor    2026-11-21 18:02:11, 50000
see them:  engine dead-letters list --run 01JD…00RUN1        again:  engine dead-letters replay --run 01JD…00RUN1
"""

PLAIN = """\
bank-transactions: partial in 41 s
  read      50000
  dropped    1204   filters[0]  amount != `0`
  sent      48761   automation-hub
  rejected     35   22 x refused: unknown bank    8 x missing-field: description    5 x type: 'R$ 12' is not a decimal
  cursor    2026-11-21 18:02:11, 50000
see them:  engine dead-letters list --run 01JD5X0000000000000000RUN1        \
again:  engine dead-letters replay --run 01JD5X0000000000000000RUN1
"""


def test_the_summary_on_a_terminal_is_the_one_of_the_sketch(world, run, make) -> None:
    world.runs["bank-transactions"] = make.summary()
    seen = run("run", "bank-transactions", terminal=True, COLUMNS="130")
    assert seen.code == 0
    assert seen.seen.replace("\u202f", " ") == PARTIAL
    assert "\x1b[33mpartial" in seen.out


def test_piped_it_is_plain_ascii_with_whole_ids_and_numbers(world, run, make) -> None:
    world.runs["bank-transactions"] = make.summary()
    seen = run("run", "bank-transactions")
    assert seen.out == PLAIN
    assert seen.out.isascii()


def test_a_narrow_terminal_stacks_the_reasons(world, run, make) -> None:
    world.runs["bank-transactions"] = make.summary()
    lines = run("run", "bank-transactions", terminal=True, COLUMNS="80").seen.splitlines()
    at = next(index for index, line in enumerate(lines) if "22 × refused" in line)
    assert lines[at + 1].index("8 ×") == lines[at].index("22 ×")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_it_is_not_wanted(world, run, make, environ) -> None:
    world.runs["bank-transactions"] = make.summary()
    seen = run("run", "bank-transactions", terminal=True, **environ)
    assert "\x1b[3" not in seen.out


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"LC_ALL": "C"}])
def test_a_plain_terminal_gets_ascii(world, run, make, environ) -> None:
    world.runs["bank-transactions"] = make.summary()
    seen = run("run", "bank-transactions", terminal=True, **environ)
    assert seen.out.isascii()
    assert "50 000" in seen.seen


def test_json_is_one_line_a_run_and_nothing_else_on_stdout(world, run, make) -> None:
    world.runs = {"bank-transactions": make.summary(), "bank-banks": make.summary(pipeline="bank-banks")}
    seen = run("run", "bank-banks", "bank-transactions", "--json")
    lines = [json.loads(line) for line in seen.out.splitlines()]
    assert [line["pipeline"] for line in lines] == ["bank-banks", "bank-transactions"]
    wanted = {"run", "pipeline", "status", "started", "seconds", "read", "dropped", "sent", "rejected", "reasons"}
    assert wanted | {"cursor", "error"} <= set(lines[0])


def test_idle_keys_are_named_once_and_quietly(world, run, make) -> None:
    world.runs["bank-transactions"] = make.summary()
    assert run("run", "bank-transactions").err == "triggers, promises: not active without `engine serve`\n"
    assert run("run", "bank-transactions", "-q").err == ""
    assert run("run", "bank-transactions", "--json").err == ""


FAILED: dict[str, Any] = {
    "status": "failed",
    "seconds": 6.1,
    "read": 1300,
    "dropped": {},
    "sent": {"target": 1200},
    "rejected": 0,
    "reasons": [],
    "cursor": {"updated_at": "2026-11-21 10:14:09"},
    "error": {
        "code": "disconnected",
        "message": "automation-hub answered nothing (connection refused, 3 tries)",
        "where": "automation-hub",
    },
}


def test_a_failure_says_where_it_goes_on_and_what_to_type(world, run, make) -> None:
    world.runs["bank-transactions"] = make.summary(**FAILED)
    seen = run("run", "bank-transactions", terminal=True)
    assert seen.code == 1
    assert seen.out == ""
    assert seen.told.replace("\u202f", " ").startswith(
        "failed in 6.1 s: automation-hub answered nothing (connection refused, 3 tries)\n"
        "  sent 1 200, cursor at 2026-11-21 10:14:09: the next run goes on from there\n"
        "  is it up?  engine check automation-hub\n"
    )


def test_a_failure_of_the_pipeline_leads_to_its_log(world, run, make) -> None:
    error = {"code": "cursor-order", "message": "the cursor went back", "where": "source.cursor"}
    world.runs["bank-transactions"] = make.summary(**{**FAILED, "error": error})
    assert "what happened:  engine runs logs 01JD5X0000000000000000RUN1" in run("run", "bank-transactions").err


@pytest.mark.parametrize(
    ("status", "plain", "strict"),
    [("success", 0, 0), ("partial", 0, 1), ("empty", 0, 1), ("failed", 1, 1), ("timed_out", 1, 1)],
)
def test_exit_codes_follow_the_status(world, run, make, status, plain, strict) -> None:
    world.runs["bank-transactions"] = make.summary(status=status)
    assert run("run", "bank-transactions").code == plain
    assert run("run", "bank-transactions", "--strict").code == strict


def test_a_failed_one_skips_those_that_come_after_it(world, run, make) -> None:
    world.runs = {"bank-transactions": make.summary(), "bank-banks": make.summary(pipeline="bank-banks", **FAILED)}
    seen = run("run", "bank-banks", "bank-transactions")
    assert seen.code == 1
    assert [name for name, _ in world.requests] == ["bank-banks"]
    assert "bank-transactions  skipped: after bank-banks, failed" in seen.err


def test_control_one_that_comes_after_a_good_one_runs(world, run, make) -> None:
    world.runs = {"bank-transactions": make.summary(), "bank-banks": make.summary(pipeline="bank-banks")}
    assert run("run", "bank-banks", "bank-transactions").code == 0
    assert len(world.requests) == 2


def test_where_records_go_to_stdout_the_summary_does_not(world, run, make) -> None:
    world.runs["bank-banks"] = make.summary(pipeline="bank-banks", status="success", rejected=0, reasons=[])
    seen = run("run", "bank-banks")
    assert seen.out == ""
    assert "success in 41 s" in seen.err


def test_params_take_the_type_the_pipeline_asks_for(world, run, make) -> None:
    world.runs["bank-transactions"] = make.summary()
    run("run", "bank-transactions", "--param", "full=true", "--param", "day=01", "--param", "most=7", "--fresh")
    (_, request), *_ = world.requests
    assert request.params == {"full": True, "day": "01", "most": 7}
    assert (request.dry_run, request.limit, request.fresh) == (False, None, True)


@pytest.mark.parametrize(
    ("param", "said"),
    [
        ("ful=true", "no param 'ful'; did you mean 'full'?"),
        ("full=perhaps", "--param full=perhaps: must be boolean"),
        ("full", "--param full: write --param name=value"),
        ("most=x", "must be integer or null"),
    ],
)
def test_a_wrong_param_is_usage(world, run, param, said) -> None:
    seen = run("run", "bank-transactions", "--param", param)
    assert (seen.code, seen.out) == (2, "")
    assert said in seen.err


def test_an_unknown_pipeline_names_the_nearest(world, run) -> None:
    seen = run("run", "bank-transaction")
    assert seen.code == 2
    assert "no pipeline 'bank-transaction'; did you mean 'bank-transactions'?" in seen.err


HUB = Problem("connections/hub.yaml", 3, 5, "unknown-key", "error", "http", "'urll' is not an option")
OTHER = Problem("pipelines/other.yaml", 1, 1, "unknown-key", "error", "", "'x' is not an option")


def test_an_error_in_what_it_needs_stops_it_before_anything_runs(world, run) -> None:
    world.problems = [HUB]
    seen = run("run", "bank-transactions")
    assert (seen.code, world.requests, world.writers) == (2, [], 0)
    assert str(HUB) in seen.err


def test_an_error_in_a_connection_that_was_not_loaded_for_it_is_the_answer(world, run) -> None:
    connections = dict(world.project.connections)
    del connections["automation-hub"]
    object.__setattr__(world.project, "connections", connections)
    lost = run("run", "bank-transactions")
    assert (lost.code, world.requests) == (2, [])
    assert "the connection 'automation-hub' could not be loaded" in lost.err
    missing = Problem("connections/hub.yaml", 3, 59, "missing-secret", "error",
                      "connections.automation-hub.http.auth.bearer", "there is no secret 'hub-token'")  # fmt: skip
    world.problems = [missing]
    assert str(missing) in run("run", "bank-transactions").err
    assert str(missing) in run("check", "automation-hub").err


def test_a_broken_file_elsewhere_does_not_disturb_a_good_one(world, run, make) -> None:
    world.problems = [OTHER]
    world.runs["bank-transactions"] = make.summary()
    assert run("run", "bank-transactions").code == 0


def test_the_problems_of_a_pipeline_that_did_not_load_are_the_answer(world, run) -> None:
    (world.root / "pipelines").mkdir()
    (world.root / "pipelines/other.yaml").write_text("pipeline: other\nx: 1\n")
    world.problems = [OTHER]
    seen = run("run", "other")
    assert seen.code == 2
    assert str(OTHER) in seen.err


def test_problems_found_by_the_run_itself_exit_2(world, run) -> None:
    world.runs["bank-transactions"] = DefinitionError([HUB])
    assert run("run", "bank-transactions").code == 2


def test_a_locked_store_exits_3_and_runs_nothing(world, run) -> None:
    world.locked = Unavailable("data/engine.db is in use by process 4711 (engine run); waited 10 s")
    seen = run("run", "bank-transactions")
    assert seen.code == 3
    assert "process 4711" in seen.err


def test_a_mistake_of_ours_is_one_line_without_traceback(world, run, make, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    world.runs["bank-transactions"] = ZeroDivisionError("with hub-secret-canary")
    seen = run("run", "bank-transactions")
    assert seen.code == 1
    assert "Traceback" not in seen.out + seen.err
    assert "internal error: ZeroDivisionError: with ***" in seen.err
    written = next(tmp_path.glob("engine-error-*.txt"))
    assert str(written) in seen.err
    assert "Traceback" in written.read_text()
    assert "hub-secret-canary" not in written.read_text() + seen.err
    assert "Traceback" in run("run", "bank-transactions", "-v").err


def test_dry_run_shows_what_came_beside_what_would_go(world, run, make) -> None:
    record = {"id": 7, "amount": 12.5, "category": None, "description": "  padaria "}
    mapped = {"external_id": "7", "category": "OUTROS", "label": "Padaria", "metadata": {"source": "bank-hub"}}
    world.runs["bank-transactions"] = RunResult(
        make.summary(status="success", read=1, sent={}, dropped={}, rejected=0, reasons=[], cursor=None),
        [Preview(record, {}, "target", mapped, "7")],
    )
    seen = run("run", "bank-transactions", "--dry-run", "--limit", "1", terminal=True)
    lines = seen.seen.splitlines()
    assert lines[0].startswith("record 1 of 1 (key 7)")
    assert lines[0].endswith("→  what would be sent to automation-hub")
    pairs = [line.split() for line in lines[1:7]]
    assert ["id", "7", "external_id", '"7"'] in pairs
    assert ["category", "null", "category", '"OUTROS"'] in pairs
    assert ["description", '"', "padaria", '"', "label", '"Padaria"'] in pairs
    assert ["metadata.source", '"bank-hub"'] in pairs
    assert ["amount", "12.5"] in pairs
    assert lines[-1] == "nothing was sent, the cursor did not move"
    assert world.requests[0][1].dry_run
    assert world.requests[0][1].limit == 1


def test_dry_run_alone_shows_ten(world, run, make) -> None:
    world.runs["bank-transactions"] = make.summary(status="success", read=0, sent={}, dropped={}, reasons=[])
    run("run", "bank-transactions", "--dry-run")
    assert world.requests[0][1].limit == 10


def test_dry_run_says_what_would_be_rejected(world, run, make) -> None:
    world.runs["bank-transactions"] = RunResult(
        make.summary(status="partial", read=1, sent={}, dropped={}, rejected=1),
        [Preview({"id": 7}, {}, None, None, None, "missing-field: description")],
    )
    seen = run("run", "bank-transactions", "--dry-run")
    assert "record 1 of 1  would be rejected: missing-field: description" in seen.out


def test_dry_run_json_holds_the_previews(world, run, make) -> None:
    world.runs["bank-transactions"] = RunResult(make.summary(), [Preview({"id": 7}, {}, "target", {"a": 1}, "7")])
    line = json.loads(run("run", "bank-transactions", "--dry-run", "--json").out)
    assert line["previews"][0]["mapped"] == {"a": 1}


def test_secrets_leave_in_no_form(world, run, make) -> None:
    error = {"code": "refused", "message": "bad token hub-secret-canary", "where": "target"}
    world.runs["bank-transactions"] = make.summary(**{**FAILED, "error": error})
    for how in ([], ["--json"]):
        seen = run("run", "bank-transactions", *how)
        assert "canary" not in seen.out + seen.err
        assert "***" in seen.out + seen.err


async def _eventful(app: Any, request: Any, stop: asyncio.Event) -> RunResult:
    emit, name, run = app.world.emit, "bank-transactions", "01JD5X0000000000000000RUN1"
    emit(RunStarted(name, run, "manual", "sql", ("target",), False, "full, from the beginning", 50000))
    emit(BatchRead(name, run, 100, {"filters[0]": 2}, 1))
    emit(Noted(name, run, "warning", "unknown-result", "answer for 'x', which was not sent"))
    emit(Noted(name, run, "info", "page", "page 2"))
    emit(BatchDelivered(name, run, "target", 97, 0, 1, 0.01))
    done = app.world.done
    emit(RunFinished(name, run, done["status"], done["seconds"], done))
    return RunResult(done)


def test_a_terminal_sees_the_title_and_warnings_and_no_bars_in_the_end(world, run, make) -> None:
    world.runs["bank-transactions"], world.done = _eventful, make.summary()
    seen = run("run", "bank-transactions", terminal=True)
    assert seen.told.startswith("bank-transactions  run 01JD…00RUN1   full, from the beginning\n")
    assert "answer for 'x', which was not sent" in seen.told
    assert "page 2" not in seen.told
    assert "partial in 41 s" in seen.seen


def test_piped_only_warnings_and_errors_are_logged(world, run, make) -> None:
    world.runs["bank-transactions"], world.done = _eventful, make.summary()
    seen = run("run", "bank-transactions")
    assert "warning bank-transactions: answer for 'x', which was not sent [unknown-result]\n" in seen.err
    assert len(seen.err.splitlines()) == 2
    assert "\x1b" not in seen.err
    assert "page 2" in run("run", "bank-transactions", "-v").err
    assert "sent 97" in run("run", "bank-transactions", "-vv").err
    assert run("run", "bank-transactions", "-q").err == ""


async def _stoppable(app: Any, request: Any, stop: asyncio.Event) -> RunResult:
    signal.raise_signal(app.world.signal)
    await asyncio.wait_for(stop.wait(), 5)
    return RunResult(app.world.done)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_at_a_batch_boundary(world, run, make, number, code) -> None:
    world.runs = {"bank-transactions": _stoppable, "bank-banks": make.summary()}
    world.signal, world.done = number, make.summary(status="cancelled")
    seen = run("run", "bank-transactions", "bank-banks")
    assert seen.code == code
    assert "stopping after this batch" in seen.err
    assert "cancelled in 41 s" in seen.err
    assert "go on:  engine run bank-transactions" in seen.err
    assert len(world.requests) == 1


async def _stubborn(app: Any, request: Any, stop: asyncio.Event) -> RunResult:
    signal.raise_signal(signal.SIGINT)
    await stop.wait()
    signal.raise_signal(signal.SIGINT)
    await asyncio.Event().wait()
    raise AssertionError


def test_a_second_ctrl_c_ends_at_once(world, run) -> None:
    world.runs["bank-transactions"] = _stubborn
    seen = run("run", "bank-transactions")
    assert seen.code == 130
    assert "stopping at once" in seen.err


def test_check_that_cannot_connect_exits_3(world, run) -> None:
    world.checks = {"automation-hub": Disconnected("connection refused"), "bank-db": "SQLite 3.51, 4 tables"}
    seen = run("check")
    assert seen.code == 3
    assert "automation-hub" in seen.out
    assert "connection refused" in seen.out
    assert "SQLite 3.51, 4 tables" in seen.out
    assert run("check", "bank-db").code == 0
    assert run("check", "bank").code == 2
    line = json.loads(run("check", "bank-db", "--json").out)
    assert (line["connection"], line["ok"], line["message"]) == ("bank-db", True, "SQLite 3.51, 4 tables")
