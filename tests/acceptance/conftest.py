"""What the acceptance tests begin with."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.bank_hub import BankHub
from tests.acceptance.web_peer import WebPeer, serving
from tests.peers.hub_client import Hub

BATCH = 25
MakeBank = Callable[..., BankHub]


@pytest.fixture
def make_bank(tmp_path: Path, hub: Hub, bank_db: Callable[..., Path]) -> MakeBank:
    """Give ``make_bank(transactions=300, **settings)``: its users and banks are at the hub, batches are of 25."""

    def make(transactions: int = 300, **settings: str) -> BankHub:
        database = bank_db(users=20, banks=30, transactions=transactions)
        _introduce(hub.url, database)
        return BankHub(tmp_path, database, hub.url, {"TRANSACTION_BATCH_SIZE": str(BATCH), **settings})

    return make


@pytest.fixture
def bank(make_bank: MakeBank) -> BankHub:
    """Give a bank with 300 transactions that the hub does not have yet."""
    return make_bank()


def _introduce(url: str, database: Path) -> None:
    """Tell the hub the users and banks, past the engine: these tests are about the transactions."""
    with closing(sqlite3.connect(database)) as bank:
        users = bank.execute("select id, name, email from users").fetchall()
        banks = bank.execute("select id, user_id, name from banks").fetchall()
    parts = [
        *(
            f"u{id}: importUser(data: {_input(external_id=str(id), name=name, email=email)})"
            for id, name, email in users
        ),
        *(
            f"b{id}: importBank(data: {_input(external_id=str(id), user_external_id=str(user), name=name)})"
            for id, user, name in banks
        ),
    ]
    query = "mutation {" + " ".join(f"{part} {{ success }}" for part in parts) + "}"
    request = urllib.request.Request(
        f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        told = json.load(answer)
    assert "errors" not in told, told
    assert all(result["success"] for result in told["data"].values())


def _input(**fields: Any) -> str:
    return "{" + ", ".join(f"{name}: {json.dumps(value)}" for name, value in fields.items()) + "}"


@pytest.fixture
def web_peer() -> Iterator[WebPeer]:
    """Give a web server that answers what the test says."""
    with serving() as peer:
        yield peer
