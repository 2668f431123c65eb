"""The cursor through the command line: shown, moved, and never ahead of what the hub has."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from tests.acceptance.bank_hub import TRANSACTIONS, BankHub
from tests.acceptance.conftest import BATCH
from tests.acceptance.hub_view import all_there, arrived, extra, nothing_left, writes
from tests.peers.hub_client import Hub
from tests.peers.hub_faults import Fault

ROWS = 300
TARGET = "pipelines/bank-hub/transactions.yaml"
FULL = ("--param", "full=true")
DOWN_AFTER_3 = Fault("status", status=500, skip=3, times=None)


# shown and moved by hand


def test_it_is_shown(bank: BankHub, hub: Hub) -> None:
    said = bank.engine("cursor", "show", TRANSACTIONS)
    assert "not moved yet: the next run reads from its initial values" in said
    assert "1970-01-01 00:00:00" in said
    bank.send()
    stands = bank.at(ROWS)
    assert bank.cursor() == stands
    assert stands is not None
    assert str(stands["updated_at"]) in bank.engine("cursor", "show", TRANSACTIONS)


def test_it_is_set_and_the_way_back_is_shown(bank: BankHub, hub: Hub) -> None:
    bank.send()
    to = bank.at(200)
    assert to is not None
    said = bank.engine("cursor", "set", TRANSACTIONS, f"updated_at={to['updated_at']}", f"id={to['id']}")
    assert bank.cursor() == to
    assert bank.send()["read"] == 100
    assert extra(hub) == 100
    assert all_there(bank, hub)
    back = shlex.split(next(line for line in said.splitlines() if line.startswith("back:")).partition("engine ")[2])
    bank.engine(*back)
    assert bank.cursor() == bank.at(ROWS)
    assert nothing_left(bank, hub)


def test_one_field_is_set_alone(bank: BankHub, hub: Hub) -> None:
    bank.send()
    bank.engine("cursor", "set", TRANSACTIONS, "id=0")
    assert bank.cursor() == {**(bank.at(ROWS) or {}), "id": 0}
    assert bank.send()["read"] >= 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["idd=3"], "did you mean 'id'"),
        (["id=three"], "must be a whole number"),
        (["id"], "write field=value"),
        (["updated_at=null"], None),
    ],
)
def test_what_is_no_position_is_not_taken(bank: BankHub, hub: Hub, values: list[str], says: str | None) -> None:
    bank.send("--limit", "50")
    before = bank.cursor()
    ended = bank.ended("cursor", "set", TRANSACTIONS, *values)
    if says is not None:
        assert (ended.code, says in ended.err) == (2, True), ended
        assert bank.cursor() == before
    else:
        # a text that no date is like: the column is text, so it is taken as text
        assert bank.cursor() in (before, {**(before or {}), "updated_at": "null"})


def test_it_is_reset(bank: BankHub, hub: Hub) -> None:
    bank.send()
    bank.engine("cursor", "reset", TRANSACTIONS)
    assert bank.cursor() is None
    assert bank.send()["read"] == ROWS
    assert extra(hub) == ROWS
    assert all_there(bank, hub)
    assert bank.cursor() == bank.at(ROWS)


def test_a_pipeline_nobody_has_is_named(bank: BankHub, hub: Hub) -> None:
    ended = bank.ended("cursor", "show", "bank-transaction")
    assert (ended.code, f"did you mean '{TRANSACTIONS}'" in ended.err) == (2, True)


# what changed later


def test_changes_are_followed(bank: BankHub, hub: Hub) -> None:
    bank.send()
    ids = bank.order()[10:20]
    bank.sql(
        f"update transactions set amount = 1.25, updated_at = '2030-01-01 10:00:00' where id in {tuple(ids)}",
    )
    summary = bank.send()
    assert (summary["read"], summary["sent"]) == (10, {"target": 10})
    assert all_there(bank, hub)
    assert bank.cursor() == {"updated_at": "2030-01-01 10:00:00", "id": max(ids)}


# a run that reads from the beginning


def test_a_full_run_keeps_its_own_position_and_is_continued(bank: BankHub, hub: Hub) -> None:
    bank.send("--limit", "50")
    before = bank.cursor()
    hub.fail(DOWN_AFTER_3)
    failed = bank.send(*FULL, code=1)
    assert (failed["read"] >= 3 * BATCH, failed["cursor"]) == (True, bank.at(3 * BATCH))
    assert bank.cursor() == before == bank.at(50)
    hub.fail()
    continued = bank.send(*FULL)
    assert (continued["status"], continued["read"]) == ("success", ROWS - 3 * BATCH)
    begun = next(line["message"] for line in bank.log(continued["run"]) if line["code"] == "started")
    assert begun.startswith("resumed")
    assert all_there(bank, hub)
    assert extra(hub) == 50
    # complete: the incremental cursor stands where the full run ended, and the next full run begins anew
    assert bank.cursor() == bank.at(ROWS)
    assert nothing_left(bank, hub)
    assert bank.send(*FULL)["read"] == ROWS


def test_fresh_starts_over(bank: BankHub, hub: Hub) -> None:
    hub.fail(DOWN_AFTER_3)
    bank.send(*FULL, code=1)
    hub.fail()
    fresh = bank.send(*FULL, "--fresh")
    assert (fresh["read"], extra(hub)) == (ROWS, 3 * BATCH)
    assert all_there(bank, hub)
    assert bank.cursor() == bank.at(ROWS)


def test_another_revision_does_not_continue_it(bank: BankHub, hub: Hub) -> None:
    """What it sent before was mapped otherwise."""
    hub.fail(DOWN_AFTER_3)
    bank.send(*FULL, code=1)
    hub.fail()
    bank.change(TARGET, ("source: {$const: bank-hub}", "source: {$const: bank-hub-2}"))
    assert bank.send(*FULL)["read"] == ROWS
    assert {row["metadata"]["source"] for row in hub.rows("transactions")} == {"bank-hub-2"}


def test_other_runs_do_not_see_the_position_of_a_full_run(bank: BankHub, hub: Hub) -> None:
    hub.fail(DOWN_AFTER_3)
    bank.send(*FULL, code=1)
    hub.fail()
    incremental = bank.send()
    assert incremental["read"] == ROWS
    assert bank.cursor() == bank.at(ROWS)
    assert bank.send(*FULL)["read"] == ROWS - 3 * BATCH


def test_a_full_run_moves_the_cursor_forward_only(bank: BankHub, hub: Hub) -> None:
    bank.send()
    bank.engine("cursor", "set", TRANSACTIONS, "updated_at=2040-01-01 00:00:00", "id=1")
    assert bank.send(*FULL)["read"] == ROWS
    assert bank.cursor() == {"updated_at": "2040-01-01 00:00:00", "id": 1}


def test_a_cursor_reset_by_hand_forgets_nothing_of_a_full_run(bank: BankHub, hub: Hub) -> None:
    """The command moves the incremental cursor; an interrupted full run stays where it was."""
    hub.fail(DOWN_AFTER_3)
    bank.send(*FULL, code=1)
    hub.fail()
    bank.engine("cursor", "reset", TRANSACTIONS)
    assert bank.send(*FULL)["read"] == ROWS - 3 * BATCH


# ties

SECOND = "2025-05-05 05:05:{:02d}"
BY_SECOND = (
    (
        "      where (updated_at, id) > (:cursor_updated_at, :cursor_id)\n",
        "      where updated_at > :cursor_updated_at\n",
    ),
    ("      order by updated_at, id\n", "      order by updated_at\n"),
    ("    fields: [updated_at, id]\n", "    fields: [updated_at]\n"),
    ('initial: {updated_at: "1970-01-01 00:00:00", id: 0}', 'initial: {updated_at: "1970-01-01 00:00:00"}'),
)


def tie(bank: BankHub, *sizes: int) -> None:
    """Give so many rows the same second, one second after the other."""
    ids, start = bank.order(), 0
    for number, size in enumerate(sizes):
        group = ", ".join(map(str, ids[start : start + size]))
        bank.sql(f"update transactions set updated_at = ? where id in ({group})", SECOND.format(number))
        start += size
    assert start == len(ids)


@pytest.mark.parametrize(
    ("sizes", "skip", "stands", "lost"),
    [
        ((40, 100, 160), 3, 0, 35),  # fails inside the second second
        ((40, 100, 160), 1, None, 25),  # inside the first: nothing is certain yet
        ((100, 100, 100), 4, 0, 0),  # exactly between two
        ((300,), 5, None, 125),
        ((1, 1, 298), 7, 1, 173),
    ],
)
def test_many_rows_of_one_second_over_a_failure(
    bank: BankHub, hub: Hub, sizes: tuple[int, ...], skip: int, stands: int | None, lost: int
) -> None:
    """The cursor is never inside a second: what of it arrived already arrives again, and nothing is left out."""
    tie(bank, *sizes)
    bank.change(TARGET, *BY_SECOND)
    hub.fail(Fault("status", status=500, skip=skip, times=None))
    failed = bank.send(code=1)
    assert failed["status"] == "failed"
    assert bank.cursor() == (None if stands is None else {"updated_at": SECOND.format(stands)})
    hub.fail()
    healed = bank.send()
    before = 0 if stands is None else sum(sizes[: stands + 1])
    assert (healed["status"], healed["read"]) == ("success", ROWS - before)
    assert all_there(bank, hub)
    assert extra(hub) == lost
    assert bank.cursor() == {"updated_at": SECOND.format(len(sizes) - 1)}
    assert nothing_left(bank, hub)


def test_a_limit_inside_a_tie_does_not_skip_the_rest_of_it(bank: BankHub, hub: Hub) -> None:
    tie(bank, 40, 100, 160)
    bank.change(TARGET, *BY_SECOND)
    assert bank.send("--limit", "60")["read"] == 60
    assert bank.cursor() == {"updated_at": SECOND.format(0)}
    assert bank.send()["read"] == 260
    assert all_there(bank, hub)


# lookback


def test_a_lookback_reads_again_and_never_moves_back(bank: BankHub, hub: Hub) -> None:
    """A row that was committed late, with a time before the cursor, still arrives."""
    tie(bank, 100, 100, 100)
    bank.change(TARGET, *BY_SECOND, ("    fields: [updated_at]\n", "    fields: [updated_at]\n    lookback: 1s\n"))
    bank.sql("delete from transactions where id = ?", late := bank.order()[150])
    assert bank.send()["read"] == ROWS - 1
    bank.sql(
        "insert into transactions (id, bank_id, amount, transaction_date, updated_at) values (?, 1, 5, ?, ?)",
        late, SECOND.format(2), SECOND.format(2),
    )  # fmt: skip
    again = bank.send()
    assert (again["status"], again["read"]) == ("success", 101)
    assert late in arrived(hub)
    assert all_there(bank, hub)
    assert extra(hub) == 100
    assert bank.cursor() == {"updated_at": SECOND.format(2)}


def test_a_failure_in_what_is_read_again_is_no_step_back(bank: BankHub, hub: Hub) -> None:
    tie(bank, 100, 100, 100)
    bank.change(TARGET, *BY_SECOND, ("    fields: [updated_at]\n", "    fields: [updated_at]\n    lookback: 1h\n"))
    bank.send()
    hub.fail(Fault("status", status=500, skip=5, times=None))
    failed = bank.send(code=1)
    assert (failed["status"], failed["cursor"]) == ("failed", {"updated_at": SECOND.format(2)})
    assert bank.cursor() == {"updated_at": SECOND.format(2)}
    hub.fail()
    assert bank.send()["read"] == ROWS


def test_rows_that_went_away_are_no_step_back(bank: BankHub, hub: Hub) -> None:
    tie(bank, 100, 100, 100)
    bank.change(TARGET, *BY_SECOND, ("    fields: [updated_at]\n", "    fields: [updated_at]\n    lookback: 1h\n"))
    bank.send()
    bank.sql("delete from transactions where updated_at = ?", SECOND.format(2))
    again = bank.send()
    assert (again["status"], again["read"]) == ("success", 200)
    assert bank.cursor() == {"updated_at": SECOND.format(2)}


# dry runs and samples


def snapshot(bank: BankHub) -> list[Any]:
    return [bank.cursor(), bank.dead(), bank.engine("runs", "--json")]


def test_a_dry_run_changes_nothing(bank: BankHub, hub: Hub) -> None:
    bank.send("--limit", "50")
    hub.refuse(percent=100)
    before, sent = snapshot(bank), len(writes(hub))
    bank.sql("update transactions set amount = 'muito' where id = ?", bank.order()[52])
    summary = bank.send("--dry-run")
    assert (summary["read"], summary["sent"], summary["rejected"]) == (10, {"target": 9}, 1)
    assert len(summary["previews"]) == 10
    assert snapshot(bank) == before
    assert len(writes(hub)) == sent
    said = bank.engine("run", TRANSACTIONS, "--dry-run", "--limit", "3")
    assert "nothing was sent, the cursor did not move" in said
    assert "would be rejected" in said
    assert snapshot(bank) == before


def test_a_dry_run_of_everything_begins_at_the_beginning(bank: BankHub, hub: Hub) -> None:
    bank.send()
    summary = bank.send("--dry-run", *FULL, "--limit", "5")
    assert [one["key"] for one in summary["previews"]] == [str(id) for id in bank.order()[:5]]
    assert len(arrived(hub)) == ROWS
    assert extra(hub) == 0


def test_a_dry_run_shows_that_a_source_is_broken(bank: BankHub, hub: Hub) -> None:
    bank.settings["BANK_DB"] = "/nonexistent/bank.db"
    ended = bank.ended("run", TRANSACTIONS, "--dry-run", "--json")
    assert (ended.code, ended.lines[0]["status"]) == (1, "failed")


def test_a_limited_run_stands_where_it_ended(bank: BankHub, hub: Hub) -> None:
    for done in (40, 80):
        summary = bank.send("--limit", "40")
        assert (summary["read"], summary["cursor"], bank.cursor()) == (40, bank.at(done), bank.at(done))
    assert arrived(hub) == set(bank.order()[:80])
    assert bank.send()["read"] == ROWS - 80
    assert extra(hub) == 0
    assert all_there(bank, hub)


def test_a_limited_full_run_is_a_sample(bank: BankHub, hub: Hub) -> None:
    """It leaves no position behind: the next full run reads everything."""
    assert bank.send(*FULL, "--limit", "40")["read"] == 40
    assert bank.cursor() is None
    assert bank.send(*FULL)["read"] == ROWS
    assert all_there(bank, hub)
