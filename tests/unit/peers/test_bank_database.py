"""The generated bank is the same for the same seed, and as unkind as real data."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.peers.bank_database import Sizes, change, count, create, main, share

SMALL = Sizes(users=200, banks=300, transactions=5_000)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create(tmp_path_factory.mktemp("bank") / "bank.db", SMALL)


def test_has_as_many_rows_as_asked(bank: Path) -> None:
    assert count(bank) == SMALL


def test_the_same_seed_makes_the_same_bank(bank: Path, tmp_path: Path) -> None:
    assert dump(create(tmp_path / "again.db", SMALL)) == dump(bank)


def test_another_seed_makes_another_bank(bank: Path, tmp_path: Path) -> None:
    assert dump(create(tmp_path / "other.db", SMALL, seed=2)) != dump(bank)


def test_more_rows_share_a_second_than_fit_in_a_batch(bank: Path) -> None:
    assert rows(bank, "select max(n) from (select count(*) n from transactions group by updated_at)")[0][0] > 100


def test_the_order_of_change_is_not_the_order_of_ids(bank: Path) -> None:
    by_change = [id for (id,) in rows(bank, "select id from transactions order by updated_at, id")]
    assert by_change != sorted(by_change)


@pytest.mark.parametrize(
    "column",
    [
        "users.phone_number",
        "users.created_at",
        "banks.type",
        "banks.institution_code",
        "transactions.amount",
        "transactions.description",
        "transactions.category",
        "transactions.type",
        "transactions.currency",
        "transactions.transaction_date",
        "transactions.created_at",
    ],
)
def test_some_are_null_and_most_are_not(bank: Path, column: str) -> None:
    table, name = column.split(".")
    nulls = rows(bank, f"select count(*) from {table} where {name} is null")[0][0]
    assert 0 < nulls < rows(bank, f"select count(*) from {table}")[0][0] / 2


def test_every_transaction_says_when_it_happened_or_was_made(bank: Path) -> None:
    assert not rows(bank, "select id from transactions where transaction_date is null and created_at is null")


def test_every_bank_and_transaction_has_its_parent(bank: Path) -> None:
    assert not rows(bank, "pragma foreign_key_check")


def test_amounts_read_back_with_the_cents_that_were_written(bank: Path) -> None:
    """The shortest text of the float SQLite keeps has at most two decimals: no cent was bent."""
    amounts = [
        Decimal(str(amount)) for (amount,) in rows(bank, "select amount from transactions where amount not null")
    ]
    assert all(amount == round(amount, 2) for amount in amounts)
    assert max(amounts) > 10**7
    assert min(amounts) < 0


@pytest.mark.parametrize("like", ["  %", "%\n%", '%"%', "%☕%", "%ש%", "%{{%", "%\\%", "%'; drop%"])
def test_descriptions_are_ugly(bank: Path, like: str) -> None:
    with closing(sqlite3.connect(bank)) as database:
        assert database.execute("select count(*) from transactions where description like ?", (like,)).fetchone()[0]


def test_a_change_touches_exactly_so_many_rows_later_than_all(tmp_path: Path) -> None:
    path = create(tmp_path / "bank.db", SMALL)
    before = {table: rows(path, f"select * from {table}") for table in ("users", "banks", "transactions")}
    latest = max(row[-1] for found in before.values() for row in found)
    change(path, Sizes(users=4, banks=6, transactions=90))
    for table, expected in {"users": 4, "banks": 6, "transactions": 90}.items():
        changed = set(rows(path, f"select * from {table}")) - set(before[table])
        assert len(changed) == expected
        assert all(row[-1] > latest for row in changed)
        assert len({datetime.fromisoformat(row[-1]) for row in changed}) <= 3


def test_a_second_change_is_later_than_the_first(tmp_path: Path) -> None:
    path = create(tmp_path / "bank.db", SMALL)
    change(path, share(100), seed=1)
    latest = rows(path, "select max(updated_at) from transactions")[0][0]
    change(path, share(100), seed=2)
    assert len(rows(path, f"select id from transactions where updated_at > '{latest}'")) == 90


def test_more_changes_than_rows_are_refused(tmp_path: Path) -> None:
    path = create(tmp_path / "bank.db", Sizes(2, 2, 2))
    with pytest.raises(ValueError, match="users has 2 rows, 3 cannot be changed"):
        change(path, Sizes(3, 0, 0))


def test_500_changes_are_shared_out(tmp_path: Path) -> None:
    assert share(500) == Sizes(users=20, banks=30, transactions=450)


def test_the_command_line_makes_and_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "bank.db")
    assert main(["create", path, "--users", "50", "--banks", "60", "--transactions", "700"]) == 0
    assert main(["change", path, "--rows", "100"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{path}: 50 users, 60 banks, 700 transactions"] * 2
