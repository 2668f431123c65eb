"""A backup while others write, and its way back: whole, sound, and never over something else."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from engine.errors import StoreError, Unavailable
from engine.store.base import NewEntry, Page, Settlement, Where
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore, backup, restore, sqlite_facts

ROOT = Path(__file__).parents[2]
BODY = {"sale": 4711, "note": "x" * 400}
BEFORE = 3000
LIVES = count()
Copy = Callable[[SqliteStore, Path], Awaitable[None]]


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    async with AsyncExitStack() as stack:
        store = SqliteStore(path, wait=0.0, reserve=0, min_free=0)
        await store.open(stack, f"test {next(LIVES)}")
        yield store


async def ids(path: Path) -> set[str]:
    """Give the entries a store has, read without writing to it."""
    async with AsyncExitStack() as stack:
        store = SqliteStore(path)
        await store.open_readonly(stack)
        return {entry.id for entry in (await store.find("entries", Where(), Page(1_000_000)))[0]}


def integrity(path: Path) -> str:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        connection.close()


async def copied_under_load(folder: Path, copy: Copy) -> tuple[set[str], Path, list[float]]:
    """Copy while eight callers append; give what was accepted before it began, the copy, and how long appends took."""
    taken = folder / "backup.db"
    seconds: list[float] = []
    accepted: set[str] = set()
    under_way, done = asyncio.Event(), asyncio.Event()

    async def load(store: SqliteStore, worker: int) -> None:
        while not done.is_set():
            begun = time.perf_counter()
            [(entry, _)] = await store.append([NewEntry(f"p/in/{worker}", BODY)])
            seconds.append(time.perf_counter() - begun)
            accepted.add(entry)
            if len(accepted) > BEFORE + 100:
                under_way.set()

    async with opened(folder / "engine.db") as store:
        given = await store.append([NewEntry("p/in/0", BODY, f"event-{number}") for number in range(BEFORE)])
        accepted |= {entry for entry, _ in given}
        async with asyncio.TaskGroup() as tasks:
            for worker in range(8):
                tasks.create_task(load(store, worker))
            await under_way.wait()
            before = set(accepted)
            seconds.clear()
            await copy(store, taken)
            done.set()
        assert len(accepted) > len(before)
    return before, taken, seconds


async def test_a_backup_under_load_is_sound_and_misses_nothing_accepted_before(tmp_path: Path) -> None:
    """R16: it passes the integrity check and has every entry accepted before it began; appends go on meanwhile."""
    before, copy, seconds = await copied_under_load(tmp_path, SqliteStore.backup)
    assert integrity(copy) == "ok"
    assert before <= await ids(copy)
    worst = sorted(seconds)[int(len(seconds) * 0.99)]
    print(f"{len(seconds)} appends during the backup, p99 {worst * 1e3:.1f} ms, worst {max(seconds) * 1e3:.1f} ms")


async def test_copying_the_file_misses_what_was_accepted(tmp_path: Path) -> None:
    """The control: what `cp` takes of a store in use lacks what is still in its log, and the checks see it."""

    async def plainly(store: SqliteStore, path: Path) -> None:
        await asyncio.to_thread(shutil.copyfile, store.path, path)

    before, copy, _ = await copied_under_load(tmp_path, plainly)
    assert integrity(copy) != "ok" or not before <= await ids(copy)


async def test_a_backup_is_one_file_for_its_owner_only(tmp_path: Path) -> None:
    """Nothing lies beside it, and others cannot read it."""
    folder = tmp_path / "backups"
    folder.mkdir()
    async with opened(tmp_path / "engine.db") as store:
        await store.append([NewEntry("p/in/0", 1)])
        await store.backup(folder / "copy.db")
    assert [file.name for file in folder.iterdir()] == ["copy.db"]
    assert stat.S_IMODE((folder / "copy.db").stat().st_mode) == 0o600


async def test_a_backup_never_replaces_a_file(tmp_path: Path) -> None:
    """A name that is taken is refused, and the file under it stays as it is."""
    async with opened(tmp_path / "engine.db") as store:
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(StoreError, match="this file is there already; name a new one"):
            await store.backup(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


async def test_a_backup_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """A folder that is not there, or a copy that was called off: an error, and nothing half-written."""
    folder = tmp_path / "backups"
    async with opened(tmp_path / "engine.db") as store:
        await store.append([NewEntry("p/in/0", "x" * 100_000) for _ in range(50)])
        with pytest.raises(StoreError, match="No such file or directory"):
            await store.backup(folder / "copy.db")
        folder.mkdir()
        called_off = asyncio.create_task(store.backup(folder / "copy.db"))
        await asyncio.sleep(0)
        called_off.cancel()
        with pytest.raises(asyncio.CancelledError):
            await called_off
    assert list(folder.iterdir()) == []


async def test_a_backup_of_a_store_that_is_not_open_for_writing_works(tmp_path: Path) -> None:
    """Also while another process writes; without a store there is nothing to copy, and memory has no file."""
    async with opened(tmp_path / "engine.db") as writing, AsyncExitStack() as stack:
        [(entry, _)] = await writing.append([NewEntry("p/in/0", 1)])
        reading = SqliteStore(tmp_path / "engine.db")
        await reading.open_readonly(stack)
        await reading.backup(tmp_path / "copy.db")
    assert await ids(tmp_path / "copy.db") == {entry}
    with pytest.raises(StoreError, match="there is no store yet"):
        await SqliteStore(tmp_path / "none.db").backup(tmp_path / "other.db")
    with pytest.raises(StoreError, match="in memory cannot be backed up"):
        await MemoryStore().backup(tmp_path / "other.db")


async def with_copy(folder: Path) -> tuple[Path, Path]:
    """Make a store with one entry, its backup, and a second entry after that."""
    path, copy = folder / "data" / "engine.db", folder / "copy.db"
    async with opened(path) as store:
        [lease] = await store.acquire("p/run", 1, 60)
        await store.settle(Settlement("s", lease, {"at": 1}))
        await store.append([NewEntry("p/in/0", "before")])
        await store.backup(copy)
        await store.append([NewEntry("p/in/0", "after")])
    return path, copy


async def bodies(path: Path) -> list[object]:
    async with opened(path) as store:
        return [entry.body for entry in (await store.find("entries"))[0]]


async def test_a_restored_store_is_as_it_was(tmp_path: Path) -> None:
    """Restored to a new place: entries and checkpoints are there, lanes are free, and it goes on."""
    _, copy = await with_copy(tmp_path)
    path = tmp_path / "new" / "engine.db"
    assert await restore(copy, path) is None
    async with opened(path) as store:
        [lease] = await store.acquire("p/run", 1, 60)
        assert (await store.load(lease)).checkpoint == {"at": 1}
        await store.append([NewEntry("p/in/0", "later")])
    assert await bodies(path) == ["before", "later"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_store_that_is_there_is_moved_aside_or_stays(tmp_path: Path) -> None:
    """Unasked nothing is replaced; moved aside, the old store is whole and can be looked into."""
    path, copy = await with_copy(tmp_path)
    with pytest.raises(StoreError, match="there is a store already"):
        await restore(copy, path)
    assert await bodies(path) == ["before", "after"]
    moved = await restore(copy, path, aside=True)
    assert moved is not None
    assert await bodies(path) == ["before"]
    assert await bodies(moved) == ["before", "after"]


async def test_an_old_log_is_not_mixed_into_a_restored_store(tmp_path: Path) -> None:
    """A log that was left without its store is one to be moved away, not one to be read into the new store."""
    path, copy = await with_copy(tmp_path)
    with holder(path) as process:
        process.kill()
    path.unlink()
    path.with_name("engine.db-wal").write_bytes(b"left over")
    with pytest.raises(StoreError, match="move it and its -wal away"):
        await restore(copy, path)
    await restore(copy, path, aside=True)
    assert await bodies(path) == ["before"]


async def test_a_damaged_copy_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    """A torn page, a text, a file of another program: the store stays where it is."""
    path, copy = await with_copy(tmp_path)
    with copy.open("r+b") as file:
        file.seek(os.path.getsize(copy) // 2)
        file.write(os.urandom(8192))
    text = tmp_path / "text.db"
    text.write_text("not a database " * 1000)
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE theirs (id)")
    connection.close()
    for bad in (copy, text, other, tmp_path / "none.db"):
        with pytest.raises((StoreError, Unavailable)):
            await restore(bad, path, aside=True)
    assert await bodies(path) == ["before", "after"]
    assert sorted(file.name for file in path.parent.iterdir()) == ["engine.db", "engine.db.lock"]


def holder(path: Path) -> subprocess.Popen[str]:
    """Start a process that has the store open for writing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.store.store_process", "hold", str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


async def test_a_store_in_use_is_not_replaced(tmp_path: Path) -> None:
    """While a process writes, restoring is refused at once and says who writes."""
    path, copy = await with_copy(tmp_path)
    with holder(path) as process:
        with pytest.raises(Unavailable, match=rf"\(pid {process.pid}\) is writing"):
            await restore(copy, path, aside=True)
        process.communicate("")
    assert await bodies(path) == ["before", "after"]


async def test_a_copy_is_one_state_although_the_writer_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one page a step, and a commit between any two, the copy ends and is as the store was at the beginning."""
    monkeypatch.setattr(backup, "_PAGES", 1)
    async with opened(tmp_path / "engine.db") as store:
        await store.append([NewEntry("p/in/0", "x" * 4000) for _ in range(200)])
        before = {entry.id for entry in (await store.find("entries", Where(), Page(10_000)))[0]}
        connection = sqlite3.connect(tmp_path / "engine.db", isolation_level=None)
        connection.execute("PRAGMA synchronous=OFF")
        line = "INSERT INTO logs (run, time, level, code, message, changed) VALUES ('r', '', '', '', '', '')"
        steps = 0

        def commit() -> None:
            nonlocal steps
            steps += 1
            connection.execute(line)

        backup._copy(tmp_path / "engine.db", tmp_path / "copy.db", commit)
        connection.close()
    assert steps > 200
    assert await ids(tmp_path / "copy.db") == before
    copied = sqlite3.connect(tmp_path / "copy.db")
    assert copied.execute("SELECT count(*) FROM logs").fetchone() == (0,)
    copied.close()


@pytest.mark.parametrize(("version", "bug"), [("3.40.1", True), ("3.51.2", True), ("3.51.3", False), ("3.54.1", False)])
def test_the_version_tells_whether_the_file_could_be_damaged(version: str, bug: bool) -> None:
    """SQLite before 3.51.3 has the bug; the version that runs is told."""
    assert sqlite_facts(version) == (version, bug)
    assert sqlite_facts().version == sqlite3.sqlite_version
