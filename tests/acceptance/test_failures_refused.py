"""Records that are refused, by the hub or by the mapping: kept one by one, and never the whole pipeline's mistake."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.bank_hub import TRANSACTIONS, BankHub
from tests.acceptance.conftest import BATCH, MakeBank
from tests.acceptance.hub_view import all_there, arrived, extra, nothing_left, writes
from tests.peers.hub_client import Hub
from tests.peers.hub_store import Refusal

ROWS = 300
BATCHES = ROWS // BATCH
TARGET = "pipelines/bank-hub/transactions.yaml"
REFUSED = "refused by the rules of the hub"


def refuse(hub: Hub, ids: list[int]) -> None:
    hub.refuse(external_ids=[str(id) for id in ids])


def test_one_percent_refused_is_partial_and_kept(bank: BankHub, hub: Hub) -> None:
    hub.refuse(percent=1, message="limit exceeded")
    rule = Refusal(percent=1)
    refused = {id for id in bank.order() if rule.takes(str(id))}
    assert refused
    summary = bank.send()
    assert (summary["status"], summary["error"]) == ("partial", None)
    assert (summary["read"], summary["sent"]) == (ROWS, {"target": ROWS - len(refused)})
    assert (summary["rejected"], summary["reasons"]) == (
        len(refused),
        [{"code": "refused", "message": "limit exceeded", "count": len(refused)}],
    )
    assert summary["cursor"] == bank.cursor() == bank.at(ROWS)
    letters = bank.dead()
    assert {int(letter["key"]) for letter in letters} == refused
    assert {(letter["code"], letter["message"], letter["attempts"]) for letter in letters} == {
        ("refused", "limit exceeded", 1)
    }
    assert len(writes(hub)) == BATCHES
    assert all_there(bank, hub, but=refused)
    assert nothing_left(bank, hub)


def test_strict_makes_partial_a_failure_of_the_command_only(bank: BankHub, hub: Hub) -> None:
    refuse(hub, [bank.order()[30]])
    summary = bank.send("--strict", code=1)
    assert (summary["status"], summary["rejected"]) == ("partial", 1)
    assert bank.cursor() == bank.at(ROWS)
    assert bank.letters() == 1
    assert bank.send("--strict", code=0)["read"] == 0


def test_sending_everything_again_changes_nothing_at_the_hub(bank: BankHub, hub: Hub) -> None:
    """The key makes a repeat harmless; what is refused again is the same dead letter, seen twice."""
    refuse(hub, bank.order()[50:53])
    bank.send()
    full = bank.send("--param", "full=true")
    assert (full["status"], full["read"], full["rejected"]) == ("partial", ROWS, 3)
    letters = bank.dead()
    assert [letter["times"] for letter in letters] == [2, 2, 2]
    assert all_there(bank, hub, but=bank.order()[50:53])
    assert extra(hub) == ROWS - 3
    assert bank.cursor() == bank.at(ROWS)


def test_a_batch_refused_as_a_whole_is_split_to_find_the_culprits(bank: BankHub, hub: Hub) -> None:
    """The hub answers BAD_USER_INPUT for the batch when one amount is null."""
    order = bank.order()
    culprits = {order[30], order[40], order[180]}
    bank.sql("update transactions set amount = 1 where amount is null")
    for id in culprits:
        bank.sql("update transactions set amount = null where id = ?", id)
    bank.change(TARGET, ("amount: {$value: amount, $type: decimal, $default: 0}", "amount: amount"))
    summary = bank.send()
    assert (summary["status"], summary["sent"], summary["rejected"]) == ("partial", {"target": ROWS - 3}, 3)
    letters = bank.dead()
    assert {int(letter["key"]) for letter in letters} == culprits
    assert all("BAD_USER_INPUT" in letter["message"] for letter in letters)
    assert all_there(bank, hub, but=culprits)
    assert extra(hub) == 0
    assert bank.cursor() == bank.at(ROWS)
    bank.sql("update transactions set amount = 0 where amount is null")
    healed = bank.send("--param", "full=true")
    assert healed["status"] == "success"
    assert all_there(bank, hub)


# every record refused


def test_the_first_hundred_refused_is_a_mistake_in_the_pipeline(bank: BankHub, hub: Hub) -> None:
    hub.refuse(percent=100)
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"], summary["sent"]) == ("failed", "misconfigured", {"target": 0})
    assert REFUSED in summary["error"]["message"]
    assert 100 <= summary["rejected"] < 100 + BATCH
    assert bank.letters() == 0
    assert summary["cursor"] is bank.cursor() is None
    assert len(writes(hub)) == 4
    hub.refuse()
    assert bank.send()["sent"] == {"target": ROWS}
    assert all_there(bank, hub)
    assert nothing_left(bank, hub)


def test_a_hundred_in_a_row_later_is_one_too(bank: BankHub, hub: Hub) -> None:
    """Nothing of the streak settles or is kept, not even where a checkpoint would fit between."""
    refuse(hub, bank.order()[60:])
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("failed", "misconfigured")
    assert "100 records in a row" in summary["error"]["message"]
    assert bank.letters() == 0
    stands = summary["cursor"]
    assert stands == bank.cursor() == bank.at(2 * BATCH)
    hub.refuse()
    healed = bank.send()
    assert (healed["status"], healed["read"]) == ("success", ROWS - 2 * BATCH)
    assert all_there(bank, hub)
    assert extra(hub) == 10
    assert nothing_left(bank, hub)


def test_ninety_nine_in_a_row_are_dead_letters(bank: BankHub, hub: Hub) -> None:
    refused = bank.order()[60:159]
    refuse(hub, refused)
    summary = bank.send()
    assert (summary["status"], summary["rejected"]) == ("partial", 99)
    assert {int(letter["key"]) for letter in bank.dead()} == set(refused)
    assert bank.cursor() == bank.at(ROWS)
    assert all_there(bank, hub, but=refused)


@pytest.mark.parametrize(("count", "mistake"), [(19, False), (20, True), (99, True)])
def test_a_short_run_refused_whole_is_a_mistake_from_twenty_on(
    make_bank: MakeBank, hub: Hub, count: int, mistake: bool
) -> None:
    bank = make_bank(transactions=count)
    hub.refuse(percent=100)
    summary = bank.send(code=int(mistake))
    assert summary["status"] == ("failed" if mistake else "partial")
    assert (summary["read"], summary["rejected"]) == (count, count)
    assert bank.letters() == (0 if mistake else count)
    assert bank.cursor() == (None if mistake else bank.at(count))
    hub.refuse()
    if mistake:
        assert bank.send()["sent"] == {"target": count}
    else:
        bank.engine("dead-letters", "replay", "--all")
    assert all_there(bank, hub)
    assert bank.letters() == 0


def test_a_mapping_that_fits_no_record_is_a_mistake_too(bank: BankHub, hub: Hub) -> None:
    bank.change(
        TARGET,
        (
            "amount: {$value: amount, $type: decimal, $default: 0}",
            "amount: {$value: updated_at, $type: decimal, $default: 0}",
        ),
    )
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"], summary["sent"]) == ("failed", "misconfigured", {})
    assert "type" in summary["error"]["message"]
    assert (bank.letters(), bank.cursor(), writes(hub)) == (0, None, [])
    bank.change(
        TARGET,
        (
            "amount: {$value: updated_at, $type: decimal, $default: 0}",
            "amount: {$value: amount, $type: decimal, $default: 0}",
        ),
    )
    assert bank.send()["sent"] == {"target": ROWS}


# single records the mapping cannot take

STEPS = """\
steps:
  - set: {extra: {$value: category, $type: json}}
  - map:
      external_id: {$value: id, $type: string}
      bank_external_id: {$value: bank_id, $type: string}
      amount: {$value: amount, $type: decimal, $default: 0}
      category: extra.name
      transaction_date: {$value: transaction_date || created_at, $type: datetime}

target:
"""


def long_form(bank: BankHub) -> None:
    """Read the category out of a JSON column, so that a field can be missing in one record."""
    path = bank.folder / TARGET
    text = path.read_text("utf-8")
    start, end = text.index("mapping:\n"), text.index("target:\n")
    path.write_text(text[:start] + STEPS + text[end + len("target:\n") :], "utf-8")
    bank.sql("""update transactions set category = '{"name": "LAZER"}'""")


BAD: dict[str, tuple[str, Any]] = {
    "missing-field": ("category", '{"nome": "LAZER"}'),
    "type-of-json": ("category", "{LAZER}"),
    "type-of-decimal": ("amount", "muito"),
    "type-of-datetime": ("transaction_date", "31/02/2025"),
}


@pytest.mark.parametrize(("code", "value"), BAD.items(), ids=BAD.keys())
def test_a_bad_value_in_the_source_is_one_dead_letter(bank: BankHub, hub: Hub, code: str, value: Any) -> None:
    long_form(bank)
    bad = bank.order()[70]
    good = bank.sql(f"select {value[0]} from transactions where id = ?", bad)[0][0]
    bank.sql(f"update transactions set {value[0]} = ? where id = ?", value[1], bad)
    summary = bank.send()
    assert (summary["status"], summary["sent"], summary["rejected"]) == ("partial", {"target": ROWS - 1}, 1)
    [letter] = bank.dead()
    assert letter["code"] == ("type" if code.startswith("type") else code)
    assert letter["where"].startswith("steps[")
    shown = bank.ended("dead-letters", "show", letter["id"], "--json")
    record = json.loads(shown.out)["record"]
    assert (record["id"], record[value[0]]) == (bad, value[1])
    assert bad not in arrived(hub)
    assert len(arrived(hub)) == ROWS - 1
    assert bank.cursor() == bank.at(ROWS)
    bank.sql(f"update transactions set {value[0]} = ?, updated_at = '2030-01-01 00:00:00' where id = ?", good, bad)
    assert (bank.send()["sent"], len(arrived(hub))) == ({"target": 1}, ROWS)


def test_a_null_key_rejects(bank: BankHub, hub: Hub) -> None:
    """Without its key a record could not be told from another."""
    bank.change(TARGET, ("external_id: {$value: id, $type: string}", "external_id: description"))
    bank.sql("update transactions set description = 'T' || id")
    nameless = bank.order()[10:12]
    bank.sql("update transactions set description = null where id in (?, ?)", *nameless)
    summary = bank.send()
    assert (summary["status"], summary["rejected"]) == ("partial", 2)
    letters = bank.dead()
    assert {(letter["code"], letter["key"]) for letter in letters} == {("missing-key", None)}
    assert len(hub.rows("transactions")) == ROWS - 2
    assert bank.cursor() == bank.at(ROWS)


# on_rejected


def test_on_rejected_drop_keeps_nothing_and_says_so(bank: BankHub, hub: Hub) -> None:
    bank.change(TARGET, ("on_rejected: dead_letter", "on_rejected: drop"))
    refused = bank.order()[30:33]
    refuse(hub, refused)
    summary = bank.send()
    assert (summary["status"], summary["sent"], summary["rejected"]) == ("partial", {"target": ROWS - 3}, 3)
    assert summary["reasons"][0]["count"] == 3
    assert bank.letters() == 0
    assert bank.cursor() == bank.at(ROWS)
    assert all_there(bank, hub, but=refused)
    assert nothing_left(bank, hub)


def test_on_rejected_fail_ends_the_run_at_the_first(bank: BankHub, hub: Hub) -> None:
    bank.change(TARGET, ("on_rejected: dead_letter", "on_rejected: fail"))
    refuse(hub, [bank.order()[80]])
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("failed", "refused")
    assert REFUSED in summary["error"]["message"]
    assert bank.letters() == 0
    assert summary["cursor"] == bank.cursor() == bank.at(3 * BATCH)
    assert len(writes(hub)) == 4
    hub.refuse()
    assert bank.send()["read"] == ROWS - 3 * BATCH
    assert all_there(bank, hub)


def test_on_rejected_fail_counts_for_the_mapping_too(bank: BankHub, hub: Hub) -> None:
    bank.change(TARGET, ("on_rejected: dead_letter", "on_rejected: fail"))
    bank.sql("update transactions set amount = 'muito' where id = ?", bank.order()[80])
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("failed", "type")
    assert "amount" in summary["error"]["where"]
    assert bank.letters() == 0
    stands = bank.cursor()
    assert stands in [bank.at(count * BATCH) for count in range(4)]
    bank.sql("update transactions set amount = 0 where amount = 'muito'")
    assert bank.send()["status"] == "success"
    assert all_there(bank, hub)
    assert TRANSACTIONS in bank.engine("runs", "--status", "failed")
