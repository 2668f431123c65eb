"""kill -9 of a process that settles: what it said is settled is there, whole, and the file is sound."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from engine.store.base import Where
from engine.store.conformance import settling
from engine.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]
WORKER = ("-m", "tests.unit.store.store_process")
KILLS = int(os.environ.get("KILLS", "10"))


@contextmanager
def worker(command: str, path: Path, word: str = "") -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, *WORKER, command, str(path), word],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        process.kill()


def kill_after(path: Path, lines: int, word: str) -> dict[str, int]:
    """Let a process settle, kill it after so many lines; give the last number it said of each lane."""
    said: dict[str, int] = {}
    with worker("settle", path, word) as process:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout):
            lane, number = line.split()
            said[lane] = int(number)
            if count == lines:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return said


async def settled(path: Path) -> dict[str, int]:
    """Give the number each lane stands at, and check that the lane is in one piece."""
    numbers = {}
    async with AsyncExitStack() as stack:
        store = SqliteStore(path, wait=0.0, reserve=0, min_free=0)
        await store.open(stack, "test")
        for lease in await store.acquire("work/", 100, 60):
            progress = await store.load(lease)
            numbers[lease.lane] = (progress.checkpoint or {"n": 0})["n"]
            entries, _ = await store.find("entries", Where(lane=lease.lane))
            assert [entry.body for entry in entries] == ([numbers[lease.lane]] if numbers[lease.lane] else [])
            assert progress.state.get("n", b"0") == str(numbers[lease.lane]).encode()
            await store.release([lease])
    return numbers


async def lost_settlements(path: Path, word: str) -> int:
    """Kill again and again; give how many settlements that were said to be done are not there."""
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    chance = random.Random(seed)
    lost = 0
    for _ in range(KILLS):
        said = kill_after(path, chance.randrange(1, 400), word)
        there = await settled(path)
        lost += sum(max(0, number - there[lane]) for lane, number in said.items())
        # one write of each lane may be on its way, and the last word may not have been heard
        assert all(there[lane] <= number + 1 for lane, number in said.items())
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    return lost


async def test_what_was_said_to_be_settled_is_there(tmp_path: Path) -> None:
    """No settlement that returned is lost by kill -9."""
    assert await lost_settlements(tmp_path / "engine.db", "") == 0


async def test_saying_it_before_the_commit_is_caught(tmp_path: Path) -> None:
    """The control: a process that speaks before the commit loses some, and this harness sees it."""
    assert await lost_settlements(tmp_path / "engine.db", "too-early") > 0


async def test_a_settlement_torn_by_kill_is_all_or_nothing(tmp_path: Path) -> None:
    """A process that dies before any statement of a settlement, or before its commit, leaves the state before."""
    steps = 0
    for step in range(1, 100):
        path = tmp_path / str(step) / "engine.db"
        with worker("stumble", path, str(step)) as process:
            output, _ = process.communicate()
        async with AsyncExitStack() as stack:
            store = SqliteStore(path, wait=0.0, reserve=0, min_free=0)
            await store.open(stack, "test")
            [lease] = await store.acquire(settling.LANE, 1, 60)
            [other] = await store.acquire("orders/reset", 1, 60)
            picture = await settling.picture_of(store, lease, other)
            for progress in picture[1]:  # type: ignore[attr-defined]
                assert progress.restarts <= 1
            picture[1] = [progress._replace(restarts=0) for progress in picture[1]]  # type: ignore[attr-defined]
        if output:
            assert picture == settling.AFTER
            break
        assert process.returncode == -signal.SIGKILL
        assert picture == [*settling.BEFORE[:3], ["interrupted"], 0]
        steps += 1
    assert steps > 10
