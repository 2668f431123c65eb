"""A disk that is full, fails or was damaged: nothing half-written, nothing said that is not true."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from engine.errors import StoreFailed, StoreFull
from engine.store.base import LogLine, NewEntry, Settlement
from engine.store.sqlite import SqliteStore, connect

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
WORKER = (sys.executable, "-m", "tests.unit.store.store_process")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 8 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs rights this process has not")
    yield place
    subprocess.run(["umount", place], check=True)


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return ballast


async def bodies(store: SqliteStore) -> list[object]:
    return [entry.body for entry in (await store.find("entries"))[0]]


async def test_a_full_disk_refuses_new_work_finishes_old_and_recovers(small_disk: Path) -> None:
    """Appending stops, settling and purging go on in the reserve's room, and with space all goes on by itself."""
    async with AsyncExitStack() as stack:
        store = SqliteStore(small_disk / "engine.db", reserve=2 * MIB, min_free=MIB)
        await store.open(stack, "first")
        [lease] = await store.acquire("a/in/0", 1, 600)
        [(entry, _)] = await store.append([NewEntry("a/in/0", "accepted")])
        lines = [LogLine("run-1", "", "info", "step", "x" * 500) for _ in range(100)]
        await store.settle(Settlement("before", lease, logs=lines))
        assert (small_disk / "engine.db.reserve").exists()

        ballast = fill(small_disk)
        with pytest.raises(StoreFull, match="nothing new is accepted"):
            await store.append([NewEntry("a/in/0", "refused")])
        big = [LogLine("run-1", "", "info", "step", "x" * 100_000)]
        await store.settle(Settlement("during", lease, {"at": 1}, done=[entry], logs=big))
        assert not (small_disk / "engine.db.reserve").exists()
        assert await store.purge({"logs": "2999-01-01"}, 50) == 50
        assert await bodies(store) == []
        with pytest.raises(StoreFull):
            await store.append([NewEntry("a/in/0", "refused")])

        ballast.unlink()
        await store.append([NewEntry("a/in/0", "accepted again")])
        assert await bodies(store) == ["accepted again"]
        assert (small_disk / "engine.db.reserve").exists()


async def test_without_a_reserve_nothing_can_be_finished(small_disk: Path) -> None:
    """The control: a full disk refuses even settling and purging, without a trace; the same calls succeed with room."""
    async with AsyncExitStack() as stack:
        store = SqliteStore(small_disk / "engine.db", reserve=0, min_free=0)
        await store.open(stack, "first")
        [lease] = await store.acquire("a/in/0", 1, 600)
        await store.append([NewEntry("a/in/0", "accepted")])
        await store.settle(Settlement("before", lease, logs=[LogLine("r", "", "info", "c", "x" * 300_000)]))
        ballast = fill(small_disk)
        big = Settlement("during", lease, {"at": 1}, logs=[LogLine("r", "", "info", "c", "x" * 300_000)])
        for call in (lambda: store.settle(big), lambda: store.purge({"logs": "2999-01-01"}, 50)):
            with pytest.raises(StoreFull, match="disk is full; nothing was changed"):
                await call()
        assert (await store.load(lease)).checkpoint is None
        assert len((await store.find("logs"))[0]) == 1
        ballast.unlink()
        await store.settle(big)
        assert (await store.load(lease)).checkpoint == {"at": 1}


async def test_a_full_disk_can_be_opened_and_purged(small_disk: Path) -> None:
    """A process that starts on a full disk gives the reserve up, so that people can make room from within."""
    path = small_disk / "engine.db"
    for full in (False, True):
        if full:
            fill(small_disk)
        async with AsyncExitStack() as stack:
            store = SqliteStore(path, reserve=2 * MIB, min_free=MIB)
            await store.open(stack, f"full {full}")
            if full:
                assert await store.purge({"logs": "2999-01-01"}, 50) == 1
            else:
                [lease] = await store.acquire("a/in/0", 1, 600)
                await store.settle(Settlement("s", lease, logs=[LogLine("r", "", "info", "c", "m")]))


def integrity(path: Path) -> str:
    connection = connect.open_reader(path)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def test_a_write_error_ends_the_store_for_good(tmp_path: Path) -> None:
    """After the system refused a write nothing is tried again, even with the obstacle gone; the file is sound."""
    path = tmp_path / "engine.db"
    done = subprocess.run([*WORKER, "outgrow", path], cwd=ROOT, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first.startswith("StoreFailed")
    assert "disk I/O error" in first
    assert "start again" in first
    assert second == first
    assert integrity(path) == "ok"


async def test_damage_is_found_after_a_crash(tmp_path: Path) -> None:
    """A file that was damaged while nobody looked is refused, with what to do, every time."""
    path = tmp_path / "engine.db"
    async with AsyncExitStack() as stack:
        store = SqliteStore(path, reserve=0, min_free=0)
        await store.open(stack, "first")
        await store.append([NewEntry("a/in/0", "x" * 3000) for _ in range(200)])
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 8192)
    (tmp_path / "engine.db.lock").write_text("4711\nengine serve\n")  # what a killed process leaves
    for _ in range(2):
        async with AsyncExitStack() as stack:
            with pytest.raises(StoreFailed, match=r"engine\.db: the store is damaged .* put a backup in its place"):
                await SqliteStore(path, reserve=0, min_free=0).open(stack, "second")


async def test_damage_under_way_ends_the_store(tmp_path: Path) -> None:
    """Reading a damaged page fails loudly and is not an empty answer."""
    path = tmp_path / "engine.db"
    async with AsyncExitStack() as stack:
        store = SqliteStore(path, reserve=0, min_free=0)
        await store.open(stack, "first")
        await store.append([NewEntry("a/in/0", "x" * 3000) for _ in range(200)])
    damaged = bytearray(path.read_bytes())
    damaged[8192:] = b"\xff" * (len(damaged) - 8192)
    path.write_bytes(damaged)
    async with AsyncExitStack() as stack:
        store = SqliteStore(path)
        await store.open_readonly(stack)
        with pytest.raises(StoreFailed):
            await store.find("entries")
