"""Fixtures that give tests the real peers: a hub process and bank databases."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.peers.bank_database import Sizes, create
from tests.peers.hub_client import Hub, running_hub

BankDatabase = Callable[..., Path]


@pytest.fixture(scope="session")
def _hub_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running_hub(tmp_path_factory.mktemp("hub") / "hub.db") as hub:
        yield hub


@pytest.fixture
def hub(_hub_process: Hub) -> Hub:
    """Give a hub in a process of its own, as new; see ``hub_client.Hub`` for its switches."""
    _hub_process.reset()
    return _hub_process


@pytest.fixture(scope="session")
def _made_databases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sizes, int], Path]:
    folder = tmp_path_factory.mktemp("banks")

    @cache
    def made(sizes: Sizes, seed: int) -> Path:
        return create(folder / f"{sizes.users}-{sizes.banks}-{sizes.transactions}-{seed}.db", sizes, seed)

    return made


@pytest.fixture
def bank_db(tmp_path: Path, _made_databases: Callable[[Sizes, int], Path]) -> BankDatabase:
    """Give ``bank_db(users=, banks=, transactions=, seed=1)``: a new database in the test's own folder."""

    def make(users: int = 20, banks: int = 30, transactions: int = 500, seed: int = 1) -> Path:
        made = _made_databases(Sizes(users, banks, transactions), seed)
        return Path(shutil.copy(made, tmp_path / "bank.db"))

    return make
