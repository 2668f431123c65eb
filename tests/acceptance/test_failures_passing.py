"""Trouble that passes: the run tries again, ends well, and the hub has every transaction once in effect."""

from __future__ import annotations

import json
from typing import IO, Any, NamedTuple

import pytest

from tests.acceptance.bank_hub import TRANSACTIONS, BankHub
from tests.acceptance.conftest import BATCH
from tests.acceptance.hub_view import all_there, extra, nothing_left, writes
from tests.peers.hub_client import Hub
from tests.peers.hub_faults import Fault

ROWS = 300
BATCHES = ROWS // BATCH
TARGET = "pipelines/bank-hub/transactions.yaml"
SHORT = ("resilience:\n  timeout: 30s", "resilience:\n  timeout: 300ms")


class Passing(NamedTuple):
    """One fault at the fourth batch."""

    fault: Fault
    again: int = BATCH
    """Records that are sent again."""
    repeats: int = 0
    """Records the hub gets twice, because the first answer was lost or doubtful."""
    says: str | None = None
    """What the run's log says of the first try."""


def fault(kind: Any, **options: Any) -> Fault:
    return Fault(kind, skip=3, **options)


PASSING = {
    "errors": Passing(fault("errors", message="deadlock"), says="deadlock"),
    "errors-but-applied": Passing(fault("errors", applied=True), repeats=BATCH),
    "errors-with-a-code": Passing(fault("errors", code="INTERNAL_SERVER_ERROR"), says="INTERNAL_SERVER_ERROR"),
    "500": Passing(fault("status", status=500), says="500"),
    "500-but-applied": Passing(fault("status", status=500, applied=True), repeats=BATCH),
    "502": Passing(fault("status", status=502), says="502"),
    "503": Passing(fault("status", status=503), says="503"),
    "429": Passing(fault("status", status=429), says="429"),
    "hang": Passing(fault("hang"), says="no answer within 0.3 s"),
    "hang-but-applied": Passing(fault("hang", applied=True), repeats=BATCH),
    "cut-before-the-answer": Passing(fault("cut", at="start"), says="closed before the answer"),
    "cut-before-the-answer-but-applied": Passing(fault("cut", at="start", applied=True), repeats=BATCH),
    "cut-in-the-answer": Passing(fault("cut", at="middle"), says="in the middle of the answer"),
    "cut-in-the-answer-but-applied": Passing(fault("cut", at="middle", applied=True), repeats=BATCH),
    "no-data": Passing(fault("no_data"), says="neither data nor errors"),
    "no-data-but-applied": Passing(fault("no_data", applied=True), repeats=BATCH),
    "results-left-out": Passing(fault("omit", items=7), again=7, repeats=7, says="no results for"),
    "all-results-left-out": Passing(fault("omit", items=BATCH), repeats=BATCH, says="no results for"),
    "results-twice": Passing(fault("duplicate", items=3), again=3, repeats=3, says="2 results for"),
}


@pytest.mark.parametrize("case", PASSING.values(), ids=PASSING.keys())
def test_a_passing_fault_is_tried_again_and_nothing_is_lost(bank: BankHub, hub: Hub, case: Passing) -> None:
    bank.change(TARGET, SHORT)
    hub.fail(case.fault)
    summary = bank.send()
    assert (summary["status"], summary["error"]) == ("success", None)
    assert (summary["read"], summary["sent"], summary["rejected"]) == (ROWS, {"target": ROWS}, 0)
    assert [request["items"] for request in writes(hub)] == [BATCH] * 4 + [case.again] + [BATCH] * (BATCHES - 4)
    assert all_there(bank, hub)
    assert extra(hub) == case.repeats
    assert summary["cursor"] == bank.cursor() == bank.at(ROWS)
    assert bank.letters() == 0
    [retry] = [line["message"] for line in bank.log(summary["run"]) if line["code"] == "retry"]
    assert case.says is None or case.says in retry
    assert nothing_left(bank, hub)


def test_results_of_strangers_are_logged_and_nothing_is_sent_again(bank: BankHub, hub: Hub) -> None:
    hub.fail(fault("unknown", items=2))
    ended = bank.ended("run", TRANSACTIONS, "--json")
    [summary] = ended.lines
    assert (ended.code, summary["status"], summary["sent"]) == (0, "success", {"target": ROWS})
    assert len(writes(hub)) == BATCHES
    assert extra(hub) == 0
    [warning] = [line for line in bank.log(summary["run"]) if line["code"] == "unknown-item"]
    assert (warning["level"], "stranger-0, stranger-1" in warning["message"]) == ("warning", True)
    assert "stranger-0" in ended.err


def test_what_stays_uncertain_becomes_a_dead_letter_and_not_a_stop(bank: BankHub, hub: Hub) -> None:
    """The hub answers for the others of the batch: after all tries a few records must not stop the pipeline."""
    hub.fail(fault("omit", times=3, items=2))
    summary = bank.send()
    assert (summary["status"], summary["sent"], summary["rejected"]) == ("partial", {"target": ROWS - 2}, 2)
    assert [request["items"] for request in writes(hub)[3:7]] == [BATCH, 2, 2, BATCH]
    letters = bank.dead()
    assert [(letter["code"], letter["attempts"]) for letter in letters] == [("uncertain", 3)] * 2
    assert {int(letter["key"]) for letter in letters} == set(bank.order()[4 * BATCH - 2 : 4 * BATCH])
    assert summary["cursor"] == bank.at(ROWS)
    [again] = bank.ended("dead-letters", "replay", "--code", "uncertain", "--json").lines
    assert (again["status"], again["sent"]) == ("success", {"target": 2})
    assert bank.letters() == 0
    assert all_there(bank, hub)


def test_a_target_that_answers_for_none_fails_the_run(bank: BankHub, hub: Hub) -> None:
    hub.fail(fault("omit", times=3, items=BATCH))
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"], summary["rejected"]) == ("failed", "uncertain", 0)
    assert summary["cursor"] == bank.cursor() == bank.at(3 * BATCH)
    assert bank.letters() == 0
    assert bank.send()["read"] == ROWS - 3 * BATCH
    assert all_there(bank, hub)


def test_a_wait_the_hub_asks_for_is_kept(bank: BankHub, hub: Hub) -> None:
    hub.fail(fault("status", status=429, retry_after=1))
    summary = bank.send()
    assert (summary["status"], summary["sent"]) == ("success", {"target": ROWS})
    [retry] = [line["message"] for line in bank.log(summary["run"]) if line["code"] == "retry"]
    assert "429" in retry
    assert retry.endswith("again in 1 s")
    assert summary["seconds"] >= 1


def test_nobody_waits_an_hour_in_a_triggered_run(bank: BankHub, hub: Hub) -> None:
    hub.fail(fault("status", status=429, retry_after=3600))
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("failed", "transient")
    assert summary["cursor"] == bank.at(3 * BATCH)
    assert len(writes(hub)) == 4
    assert bank.send()["read"] == ROWS - 3 * BATCH
    assert all_there(bank, hub)


def read_until(lines: IO[str], words: str) -> str:
    for line in lines:
        if words in line:
            return line
    raise AssertionError(f"never said: {words}")


def test_a_hub_that_is_down_for_a_while_is_waited_for(bank: BankHub, hub: Hub) -> None:
    bank.change(TARGET, ("    max: 60s", "    max: 1s\n    jitter: none"))
    bank.settings |= {"MAX_RETRIES": "4", "RETRY_DELAY": "1"}
    hub.fail(fault("hang"))
    process = bank.start("-v", "run", TRANSACTIONS, "--json")
    while not any(request["fault"] == "hang" for request in writes(hub)):
        assert process.poll() is None
    hub.down()
    assert process.stderr is not None
    assert "answer was lost" in read_until(process.stderr, "try 1 failed")
    assert "connection refused" in read_until(process.stderr, "try 2 failed")
    hub.up()
    out, err = process.communicate(timeout=60)
    [summary] = [json.loads(line) for line in out.splitlines()]
    assert (process.returncode, summary["status"], summary["sent"]) == (0, "success", {"target": ROWS}), err
    assert all_there(bank, hub)
    assert (extra(hub), bank.letters(), bank.cursor()) == (0, 0, bank.at(ROWS))
    assert nothing_left(bank, hub)
