"""Several processes and one store: one writes, all read, and what cannot be opened says what to do."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from engine.errors import StoreFailed, Unavailable
from engine.store.base import NewEntry, Where
from engine.store.sqlite import SqliteStore, connect

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "engine.db"


async def filled(path: Path) -> None:
    """Make a store with one entry."""
    async with AsyncExitStack() as stack:
        store = SqliteStore(path, reserve=0, min_free=0)
        await store.open(stack, "first")
        await store.append([NewEntry("a/in/0", 1)])


async def opened(path: Path, wait: float = 0.0) -> None:
    async with AsyncExitStack() as stack:
        await SqliteStore(path, wait=wait, reserve=0, min_free=0).open(stack, "second")


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


async def test_a_second_process_that_writes_is_refused_and_told_by_whom(path: Path) -> None:
    """It waits its time, then names the first one's command and pid; once that one ended it gets in."""
    with holder(path) as process:
        with pytest.raises(
            Unavailable, match=rf"store_process.py hold \(pid {process.pid}\) is writing .* within 0.1 s"
        ):
            await opened(path, wait=0.1)
        process.kill()
    await opened(path)


async def test_a_second_process_that_writes_waits_for_the_first(path: Path) -> None:
    """A first one that ends within the wait is no obstacle."""
    with holder(path) as process:
        process.communicate("")
        await opened(path, wait=10)


async def test_two_stores_in_one_process_are_two_as_well(path: Path) -> None:
    """The lock belongs to the open store, not to the process."""
    async with AsyncExitStack() as stack:
        await SqliteStore(path, reserve=0, min_free=0).open(stack, "first")
        with pytest.raises(Unavailable, match=rf"\(pid {os.getpid()}\) is writing"):
            await opened(path)


async def test_reading_works_while_another_process_writes(path: Path) -> None:
    """A reading store sees what is committed, also what comes later, and cannot write."""
    await filled(path)
    with holder(path) as process:
        async with AsyncExitStack() as stack:
            store = SqliteStore(path)
            await store.open_readonly(stack)
            assert [entry.body for entry in (await store.find("entries"))[0]] == [1]
            with pytest.raises(Unavailable, match="for reading only"):
                await store.append([NewEntry("a/in/0", 2)])
            process.communicate("")
            async with AsyncExitStack() as writing:
                writer = SqliteStore(path, reserve=0, min_free=0)
                await writer.open(writing, "third")
                await writer.append([NewEntry("a/in/0", 2)])
            assert [entry.body for entry in (await store.find("entries"))[0]] == [1, 2]


async def test_reading_after_a_crash_finds_what_was_committed(path: Path) -> None:
    """What a killed process committed is still in its log file; a reader alone finds it there."""
    with holder(path) as process:
        process.kill()
    async with AsyncExitStack() as stack:
        store = SqliteStore(path)
        await store.open_readonly(stack)
        assert await store.find("runs") == ([], None)


async def test_a_store_that_is_not_there_reads_as_empty_until_it_is(path: Path) -> None:
    """Reading makes no file; once another process made one, the same reader shows it."""
    async with AsyncExitStack() as stack:
        store = SqliteStore(path)
        await store.open_readonly(stack)
        assert await store.find("entries") == ([], None)
        assert not path.parent.exists()
        await filled(path)
        assert [entry.body for entry in (await store.find("entries"))[0]] == [1]


async def test_the_files_are_for_their_owner_only(path: Path) -> None:
    """The folder it makes is 0700 and every file 0600, whatever the umask says and was before."""
    old = os.umask(0)
    try:
        async with AsyncExitStack() as stack:
            store = SqliteStore(path, reserve=4096, min_free=0)
            await store.open(stack, "first")
            await store.append([NewEntry("a/in/0", 1)])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(old)
    names = ("engine.db", "engine.db-wal", "engine.db-shm", "engine.db.lock", "engine.db.reserve")
    assert modes == dict.fromkeys(names, 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    await opened(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_file_is_set_up_for_durability(path: Path) -> None:
    """Write-ahead log, a flush at every commit, room given back: what the promises rest on."""
    connection = connect.open_writer(_made(path), sqlite3.Connection, unclean=False)
    asked = ("journal_mode", "synchronous", "auto_vacuum", "journal_size_limit", "foreign_keys", "trusted_schema")
    found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked]
    connection.close()
    assert found == ["wal", 2, 2, 67108864, 1, 0]


def _made(path: Path) -> Path:
    path.parent.mkdir()
    return path


async def test_a_reader_cannot_write(path: Path) -> None:
    """Not even SQL given to its connection by mistake changes anything."""
    await filled(path)
    connection = connect.open_reader(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM entries")
    connection.close()


def change(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(sql)
    connection.close()


async def read(path: Path) -> None:
    async with AsyncExitStack() as stack:
        await SqliteStore(path).open_readonly(stack)


async def test_a_store_of_a_newer_engine_is_refused(path: Path) -> None:
    """Neither writing nor reading touches it; the message says what to do, and nothing was changed."""
    await filled(path)
    change(path, "PRAGMA user_version=999")
    for attempt in (opened, read):
        with pytest.raises(Unavailable, match=r"newer engine \(its version 999, .* install that engine again"):
            await attempt(path)
    change(path, "PRAGMA user_version=1")
    await opened(path)


async def test_a_database_of_another_program_is_refused(path: Path) -> None:
    """The engine makes no tables among a stranger's."""
    path.parent.mkdir()
    change(path, "CREATE TABLE theirs (id)")
    for attempt in (opened, read):
        with pytest.raises(Unavailable, match=r"another program; set store\.sqlite\.path"):
            await attempt(path)


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    """A text file under the store's name is not overwritten."""
    path.parent.mkdir()
    path.write_text("these are my notes, not a database " * 100)
    for attempt in (opened, read):
        with pytest.raises(StoreFailed, match=r"damaged .* put a backup in its place"):
            await attempt(path)
    assert path.read_text().startswith("these are my notes")


async def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    """The message names the file, the reason and the setting."""
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match=r"engine\.db: the store cannot be made here .* set store\.sqlite\.path"):
        await opened(tmp_path / "data" / "engine.db")


async def test_a_network_drive_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's log cannot be shared safely there; said before any data is trusted to it."""
    monkeypatch.setattr("engine.store.sqlite.files._file_system", lambda folder: "nfs4")
    with pytest.raises(Unavailable, match=r"network drive \(nfs4\)"):
        await opened(path)


async def test_an_open_that_failed_leaves_the_lock_free(path: Path) -> None:
    """After a refusal the next process is refused for the same reason, not because of a lock."""
    await filled(path)
    change(path, "PRAGMA user_version=999")
    for _ in range(2):
        with pytest.raises(Unavailable, match="newer engine"):
            await opened(path)


async def test_runs_of_a_killed_process_free_their_lanes_at_once(path: Path) -> None:
    """Its lock is gone with it, so nobody waits for its leases to run out."""
    async with AsyncExitStack() as stack:
        store = SqliteStore(path, reserve=0, min_free=0)
        await store.open(stack, "first")
        await store.acquire("a/run", 1, 3600)
    async with AsyncExitStack() as stack:
        store = SqliteStore(path, reserve=0, min_free=0)
        await store.open(stack, "second")
        [lease] = await store.acquire("a/run", 1, 3600)
        assert (await store.load(lease)).restarts == 1
        assert [row.owner for row in (await store.find("lanes", Where(lane="a/run")))[0]] == ["second"]
