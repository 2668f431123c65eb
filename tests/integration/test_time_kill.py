"""Real processes that fire each second are killed and stopped: every slot is in the lane once."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from engine.service.firing import Firing
from engine.store.base import Page, Where
from engine.store.sqlite import SqliteStore

SCRIPT = Path(__file__).with_name("time_process.py")
DEADLINE = 30.0


@contextmanager
def process(path: Path, kind: str = "plain") -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(path), kind], env=env, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def fired(child: subprocess.Popen[str], count: int) -> None:
    """Wait until so many more slots were fired."""
    assert child.stdout is not None
    end = time.monotonic() + DEADLINE
    for _ in range(count):
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, end - time.monotonic()))
        assert ready, "nothing was fired"
        assert child.stdout.readline()


async def history(path: Path) -> list[datetime]:
    """All slots of the lane, in the order in which they were fired."""
    async with AsyncExitStack() as stack:
        store = SqliteStore(path, min_free=0, reserve=0)
        await store.open(stack, "reader")
        entries, more = await store.find("entries", Where(lane="p/fire"), Page(10_000))
    assert more is None
    return [datetime.fromisoformat(Firing.read(entry).slot or "") for entry in entries]


def gaps(slots: list[datetime]) -> list[datetime]:
    """Slots after which the next second is not the next one."""
    return [one for one, other in pairwise(slots) if other - one != timedelta(seconds=1)]


def cpu(child: subprocess.Popen[str]) -> float:
    """CPU seconds that the process used so far."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def kills(path: Path, kind: str, draw: random.Random, lives: int = 6) -> list[datetime]:
    for _ in range(lives):
        with process(path, kind) as child:
            fired(child, 1)
            # somewhere in the next second: before, in or after a settlement
            await asyncio.sleep(draw.random())
            child.send_signal(signal.SIGKILL)
            child.wait(DEADLINE)
    return await history(path)


async def test_killed_anywhere_no_slot_is_lost_or_doubled(tmp_path):
    """Six lives, each killed with SIGKILL at a random moment of its second; all slots are made up for."""
    seed = random.randrange(10**6)
    slots = await kills(tmp_path / "engine.db", "plain", random.Random(seed))
    assert len(slots) >= 6
    assert gaps(slots) == [], f"seed {seed}"


async def test_the_control_loses_slots(tmp_path):
    """Without places and dedupe a new life does not know what was fired."""
    assert gaps(await kills(tmp_path / "engine.db", "forgetful", random.Random(1), 3))


async def test_a_machine_that_sleeps(tmp_path):
    """SIGSTOP for some seconds is a suspend: the slots are made up for, once, and without a busy loop."""
    path = tmp_path / "engine.db"
    with process(path) as child:
        fired(child, 1)
        child.send_signal(signal.SIGSTOP)
        await asyncio.sleep(3.2)
        child.send_signal(signal.SIGCONT)
        before = cpu(child)
        fired(child, 5)
        used = cpu(child) - before
        child.send_signal(signal.SIGTERM)
        child.wait(DEADLINE)
    slots = await history(path)
    assert len(slots) >= 6
    assert gaps(slots) == []
    assert used < 0.5
