"""The bank hub's pipelines obey the settings of the environment, and the hub's key opens it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from engine.definition.loader import load
from engine.definition.model import Project
from tests.peers.fixtures import BankDatabase
from tests.peers.hub_client import Hub

ROOT = Path(__file__).parents[2]
ENGINE = Path(sys.executable).with_name("engine")
NAMES = (
    "AUTOMATION_HUB_URL AUTOMATION_HUB_API_KEY BANK_DB SYNC_ENABLED FULL_SYNC_HOUR INCREMENTAL_SYNC_HOURS"
    " QUICK_SYNC_MINUTES TRANSACTION_BATCH_SIZE MAX_RETRIES RETRY_DELAY"
)

Run = Callable[..., subprocess.CompletedProcess[str]]


def loaded(environ: Mapping[str, str]) -> Project:
    project, problems = load(ROOT, environ=environ)
    assert problems == []
    return project


def test_without_settings_the_defaults_of_the_seed_hold() -> None:
    project = loaded({})
    users, transactions = project.pipelines["bank-users"], project.pipelines["bank-transactions"]
    assert [trigger.get("cron") or trigger["every"] for trigger in users.triggers] == [
        "0 */2 * * *",
        "0 3 * * *",
        "30m",
    ]
    assert transactions.targets[0].batch.size == 100
    assert (transactions.resilience.retry.attempts, transactions.resilience.retry.initial) == (3, 5.0)
    assert users.enabled
    hub = project.connections["automation-hub"].use.options
    assert hub["base_url"] == "http://localhost:4000"
    assert not (hub.get("auth") or {}).get("bearer")


def test_every_setting_arrives() -> None:
    project = loaded(
        {
            "AUTOMATION_HUB_URL": "https://hub.exemplo.com.br",
            "AUTOMATION_HUB_API_KEY": "a-key",
            "SYNC_ENABLED": "false",
            "FULL_SYNC_HOUR": "4",
            "INCREMENTAL_SYNC_HOURS": "6",
            "QUICK_SYNC_MINUTES": "15",
            "TRANSACTION_BATCH_SIZE": "250",
            "MAX_RETRIES": "7",
            "RETRY_DELAY": "2",
        }
    )
    users = project.pipelines["bank-users"]
    crons = [trigger.get("cron") or trigger["every"] for trigger in users.triggers]
    assert crons == ["0 */6 * * *", "0 4 * * *", "15m"]
    assert [pipeline.enabled for pipeline in project.pipelines.values() if pipeline.name.startswith("bank-")] == [
        False
    ] * 3
    transactions = project.pipelines["bank-transactions"]
    assert transactions.targets[0].batch.size == 250
    assert (transactions.resilience.retry.attempts, transactions.resilience.retry.initial) == (7, 2.0)
    hub = project.connections["automation-hub"].use.options
    assert (hub["base_url"], hub["auth"]["bearer"]) == ("https://hub.exemplo.com.br", "a-key")
    assert "a-key" in project.secrets


def test_users_come_before_banks_and_banks_before_transactions() -> None:
    """Only the first has a clock; the others follow it with the same ``full``."""
    pipelines = loaded({}).pipelines
    followed = {name: [trigger.get("after") for trigger in pipelines[name].triggers] for name in pipelines}
    assert followed["bank-users"] == [None, None, None]
    assert followed["bank-banks"] == ["bank-users"]
    assert followed["bank-transactions"] == ["bank-banks"]
    for name in ("bank-banks", "bank-transactions"):
        assert pipelines[name].triggers[0]["params"] == {"full": "{{ trigger.params.full }}"}


@pytest.fixture
def engine(hub: Hub, bank_db: BankDatabase, tmp_path: Path) -> Run:
    """Run a command on the repository's own project, against the test's hub and bank."""
    ours = {
        "AUTOMATION_HUB_URL": hub.url,
        "BANK_DB": str(bank_db(users=20, banks=30, transactions=250)),
        "ENGINE_STORE_SQLITE_PATH": str(tmp_path / "engine.db"),
    }
    kept = {name: value for name, value in os.environ.items() if name not in NAMES.split()}

    def run(*command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ENGINE), *command],
            cwd=ROOT,
            env={**kept, **ours, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )

    return run


def test_the_hubs_own_health_is_asked(engine: Run, hub: Hub) -> None:
    done = engine("check", "automation-hub")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [asked["operation"] for asked in hub.requests()] == ["getImportHealth"]
    hub.down()
    assert engine("check", "automation-hub").returncode == 3


def test_with_the_key_it_opens_and_without_it_nothing_is_lost(engine: Run, hub: Hub) -> None:
    """A refused key is a mistake of the set-up: the run fails at once, nothing goes to the dead letters."""
    hub.require_key("a-key")
    shut = engine("run", "bank-users")
    assert shut.returncode == 1, shut.stdout + shut.stderr
    assert hub.counts()["rows"]["users"] == 0
    assert hub.counts()["requests"] == 1
    opened = engine("run", "bank-users", AUTOMATION_HUB_API_KEY="a-key")
    assert opened.returncode == 0, opened.stdout + opened.stderr
    assert hub.counts()["rows"]["users"] == 20
    assert "a-key" not in opened.stdout + opened.stderr


def test_the_batch_size_is_what_the_hub_sees(engine: Run, hub: Hub) -> None:
    engine("run", "bank-users", "bank-banks")
    done = engine("run", "bank-transactions", TRANSACTION_BATCH_SIZE="60")
    assert done.returncode == 0, done.stdout + done.stderr
    sizes = [asked["items"] for asked in hub.requests() if asked["operation"] == "importTransactions"]
    assert sizes == [60, 60, 60, 60, 10]
