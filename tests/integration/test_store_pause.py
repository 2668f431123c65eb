"""R15: a process that stood still (SIGSTOP, a paused machine) commits nothing that another has done meanwhile.

One process writes to a file: its lock is held while it stands still, so no other process can take its lanes over, and
the takeover that leases guard against is one inside it, by whoever wakes first. With many writing nodes the same check
of the token, in the conformance suite, guards between processes. A pause of a minute: tests/acceptance/test_kill_pause.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from engine.errors import Unavailable
from engine.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]
TTL = 1.0


@contextmanager
def worker(command: str, path: Path, ttl: float = TTL) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.store.store_process", command, str(path), str(ttl)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def stand_still(process: subprocess.Popen[str], seconds: float) -> None:
    """Stop the process until its lease has run out by the clock of the machine."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    time.sleep(seconds)  # nothing but time can end a lease here: this is what is tried


async def entries(path: Path) -> list[object]:
    async with AsyncExitStack() as stack:
        store = SqliteStore(path)
        await store.open_readonly(stack)
        return [entry.body for entry in (await store.find("entries"))[0]]


async def paused(path: Path, command: str, seconds: float) -> tuple[str, list[object]]:
    """Let a process stand still for *seconds*; give what its late settle came to, and what is there then."""
    with worker(command, path) as process:
        assert said(process) == "holding"
        stand_still(process, seconds)
        process.send_signal(signal.SIGCONT)
        assert said(process) == "taken over"
        late = said(process)
    return late, await entries(path)


async def test_a_late_settle_after_a_pause_is_refused(tmp_path: Path) -> None:
    """The work is committed once, by the owner that was awake."""
    assert await paused(tmp_path / "engine.db", "pause", TTL + 0.2) == ("late LeaseLost", ["awake"])


async def test_without_the_token_the_work_is_committed_twice(tmp_path: Path) -> None:
    """The control: with the check of the token taken out, the late settle goes through and is seen."""
    assert await paused(tmp_path / "engine.db", "pause-unfenced", TTL + 0.2) == ("late settled", ["awake", "late"])


async def test_nobody_takes_over_from_a_process_that_stands_still(tmp_path: Path) -> None:
    """Its lease ran out, its lock did not: others read, none writes, and what it did is settled when it goes on."""
    path = tmp_path / "engine.db"
    with worker("stand", path) as process:
        assert said(process) == "holding"
        stand_still(process, TTL + 0.2)
        async with AsyncExitStack() as stack:
            with pytest.raises(Unavailable, match=rf"\(pid {process.pid}\) is writing"):
                await SqliteStore(path, wait=0.0, reserve=0, min_free=0).open(stack, "second")
        assert await entries(path) == []
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate("go on\n")
        assert output == "settled\n"


async def test_killing_what_stands_still_frees_its_lanes(tmp_path: Path) -> None:
    """Once it is gone the next process takes its lanes at once, however long the leases were."""
    path = tmp_path / "engine.db"
    with worker("stand", path, 3600) as process:
        assert said(process) == "holding"
        stand_still(process, 0)
        process.kill()
        process.wait()
        async with AsyncExitStack() as stack:
            store = SqliteStore(path, wait=0.0, reserve=0, min_free=0)
            await store.open(stack, "second")
            [lease] = await store.acquire("p/in/0", 1, 60)
            assert (await store.load(lease)).restarts == 1
