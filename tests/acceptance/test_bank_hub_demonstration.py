"""``make run`` ends well when everything arrived, and only then."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scripts.run_bank_hub import Demonstration, main
from tests.peers.bank_database import Sizes
from tests.peers.hub_client import Hub


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demonstration:
    for name in ("TRANSACTION_BATCH_SIZE", "AUTOMATION_HUB_API_KEY", "MAX_RETRIES", "RETRY_DELAY"):
        monkeypatch.delenv(name, raising=False)
    return Demonstration(tmp_path / "run", Sizes(users=40, banks=60, transactions=1_000), changes=100)


def test_everything_arrives_and_the_changes_follow(small: Demonstration, capfd: pytest.CaptureFixture[str]) -> None:
    code = main(small)
    shown = capfd.readouterr()
    assert code == 0, shown.out + shown.err
    lines = [line.split() for line in shown.out.splitlines()]
    for counts in (
        ["users", "40", "40", "40", "0"],
        ["transactions", "1000", "1000", "1000", "0"],
        ["users", "40", "4", "4", "0"],
        ["banks", "60", "6", "6", "0"],
        ["transactions", "1000", "90", "90", "0"],
    ):
        assert counts in lines


def test_what_the_hub_has_is_compared_record_by_record(
    small: Demonstration, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The control: one amount bent at the hub, and the demonstration fails."""

    def bend(self: Demonstration, hub: Hub) -> None:
        with closing(sqlite3.connect(self.hub)) as database, database:
            database.execute("update transactions set amount = amount + 0.01 where external_id = '7'")
        self.compare(hub.counts()["rows"], {"users": 0, "banks": 0, "transactions": 0}, dict.fromkeys(_TABLES, 0))

    monkeypatch.setattr(Demonstration, "incremental", bend)
    assert main(small) == 1
    assert "1 transactions at the hub are not as at the bank" in capfd.readouterr().err


def test_a_failing_engine_fails_it(
    small: Demonstration, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A setting of the user's environment reaches the engine, and its refusal reaches the exit code."""
    monkeypatch.setitem(os.environ, "TRANSACTION_BATCH_SIZE", "many")
    assert main(small) == 1
    assert "exit code 2" in capfd.readouterr().err


_TABLES: tuple[Any, ...] = ("users", "banks", "transactions")
