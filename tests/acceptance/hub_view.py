"""What the hub saw of the transactions, for tests."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.acceptance.bank_hub import BankHub
from tests.peers.hub_client import Hub

OPERATION = "importTransactions"


def writes(hub: Hub) -> list[dict[str, Any]]:
    """The requests with transactions, in order: ``items``, ``status``, ``fault``."""
    return [request for request in hub.requests() if request["operation"] == OPERATION]


def arrived(hub: Hub) -> set[int]:
    """The ids of the transactions at the hub."""
    return {int(row["external_id"]) for row in hub.rows("transactions")}


def extra(hub: Hub) -> int:
    """How many deliveries of transactions were repeats."""
    found: int = hub.counts()["extra"]["transactions"]
    return found


def all_there(bank: BankHub, hub: Hub, but: Collection[int] = ()) -> bool:
    """Whether the hub has each transaction once, with its amount, but for those named."""
    there = {int(row["external_id"]): row["amount"] for row in hub.rows("transactions")}
    wanted = dict(bank.sql("select id, coalesce(amount, 0) from transactions"))
    return there == {id: amount for id, amount in wanted.items() if id not in but}


def nothing_left(bank: BankHub, hub: Hub) -> bool:
    """Run once more: whether nothing is read and nothing is sent."""
    before = len(writes(hub))
    summary = bank.send()
    return (summary["status"], summary["read"], len(writes(hub))) == ("success", 0, before)
