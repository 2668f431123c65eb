"""Dead letters through the command line: seen, corrected, sent again, given up; nothing is ever lost on the way."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.bank_hub import TRANSACTIONS, BankHub
from tests.acceptance.hub_view import all_there, arrived, extra, writes
from tests.acceptance.web_peer import Call, Reply, WebPeer
from tests.peers.hub_client import Hub
from tests.peers.hub_faults import Fault

ROWS = 300
TARGET = "pipelines/bank-hub/transactions.yaml"


@pytest.fixture
def refused(bank: BankHub, hub: Hub) -> list[int]:
    """Six transactions the hub refused, and three whose amount was no number; the hub is well again."""
    order = bank.order()
    six, three = order[40:46], order[200:203]
    for id in three:
        bank.sql("update transactions set amount = 'muito' where id = ?", id)
    hub.refuse(external_ids=[str(id) for id in six], message="unknown category")
    summary = bank.send()
    assert (summary["status"], summary["rejected"]) == ("partial", 9)
    hub.refuse()
    return six


def replay(bank: BankHub, *arguments: str, code: int = 0) -> dict[str, Any]:
    ended = bank.ended("dead-letters", "replay", *arguments, "--json")
    assert ended.code == code, ended
    [summary] = ended.lines
    found: dict[str, Any] = summary
    return found


# seen


def test_they_are_listed_by_cause(bank: BankHub, refused: list[int]) -> None:
    causes = bank.look("dead-letters", "list")
    first, second = causes
    assert (first["code"], first["message"], first["letters"]) == ("refused", "unknown category", 6)
    assert (second["code"], second["letters"]) == ("type", 3)
    assert int(first["example_key"]) in refused
    plain = bank.engine("dead-letters", "list")
    assert "unknown category" in plain
    assert "cause" in plain.splitlines()[0]


def test_they_are_listed_one_by_one_and_chosen(bank: BankHub, refused: list[int]) -> None:
    run = json.loads(bank.engine("runs", "--json").splitlines()[0])["id"]
    assert len(bank.dead()) == len(bank.dead("--run", run)) == len(bank.dead("--since", "1h")) == 9
    assert {int(letter["key"]) for letter in bank.dead("--reason", "refused: unknown")} == set(refused)
    assert len(bank.dead("--code", "type")) == 3
    assert bank.dead("--pipeline", "bank-users") == bank.dead("--since", "2100-01-01") == []
    assert len(bank.engine("dead-letters", "list", "--each", "--limit", "4").splitlines()) == 5
    assert "no dead letters" in bank.ended("dead-letters", "list", "--code", "other").err


def test_one_is_shown_with_its_reason_record_and_what_was_sent(bank: BankHub, refused: list[int]) -> None:
    letter = next(letter for letter in bank.dead("--code", "refused") if int(letter["key"]) == refused[0])
    shown = json.loads(bank.engine("dead-letters", "show", letter["id"], "--json"))
    assert shown["record"]["id"] == refused[0]
    assert shown["mapped"]["external_id"] == str(refused[0])
    assert (shown["target"], shown["attempts"], shown["status"]) == ("target", 1, "open")
    plain = bank.engine("dead-letters", "show", letter["id"])
    for words in ("unknown category", "as it would have been sent", f"external_id {refused[0]}", "automation-hub"):
        assert words in plain


def test_an_id_nobody_has_is_said(bank: BankHub, refused: list[int]) -> None:
    ended = bank.ended("dead-letters", "show", "01ZZZZ")
    assert (ended.code, ended.out) == (2, "")
    assert "no dead letter 01ZZZZ" in ended.err


# corrected


def first_of_type(bank: BankHub) -> dict[str, Any]:
    found: dict[str, Any] = bank.dead("--code", "type")[0]
    return found


def record_of(bank: BankHub, letter: str) -> Any:
    return json.loads(bank.engine("dead-letters", "show", letter, "--json"))["record"]


def test_a_record_is_corrected_from_a_file_and_sent(bank: BankHub, hub: Hub, refused: list[int]) -> None:
    letter = first_of_type(bank)
    record = record_of(bank, letter["id"])
    assert record["amount"] == "muito"
    bank.write("right.json", json.dumps(record | {"amount": 12.34}))
    said = bank.engine("dead-letters", "edit", letter["id"], "--from", str(bank.folder / "right.json"))
    assert f"engine dead-letters replay {letter['id']}" in said
    assert record_of(bank, letter["id"])["amount"] == 12.34
    summary = replay(bank, letter["id"])
    assert (summary["status"], summary["read"], summary["sent"]) == ("success", 1, {"target": 1})
    [row] = hub.rows("transactions", str(record["id"]))
    assert row["amount"] == 12.34
    assert bank.letters() == 8


def test_a_record_is_corrected_in_an_editor_and_sent_at_once(bank: BankHub, hub: Hub, refused: list[int]) -> None:
    editor = bank.folder / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i s/muito/56.78/ "$1"\nsed -i \'s/"56.78"/56.78/\' "$1"\n', "utf-8")
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    bank.settings["EDITOR"] = str(editor)
    letter = first_of_type(bank)
    bank.engine("dead-letters", "edit", letter["id"], "--send")
    assert 56.78 in {row["amount"] for row in hub.rows("transactions")}
    assert bank.letters() == 8


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "not JSON: line 1"), ('{"amount": NaN}', "NaN is not a number"), ('{"amount": "***"}', "covers nothing")],
)
def test_what_cannot_be_sent_is_not_taken(bank: BankHub, refused: list[int], text: str, says: str) -> None:
    letter = first_of_type(bank)
    bank.write("wrong.json", text)
    ended = bank.ended("dead-letters", "edit", letter["id"], "--from", str(bank.folder / "wrong.json"))
    assert (ended.code, says in ended.err) == (2, True)
    assert record_of(bank, letter["id"])["amount"] == "muito"


@pytest.mark.parametrize(("editor", "code"), [("true", 0), ("false", 2), ("/no/such/editor", 2), ("", 2)])
def test_an_editor_that_changes_nothing_changes_nothing(
    bank: BankHub, refused: list[int], editor: str, code: int
) -> None:
    bank.settings |= {"EDITOR": editor, "VISUAL": ""}
    letter = first_of_type(bank)
    assert bank.ended("dead-letters", "edit", letter["id"]).code == code
    assert record_of(bank, letter["id"])["amount"] == "muito"
    assert bank.letters() == 9


# sent again


def test_a_replay_by_reason_sends_those_alone(bank: BankHub, hub: Hub, refused: list[int]) -> None:
    sent = len(writes(hub))
    summary = replay(bank, "--reason", "refused: unknown")
    assert (summary["status"], summary["read"], summary["sent"]) == ("success", 6, {"target": 6})
    assert [request["items"] for request in writes(hub)[sent:]] == [6]
    assert set(refused) <= arrived(hub)
    assert {letter["code"] for letter in bank.dead()} == {"type"}
    assert bank.cursor() == bank.at(ROWS)
    assert extra(hub) == 0


def test_a_replay_takes_no_more_than_its_limit(bank: BankHub, hub: Hub, refused: list[int]) -> None:
    for left in (4, 2, 0):
        assert replay(bank, "--code", "refused", "--limit", "2")["read"] == 2
        assert len(bank.dead("--code", "refused")) == left
    assert set(refused) <= arrived(hub)


def test_a_replay_of_a_replay_is_nothing(bank: BankHub, hub: Hub, refused: list[int]) -> None:
    letters = [letter["id"] for letter in bank.dead("--code", "refused")]
    replay(bank, *letters)
    sent = len(writes(hub))
    again = bank.ended("dead-letters", "replay", "--code", "refused")
    assert (again.code, again.err) == (0, "no open dead letters to send again\n")
    closed = bank.ended("dead-letters", "replay", letters[0])
    assert (closed.code, "was replayed already" in closed.err) == (2, True)
    assert len(writes(hub)) == sent
    everything = bank.engine("dead-letters", "list", "--all", "--json").splitlines()
    assert sum(json.loads(line)["status"] == "replayed" for line in everything) == 6


def test_what_is_refused_again_is_a_dead_letter_again(bank: BankHub, hub: Hub, refused: list[int]) -> None:
    hub.refuse(external_ids=[str(id) for id in refused[:2]], message="still unknown")
    summary = replay(bank, "--code", "refused")
    assert (summary["status"], summary["sent"], summary["rejected"]) == ("partial", {"target": 4}, 2)
    letters = bank.dead("--code", "refused")
    assert {(int(letter["key"]), letter["message"]) for letter in letters} == {
        (id, "still unknown") for id in refused[:2]
    }
    hub.refuse()
    assert replay(bank, "--code", "refused")["sent"] == {"target": 2}
    assert set(refused) <= arrived(hub)


def test_a_replay_is_lenient(bank: BankHub, hub: Hub, refused: list[int]) -> None:
    """Everything in it was refused before: that all of it is again says nothing new, and all of it is kept."""
    hub.refuse(percent=100)
    bank.send("--param", "full=true", code=1)
    assert bank.letters() == 9
    assert replay(bank, "--code", "refused")["rejected"] == 6
    assert bank.letters() == 9


@pytest.mark.parametrize("fault", [Fault("status", status=503, times=None), Fault("hang", times=None), None])
def test_a_target_that_is_down_during_a_replay_loses_nothing(
    bank: BankHub, hub: Hub, refused: list[int], fault: Fault | None
) -> None:
    bank.change(TARGET, ("  timeout: 30s", "  timeout: 300ms"))
    if fault is None:
        hub.down()
    else:
        hub.fail(fault)
    failed = replay(bank, "--code", "refused", code=1)
    assert (failed["status"], failed["sent"]) == ("failed", {})
    hub.up()
    hub.fail()
    # the six wait in the replay lane: whatever is replayed next brings them along
    ended = bank.ended("dead-letters", "replay", "--all", "--json")
    assert sum(one["sent"].get("target", 0) for one in ended.lines) == 6, ended
    assert set(refused) <= arrived(hub)
    assert len(bank.dead()) == 3


def test_after_a_failed_replay_the_records_are_seen_and_sent_without_others(
    bank: BankHub, hub: Hub, refused: list[int]
) -> None:
    """Nothing else is open: the ones that wait must still be found and sent."""
    replay_all = ("dead-letters", "replay", "--all", "--json")
    bank.engine("dead-letters", "drop", "--code", "type", "--yes")
    hub.down()
    assert bank.ended(*replay_all).code == 1
    hub.up()
    said = bank.ended("dead-letters", "list").err
    assert f"{TRANSACTIONS}: 6 records of a replay that failed wait to be sent" in said
    assert f"engine dead-letters replay --pipeline {TRANSACTIONS}" in said
    ended = bank.ended(*replay_all)
    assert ended.code == 0
    assert [one["sent"] for one in ended.lines] == [{"target": 6}], ended
    assert set(refused) <= arrived(hub)


# given up


def test_dropped_ones_stay_in_the_history_and_are_not_sent(bank: BankHub, hub: Hub, refused: list[int]) -> None:
    assert bank.ended("dead-letters", "drop", "--code", "type").code == 2
    assert bank.letters() == 9
    assert bank.engine("dead-letters", "drop", "--code", "type", "--yes") == "dropped 3 dead letters\n"
    assert bank.letters() == 6
    replay(bank, "--all")
    assert len(arrived(hub)) == ROWS - 3
    everything = bank.look("dead-letters", "list", "--all")
    assert sorted(letter["status"] for letter in everything) == ["dropped"] * 3 + ["replayed"] * 6


def test_which_ones_must_be_said(bank: BankHub, refused: list[int]) -> None:
    for command in ("replay", "drop"):
        ended = bank.ended("dead-letters", command)
        assert (ended.code, "say which" in ended.err) == (2, True)
    assert bank.letters() == 9


# two targets

TWO = """\
targets:
  - id: hub
    graphql:
      connection: automation-hub
      mutation: |
        mutation ImportTransactions($transactions: [ImportTransactionInput!]!) {
          importTransactions(transactions: $transactions) { results { success message external_id } }
        }
      variables: {transactions: "{{ records }}"}
      results: {at: data.importTransactions.results, failed: "!success", match: external_id, reason: message}
    batch: {size: 25}
    key: external_id
  - id: ledger
    http: {connection: ledger, path: /entries}
    mapping: {id: external_id, amount: amount}
    key: id

resilience:
"""


@pytest.fixture
def two(bank: BankHub, web_peer: WebPeer) -> WebPeer:
    """Two targets for each transaction: the hub, and a ledger that takes them one by one."""
    bank.sql("delete from transactions where id > 60")
    path: Path = bank.folder / TARGET
    text = path.read_text("utf-8")
    path.write_text(text[: text.index("target:\n")] + TWO + text[text.index("resilience:\n") + 12 :], "utf-8")
    bank.write("connections/ledger.yaml", f"connections: {{ledger: {{http: {{base_url: {web_peer.url}}}}}}}\n")
    return web_peer


def ids(calls: list[Call]) -> list[int]:
    return [int(call.body["id"]) for call in calls]


def test_a_replay_enters_again_at_the_target_that_refused(bank: BankHub, hub: Hub, two: WebPeer) -> None:
    bad = set(bank.order()[5:8])
    two.decide = lambda call: Reply(422 if int(call.body["id"]) in bad else 200)
    summary = bank.send()
    assert (summary["status"], summary["sent"], summary["rejected"]) == ("partial", {"hub": 60, "ledger": 57}, 3)
    letters = bank.dead()
    assert {(int(letter["key"]), letter["target"]) for letter in letters} == {(id, "ledger") for id in bad}
    assert len(arrived(hub)) == 60
    at_hub, at_ledger = len(writes(hub)), len(two.calls)
    two.decide = lambda call: Reply(200)
    again = replay(bank, "--all")
    assert (again["status"], again["sent"]) == ("success", {"ledger": 3})
    assert len(writes(hub)) == at_hub
    assert set(ids(two.calls[at_ledger:])) == bad
    assert extra(hub) == 0
    assert bank.letters() == 0


def test_a_record_both_refused_has_two_dead_letters(bank: BankHub, hub: Hub, two: WebPeer) -> None:
    bad = bank.order()[10]
    hub.refuse(external_ids=[str(bad)])
    two.decide = lambda call: Reply(422 if int(call.body["id"]) == bad else 200)
    summary = bank.send()
    assert summary["sent"] == {"hub": 59, "ledger": 59}
    assert {letter["target"] for letter in bank.dead()} == {"hub", "ledger"}
    hub.refuse()
    at_ledger = len(two.calls)
    assert replay(bank, "--reason", "refused: refused by the rules")["sent"] == {"hub": 1}
    assert len(two.calls) == at_ledger
    assert [letter["target"] for letter in bank.dead()] == ["ledger"]


def test_one_target_that_fails_holds_the_cursor_for_both(bank: BankHub, hub: Hub, two: WebPeer) -> None:
    """What the other one got meanwhile is sent again, with its key."""
    stop = bank.order()[30]
    two.decide = lambda call: Reply(401 if int(call.body["id"]) == stop else 200)
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("failed", "misconfigured")
    stands = bank.cursor()
    assert stands is None or bank.order().index(stands["id"]) < 30
    two.decide = None
    healed = bank.send()
    assert healed["status"] == "success"
    assert len(arrived(hub)) == 60
    assert set(ids(two.calls)) == set(bank.order())
    assert all_there(bank, hub)
    assert TRANSACTIONS in bank.engine("runs")
