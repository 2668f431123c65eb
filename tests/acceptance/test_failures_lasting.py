"""Trouble that lasts: the run fails where it stood, keeps what arrived, and the next run sends exactly the rest."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.acceptance.bank_hub import TRANSACTIONS, BankHub
from tests.acceptance.conftest import BATCH
from tests.acceptance.hub_view import all_there, arrived, extra, nothing_left, writes
from tests.peers.hub_client import Hub
from tests.peers.hub_faults import Fault

ROWS = 300
SETTLED = 3 * BATCH
TARGET = "pipelines/bank-hub/transactions.yaml"
SHORT = ("resilience:\n  timeout: 30s", "resilience:\n  timeout: 300ms")


class Lasting(NamedTuple):
    """A fault from the fourth batch on."""

    fault: Fault
    code: str
    tries: int = 3
    repeats: int = 0
    """Records the hub had already when they were sent again."""
    says: str = ""


def fault(kind: Any, **options: Any) -> Fault:
    return Fault(kind, skip=3, times=None, **options)


LASTING = {
    "errors": Lasting(fault("errors", message="no way"), "uncertain", says="no way"),
    "errors-but-applied": Lasting(fault("errors", applied=True), "uncertain", repeats=3 * BATCH),
    "unauthenticated": Lasting(fault("errors", code="UNAUTHENTICATED"), "misconfigured", 1, says="UNAUTHENTICATED"),
    "forbidden": Lasting(fault("errors", code="FORBIDDEN"), "misconfigured", 1, says="FORBIDDEN"),
    "401": Lasting(fault("status", status=401), "misconfigured", 1, says="`auth` of the connection"),
    "403": Lasting(fault("status", status=403), "misconfigured", 1, says="not allowed"),
    "404": Lasting(fault("status", status=404), "misconfigured", 1, says="base_url"),
    "500": Lasting(fault("status", status=500), "transient", says="500"),
    "500-but-applied": Lasting(fault("status", status=500, applied=True), "transient", repeats=3 * BATCH),
    "503": Lasting(fault("status", status=503), "transient", says="503"),
    "429": Lasting(fault("status", status=429), "transient", says="429"),
    "hang": Lasting(fault("hang"), "uncertain", says="no answer within 0.3 s"),
    "hang-but-applied": Lasting(fault("hang", applied=True), "uncertain", repeats=3 * BATCH),
    "cut-before-the-answer": Lasting(fault("cut", at="start"), "uncertain", says="closed before the answer"),
    "cut-in-the-answer": Lasting(fault("cut", at="middle"), "uncertain", says="in the middle"),
    "cut-but-applied": Lasting(fault("cut", at="middle", applied=True), "uncertain", repeats=3 * BATCH),
    "no-data": Lasting(fault("no_data"), "uncertain", says="neither data nor errors"),
    "not-json": Lasting(fault("not_json"), "misconfigured", 1, says="not with GraphQL"),
    "not-json-but-applied": Lasting(fault("not_json", applied=True), "misconfigured", 1, repeats=BATCH),
}


@pytest.mark.parametrize("case", LASTING.values(), ids=LASTING.keys())
def test_a_lasting_fault_fails_the_run_and_the_next_one_sends_the_rest(bank: BankHub, hub: Hub, case: Lasting) -> None:
    bank.change(TARGET, SHORT)
    hub.fail(case.fault)
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("failed", case.code)
    assert case.says in summary["error"]["message"]
    assert (summary["sent"], summary["rejected"]) == ({"target": SETTLED}, 0)
    assert len(writes(hub)) == 3 + case.tries
    assert summary["cursor"] == bank.cursor() == bank.at(SETTLED)
    assert bank.letters() == 0
    assert set(bank.order()[:SETTLED]) <= arrived(hub)
    hub.fail()
    healed = bank.send()
    assert (healed["status"], healed["read"], healed["sent"]) == ("success", ROWS - SETTLED, {"target": ROWS - SETTLED})
    assert all_there(bank, hub)
    assert extra(hub) == case.repeats
    assert bank.cursor() == bank.at(ROWS)
    assert nothing_left(bank, hub)


def test_a_hub_that_stays_down_fails_the_run(bank: BankHub, hub: Hub) -> None:
    hub.fail(Fault("hang", skip=3))
    process = bank.start("run", TRANSACTIONS)
    while not any(request["fault"] == "hang" for request in writes(hub)):
        assert process.poll() is None
    hub.down()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "connection refused" in err
    assert "is it up?  engine check automation-hub" in err
    assert bank.cursor() == bank.at(SETTLED)
    still = bank.send(code=1)
    assert (still["status"], still["error"]["code"], still["sent"]) == ("failed", "disconnected", {})
    assert still["cursor"] == bank.at(SETTLED)
    hub.up()
    healed = bank.send()
    assert (healed["status"], healed["read"], bank.letters()) == ("success", ROWS - SETTLED, 0)
    assert all_there(bank, hub)
    assert extra(hub) == 0
    assert nothing_left(bank, hub)


def test_the_key_the_hub_wants(bank: BankHub, hub: Hub) -> None:
    """Wrong credentials fail at once and move nothing; the right ones heal it."""
    hub.require_key("the-right-key")
    bank.settings["AUTOMATION_HUB_API_KEY"] = "another-key"
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"], summary["sent"]) == ("failed", "misconfigured", {})
    assert bank.cursor() is None
    assert len([request for request in hub.requests() if request["status"] == 401]) == 1
    bank.settings["AUTOMATION_HUB_API_KEY"] = "the-right-key"
    assert bank.send()["sent"] == {"target": ROWS}
    assert all_there(bank, hub)


def test_a_breaker_opens_in_the_run_and_the_run_fails_at_once(bank: BankHub, hub: Hub) -> None:
    """Five failures open it, so the sixth of the twenty tries never reaches the hub."""
    bank.settings["MAX_RETRIES"] = "20"
    hub.fail(Fault("status", status=503, skip=3, times=None))
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("failed", "circuit-open")
    assert "automation-hub" in summary["error"]["message"]
    assert len(writes(hub)) == 3 + 5
    assert summary["cursor"] == bank.cursor() == bank.at(SETTLED)
    log = bank.log(summary["run"])
    assert len([line for line in log if line["code"] == "retry"]) == 5
    [opened] = [line for line in log if line["code"] == "circuit"]
    assert (opened["level"], opened["message"]) == ("warning", "automation-hub: circuit breaker open")
    assert bank.letters() == 0
    hub.fail()
    assert bank.send()["read"] == ROWS - SETTLED
    assert all_there(bank, hub)
    assert extra(hub) == 0


def test_without_a_breaker_all_tries_are_made(bank: BankHub, hub: Hub) -> None:
    """The control of the test above."""
    bank.change(
        "connections/bank-hub.yaml",
        ("      circuit_breaker: {failures: 5, window: 120s, reset_after: 60s, half_open_calls: 1}", "      {}"),
    )
    bank.settings["MAX_RETRIES"] = "20"
    hub.fail(Fault("status", status=503, skip=3, times=None))
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("failed", "transient")
    assert len(writes(hub)) == 3 + 20


def test_a_failed_pipeline_skips_those_that_come_after_it(bank: BankHub, hub: Hub) -> None:
    hub.fail(Fault("status", operation="importBank", status=500, times=None))
    ended = bank.ended("run", "bank-users", "bank-banks", TRANSACTIONS, "--json")
    assert ended.code == 1
    assert [(one["pipeline"], one["status"]) for one in ended.lines] == [
        ("bank-users", "success"),
        ("bank-banks", "failed"),
    ]
    assert f"{TRANSACTIONS}  skipped: after bank-banks, failed" in ended.err
    assert writes(hub) == []
