"""What is uncertain is sent again only where that is harmless, or where the pipeline writes that it wants it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.bank_hub import BankHub
from tests.acceptance.conftest import BATCH
from tests.acceptance.hub_view import all_there, extra, writes
from tests.peers.hub_client import Hub
from tests.peers.hub_faults import Fault

ROWS = 300
SETTLED = 3 * BATCH
TARGET = "pipelines/bank-hub/transactions.yaml"
RETRY = """\
  timeout: 30s
  retry:
    attempts: ${MAX_RETRIES:-3}
    initial: ${RETRY_DELAY:-5}s
    max: 60s
"""
REMEDY = "give the target a `key`, or write `retry`"


def without_key(bank: BankHub, *more: tuple[str, str]) -> None:
    """The results are compared by position, which needs no key."""
    bank.change(TARGET, ("  key: external_id\n", ""), (" match: external_id,", ""), *more)


UNCERTAIN: dict[str, tuple[Fault, int]] = {
    "hang": (Fault("hang", skip=3), 0),
    "hang-but-applied": (Fault("hang", skip=3, applied=True), BATCH),
    "cut": (Fault("cut", skip=3), 0),
    "cut-but-applied": (Fault("cut", skip=3, applied=True), BATCH),
    "errors-but-applied": (Fault("errors", skip=3, applied=True), BATCH),
    "no-data-but-applied": (Fault("no_data", skip=3, applied=True), BATCH),
    "results-left-out": (Fault("omit", skip=3), BATCH),
}


@pytest.mark.parametrize(("fault", "repeats"), UNCERTAIN.values(), ids=UNCERTAIN.keys())
def test_without_a_key_the_run_fails_and_says_what_to_do(bank: BankHub, hub: Hub, fault: Fault, repeats: int) -> None:
    without_key(bank, (RETRY, "  timeout: 300ms\n"))
    hub.fail(fault)
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("failed", "uncertain")
    assert REMEDY in summary["error"]["message"]
    assert len(writes(hub)) == 4
    assert extra(hub) == 0
    assert summary["cursor"] == bank.cursor() == bank.at(SETTLED)
    assert bank.letters() == 0
    # people decided to go on: the hub knows records by their id, so a repeat does no harm here
    assert bank.send()["read"] == ROWS - SETTLED
    assert all_there(bank, hub)
    assert extra(hub) == repeats


@pytest.mark.parametrize(("fault", "repeats"), UNCERTAIN.values(), ids=UNCERTAIN.keys())
def test_with_retry_written_it_is_sent_again(bank: BankHub, hub: Hub, fault: Fault, repeats: int) -> None:
    without_key(bank, ("  timeout: 30s\n", "  timeout: 300ms\n"))
    hub.fail(fault)
    summary = bank.send()
    assert (summary["status"], summary["sent"]) == ("success", {"target": ROWS})
    assert len(writes(hub)) == ROWS // BATCH + 1
    assert all_there(bank, hub)
    assert extra(hub) == repeats
    assert bank.cursor() == bank.at(ROWS)


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"status": 429}])
def test_what_was_certainly_not_taken_is_sent_again_without_a_key(
    bank: BankHub, hub: Hub, fault: dict[str, Any]
) -> None:
    """Transient answers say that nothing was done; the default retry holds, and its first wait is short."""
    without_key(bank, (RETRY, "  timeout: 30s\n"))
    hub.fail(Fault("status", skip=3, **fault))
    summary = bank.send()
    assert (summary["status"], summary["sent"]) == ("success", {"target": ROWS})
    assert extra(hub) == 0
    assert all_there(bank, hub)


def test_letters_without_a_key_are_each_kept(bank: BankHub, hub: Hub) -> None:
    """Two equal events may be two events: without a key nothing may be folded into one."""
    without_key(bank)
    hub.refuse(external_ids=[str(id) for id in bank.order()[:2]])
    bank.send("--param", "full=true")
    bank.send("--param", "full=true")
    letters = bank.dead()
    assert [(letter["key"], letter["times"]) for letter in letters] == [(None, 1)] * 4
