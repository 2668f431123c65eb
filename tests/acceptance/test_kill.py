"""kill -9 at random moments of a long run: nothing lost, little sent twice, and the control loses the difference."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .bank_hub import ENGINE, ROOT, BankHub

KILLS = int(os.environ.get("KILLS", "20"))
TRANSACTIONS = 50_000
BATCH = 100
ONE_KILL = 3 * BATCH
"""The write in flight, and the writes taken since the last commit."""
UNSETTLED = (sys.executable, str(Path(__file__).with_name("without_settling.py")))


def prepared(folder: Path, hub, bank_db, command=ENGINE) -> BankHub:
    bank = BankHub(folder, bank_db(users=20, banks=30, transactions=TRANSACTIONS), hub.url, command=command)
    bank.engine("run", "bank-users", "bank-banks")
    return bank


def killed_when(bank: BankHub, hub, delivered: int) -> tuple[int, bool]:
    """Start the run, kill it once the hub has so many rows; give the extra deliveries by then, and whether it ended."""
    process = bank.start("run", "bank-transactions")
    while hub.counts()["rows"]["transactions"] < delivered and process.poll() is None:
        time.sleep(0.002)
    ended = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return settled_extra(hub), ended


def settled_extra(hub) -> int:
    """Read the extra deliveries once the hub has worked off what was in flight."""
    before = None
    while (now := hub.counts()["extra"]["transactions"]) != before:
        before = now
        time.sleep(0.02)
    return now


@pytest.mark.timeout(600)
def test_no_kill_loses_a_record_or_repeats_more_than_three_batches(tmp_path, hub, bank_db):
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    bank = prepared(tmp_path, hub, bank_db)
    # one in each stretch of the run, at least five batches apart, so that each kill hits a run of its own
    stretch = (TRANSACTIONS - 1000) // KILLS
    moments = [500 + number * stretch + chance.randrange(stretch - 5 * BATCH) for number in range(KILLS)]
    last, worst = 0, 0
    for moment in moments:
        extra, ended = killed_when(bank, hub, moment)
        assert not ended, f"seed {seed}: the run ended before {moment} rows had arrived"
        worst = max(worst, extra - last)
        last = extra
    summary = bank.run("bank-transactions")
    final = settled_extra(hub)
    worst = max(worst, final - last)
    assert summary["status"] == "success", f"seed {seed}: {summary}"
    assert hub.counts()["rows"]["transactions"] == TRANSACTIONS, f"seed {seed}"
    assert worst <= ONE_KILL, f"seed {seed}: {worst} extra deliveries at one kill"
    assert final <= KILLS * ONE_KILL
    print(f"{KILLS} kills, {final} extra deliveries in all, at most {worst} at one kill")
    again = bank.run("bank-transactions")
    assert again["read"] == 0
    interrupted = bank.engine("runs", "--status", "interrupted", "--limit", "100", "--json").splitlines()
    assert len(interrupted) == KILLS


def test_the_control_without_settling_repeats_far_more(tmp_path, hub, bank_db):
    """The bound above is the settling's work: switched off, a resumed run starts over."""
    bank = prepared(tmp_path, hub, bank_db, UNSETTLED)
    killed_when(bank, hub, 5_000)
    extra, _ = killed_when(bank, hub, 6_000)
    assert extra > ONE_KILL


def test_the_control_is_the_same_engine(tmp_path):
    found = subprocess.run([*UNSETTLED, "--version"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "engine" in found.stdout
