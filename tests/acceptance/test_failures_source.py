"""Trouble at the source: a mistake of people fails at once, an API that is away is asked again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.acceptance.bank_hub import TRANSACTIONS, BankHub
from tests.acceptance.hub_view import all_there, arrived, writes
from tests.acceptance.web_peer import Reply, WebPeer
from tests.peers.hub_client import Hub

ROWS = 300
TARGET = "pipelines/bank-hub/transactions.yaml"

MISTAKES: dict[str, tuple[Callable[[BankHub], None], Callable[[BankHub], None], str]] = {
    "no-such-table": (
        lambda bank: bank.change(TARGET, ("      from transactions\n", "      from transacoes\n")),
        lambda bank: bank.change(TARGET, ("      from transacoes\n", "      from transactions\n")),
        "no such table: transacoes",
    ),
    "no-such-column": (
        lambda bank: bank.change(TARGET, ("amount, description,", "amont as amount, description,")),
        lambda bank: bank.change(TARGET, ("amont as amount, description,", "amount, description,")),
        "no such column: amont",
    ),
    "no-such-file": (
        lambda bank: bank.settings.update(BANK_DB=f"{bank.database}.gone"),
        lambda bank: bank.settings.update(BANK_DB=str(bank.database)),
        "no such database file",
    ),
    "no-database": (
        lambda bank: bank.settings.update(BANK_DB=str(bank.folder / TARGET)),
        lambda bank: bank.settings.update(BANK_DB=str(bank.database)),
        "not a SQLite database",
    ),
}


@pytest.mark.parametrize(("breaks", "mends", "says"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_of_people_fails_the_run_at_once(
    bank: BankHub, hub: Hub, breaks: Callable[[BankHub], None], mends: Callable[[BankHub], None], says: str
) -> None:
    bank.unseen()
    breaks(bank)
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("failed", "misconfigured")
    assert says in summary["error"]["message"]
    assert (summary["read"], summary["cursor"], writes(hub)) == (0, None, [])
    assert "retry" not in {line["code"] for line in bank.log(summary["run"])}
    assert bank.letters() == 0
    assert not (bank.folder / f"{bank.database}.gone").exists()
    mends(bank)
    assert bank.send()["sent"] == {"target": ROWS}
    assert all_there(bank, hub)


def test_a_cursor_that_goes_back_fails_the_run(bank: BankHub, hub: Hub) -> None:
    """A checkpoint would pass records that were not read yet; here the column is not what the rows are ordered by."""
    bank.change(
        TARGET,
        ("created_at, updated_at\n", "created_at, replace(updated_at, '2025', '2023') as updated_at\n"),
        ("      order by updated_at, id\n", "      order by transactions.updated_at, id\n"),
    )
    summary = bank.send(code=1)
    assert (summary["status"], summary["error"]["code"]) == ("failed", "cursor-order")
    assert "went back from 2024-" in summary["error"]["message"]


API = """\
pipeline: api-transactions
source:
  http: {{connection: api, path: /transactions, records: items}}
mapping:
  $copy: [external_id, bank_external_id, amount, transaction_date]
target:
  graphql:
    connection: automation-hub
    mutation: |
      mutation ImportTransactions($transactions: [ImportTransactionInput!]!) {{
        importTransactions(transactions: $transactions) {{ results {{ success message external_id }} }}
      }}
    variables: {{transactions: "{{{{ records }}}}"}}
    results: {{at: data.importTransactions.results, failed: "!success", match: external_id, reason: message}}
  batch: {{size: 25}}
  key: external_id
resilience:
  timeout: 300ms
  retry: {{attempts: 3, initial: 0s}}
x-api: {url}
"""
ITEMS = [
    {"external_id": str(id), "bank_external_id": "1", "amount": id, "transaction_date": "2025-01-01T00:00:00Z"}
    for id in range(1, 41)
]
GOOD = Reply(200, json.dumps({"items": ITEMS}))


@pytest.fixture
def api(bank: BankHub, web_peer: WebPeer) -> WebPeer:
    bank.write("pipelines/api.yaml", API.format(url=web_peer.url))
    bank.write("connections/api.yaml", f"connections: {{api: {{http: {{base_url: {web_peer.url}}}}}}}\n")
    return web_peer


@pytest.mark.parametrize(
    "trouble",
    [Reply(500), Reply(503), Reply(429), Reply(408), Reply(0), Reply(-1)],
    ids=["500", "503", "429", "408", "cut", "hang"],
)
def test_an_api_that_is_away_is_asked_again(bank: BankHub, hub: Hub, api: WebPeer, trouble: Reply) -> None:
    api.replies = [trouble, trouble, GOOD]
    summary = bank.run("api-transactions")
    assert (summary["status"], summary["read"], summary["sent"]) == ("success", 40, {"target": 40})
    assert len(api.calls) == 3
    assert arrived(hub) == set(range(1, 41))
    api.replies = [trouble] * 3 + [GOOD]
    failed = bank.run("api-transactions", code=1)
    assert (failed["status"], failed["read"]) == ("failed", 0)
    assert failed["error"]["code"] in ("transient", "disconnected", "uncertain")
    assert len(api.calls) == 6
    assert bank.run("api-transactions")["sent"] == {"target": 40}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 302])
def test_an_api_that_refuses_the_question_is_a_mistake(bank: BankHub, hub: Hub, api: WebPeer, status: int) -> None:
    api.replies = [Reply(status)]
    summary = bank.run("api-transactions", code=1)
    assert (summary["status"], summary["error"]["code"], len(api.calls)) == ("failed", "misconfigured", 1)
    assert writes(hub) == []
    api.replies = [GOOD]
    assert bank.run("api-transactions")["status"] == "success"


def test_records_of_an_api_that_lack_a_field_are_dead_letters(bank: BankHub, hub: Hub, api: WebPeer) -> None:
    items = [dict(item) for item in ITEMS]
    del items[7]["amount"]
    items[9]["external_id"] = None
    api.replies = [Reply(200, json.dumps({"items": items}))]
    summary = bank.run("api-transactions")
    assert (summary["status"], summary["sent"], summary["rejected"]) == ("partial", {"target": 38}, 2)
    letters = bank.dead("--pipeline", "api-transactions")
    assert {letter["code"] for letter in letters} == {"missing-field", "missing-key"}
    assert len(arrived(hub)) == 38
    assert TRANSACTIONS not in {letter["pipeline"] for letter in letters}
