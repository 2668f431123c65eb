"""Signals and limits: a run that is told to stop ends at a batch boundary, and the next one sends exactly the rest."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import Any

import pytest

from tests.acceptance.bank_hub import TRANSACTIONS, BankHub
from tests.acceptance.conftest import BATCH
from tests.acceptance.hub_view import all_there, arrived, extra, nothing_left, writes
from tests.peers.hub_client import Hub
from tests.peers.hub_faults import Fault

ROWS = 300
TARGET = "pipelines/bank-hub/transactions.yaml"
SLOW = Fault("slow", seconds=0.1, times=None)


def started(bank: BankHub, hub: Hub, fault: Fault, heard: int, *arguments: str) -> subprocess.Popen[str]:
    """Start the transactions; return once the hub has heard so many writes."""
    hub.fail(fault)
    process = bank.start("run", *(arguments or (TRANSACTIONS, "--json")))
    while len(writes(hub)) < heard:
        assert process.poll() is None, process.communicate()
    return process


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    out, err = process.communicate(timeout=60)
    lines = out.splitlines()
    return process.returncode, json.loads(lines[-1]) if lines else {}, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_the_run_at_a_batch_boundary(bank: BankHub, hub: Hub, number: int, code: int) -> None:
    process = started(bank, hub, SLOW, 3)
    process.send_signal(number)
    returned, summary, err = ended(process)
    assert (returned, summary["status"], summary["error"]) == (code, "cancelled", None), err
    assert "stopping after this batch" in err
    sent = summary["sent"]["target"]
    assert 3 * BATCH <= sent <= 5 * BATCH
    assert sent % BATCH == 0
    assert arrived(hub) == set(bank.order()[:sent])
    assert summary["cursor"] == bank.cursor() == bank.at(sent)
    assert bank.letters() == 0
    hub.fail()
    rest = bank.send()
    assert (rest["status"], rest["read"], rest["sent"]) == ("success", ROWS - sent, {"target": ROWS - sent})
    assert all_there(bank, hub)
    assert extra(hub) == 0
    assert nothing_left(bank, hub)


def test_the_summary_says_how_to_go_on(bank: BankHub, hub: Hub) -> None:
    process = started(bank, hub, SLOW, 3, TRANSACTIONS)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert f"go on:  engine run {TRANSACTIONS}" in err
    assert "cancelled" in bank.engine("runs", "--limit", "1")


def test_a_second_signal_ends_it_at_once(bank: BankHub, hub: Hub) -> None:
    """The write in flight hangs: the first signal waits for it, the second does not."""
    process = started(bank, hub, Fault("hang", skip=3, applied=True), 4)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "stopping after this batch; Ctrl-C again to stop at once" in process.stderr.readline()
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert (code, time.monotonic() - before < 5) == (130, True)
    assert "what was not settled is sent again by the next run" in err
    [run] = bank.look("runs")
    assert run["status"] == "cancelled"
    assert bank.cursor() == bank.at(3 * BATCH)
    hub.fail()
    rest = bank.send()
    assert (rest["status"], rest["read"]) == ("success", ROWS - 3 * BATCH)
    assert all_there(bank, hub)
    # the write in flight had arrived; with its key it is once in effect
    assert extra(hub) == BATCH


def test_a_signal_while_it_waits_for_another_try_ends_it(bank: BankHub, hub: Hub) -> None:
    bank.settings["RETRY_DELAY"] = "50"
    bank.change(TARGET, ("    max: 60s", "    max: 60s\n    jitter: none"))
    hub.fail(Fault("status", status=503, skip=3, times=None))
    process = bank.start("-v", "run", TRANSACTIONS, "--json")
    assert process.stderr is not None
    while "again in 50 s" not in (line := process.stderr.readline()):
        assert line, process.communicate()
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, summary, _ = ended(process)
    assert (code, summary["status"], time.monotonic() - before < 5) == (130, "cancelled", True)
    assert (summary["rejected"], bank.cursor()) == (0, bank.at(3 * BATCH))
    hub.fail()
    assert bank.send()["read"] == ROWS - 3 * BATCH
    assert (all_there(bank, hub), extra(hub)) == (True, 0)


def test_what_comes_after_is_not_run(bank: BankHub, hub: Hub) -> None:
    process = started(bank, hub, SLOW, 2, TRANSACTIONS, "bank-users", "--json")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert [json.loads(line)["pipeline"] for line in out.splitlines()] == [TRANSACTIONS]


def test_a_full_run_that_was_stopped_is_continued(bank: BankHub, hub: Hub) -> None:
    process = started(bank, hub, SLOW, 3, TRANSACTIONS, "--param", "full=true", "--json")
    process.send_signal(signal.SIGINT)
    code, summary, _ = ended(process)
    sent = summary["sent"]["target"]
    assert (code, bank.cursor()) == (130, None)
    hub.fail()
    assert bank.send("--param", "full=true")["read"] == ROWS - sent
    assert (all_there(bank, hub), extra(hub)) == (True, 0)
    assert bank.cursor() == bank.at(ROWS)


def test_a_run_longer_than_its_time_limit_is_timed_out(bank: BankHub, hub: Hub) -> None:
    bank.change(TARGET, ("time_limit: 30m", "time_limit: 1s"))
    hub.fail(Fault("hang", skip=3))
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("timed_out", "time-limit")
    assert "time_limit" in summary["error"]["message"]
    assert 1 <= summary["seconds"] < 5
    assert summary["cursor"] == bank.cursor() == bank.at(3 * BATCH)
    assert bank.letters() == 0
    assert [row["status"] for row in bank.look("runs")] == ["timed_out"]
    hub.fail()
    bank.change(TARGET, ("time_limit: 1s", "time_limit: 30m"))
    assert bank.send()["read"] == ROWS - 3 * BATCH
    assert (all_there(bank, hub), extra(hub)) == (True, 0)


# two processes


def test_a_second_run_waits_and_then_names_the_first(bank: BankHub, hub: Hub) -> None:
    """Commands that only look work meanwhile, those that change something wait as well."""
    first = started(bank, hub, Fault("hang", skip=3), 4)
    second = bank.start("run", "bank-users", "--json")
    third = bank.start("cursor", "reset", TRANSACTIONS)
    assert bank.cursor() == bank.at(3 * BATCH)
    assert bank.letters() == 0
    [run] = bank.look("runs")
    assert (run["status"], run["pipeline"]) == ("running", TRANSACTIONS)
    assert "started" in bank.engine("runs", "logs", run["id"])
    for looking in (["list"], ["validate"], ["runs", "show", run["id"]], ["dead-letters", "list"]):
        bank.engine(*looking)
    for waiting in (second, third):
        out, err = waiting.communicate(timeout=60)
        assert (waiting.returncode, out) == (3, ""), err
        assert f"engine (pid {first.pid}) is writing to this store" in err
        assert "10 s" in err
    assert first.poll() is None
    hub.fail()  # lets go of the request that hangs; the run tries again
    code, summary, err = ended(first)
    assert (code, summary["status"]) == (0, "success"), err
    assert all_there(bank, hub)
    assert bank.cursor() == bank.at(ROWS)


def test_a_second_run_goes_on_when_the_first_has_ended(bank: BankHub, hub: Hub) -> None:
    first = started(bank, hub, SLOW, 3)
    second = bank.start("run", TRANSACTIONS, "--json")
    assert ended(first)[1]["sent"] == {"target": ROWS}
    code, summary, err = ended(second)
    assert (code, summary["status"], summary["read"]) == (0, "success", 0), err
    assert extra(hub) == 0


def test_a_run_whose_process_was_killed_is_interrupted(bank: BankHub, hub: Hub) -> None:
    """The next process finds it so, and goes on after the last settled batch."""
    process = started(bank, hub, Fault("hang", skip=3), 4)
    process.kill()
    process.communicate()
    hub.fail()
    rest = bank.send()
    assert rest["status"] == "success"
    # three writes were taken; the kill may come before the commit of the last two of them
    assert ROWS - 3 * BATCH <= rest["read"] <= ROWS - BATCH
    assert all_there(bank, hub)
    assert extra(hub) <= 2 * BATCH
    assert [row["status"] for row in bank.look("runs")] == ["success", "interrupted"]
