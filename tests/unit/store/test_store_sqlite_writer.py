"""The writer: what is waiting shares one commit, and one that fails does not spoil the others."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import ClassVar

import pytest

from engine.errors import LeaseLost, StoreError, StoreFailed, StoreFull
from engine.store.base import Lease, NewEntry, Settlement
from engine.store.sqlite import SqliteStore, clearing


class Watched(sqlite3.Connection):
    """Counts commits, and fails as told."""

    commits = 0
    errors: ClassVar[list[int]] = []
    """What becomes of the next commits: the number of an error, or 0."""

    def execute(self, sql: str, *args: object) -> sqlite3.Cursor:
        if sql == "COMMIT":
            if Watched.errors and (code := Watched.errors.pop(0)):
                error = sqlite3.OperationalError("made to fail")
                error.sqlite_errorcode = code
                raise error
            Watched.commits += 1
        return super().execute(sql, *args)  # type: ignore[arg-type]


class WatchedStore(SqliteStore):
    connection_class = Watched


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with AsyncExitStack() as stack:
        store = WatchedStore(tmp_path / "engine.db", reserve=0, min_free=0)
        await store.open(stack, "test")
        Watched.commits, Watched.errors = 0, []
        yield store


async def held_up(store: SqliteStore) -> threading.Event:
    """Keep the writer busy until the event is set, so that work piles up behind."""
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def wait(connection: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(10)

    store.held = asyncio.create_task(store._write(wait))  # type: ignore[attr-defined]
    await begun.wait()
    return go_on


def one(body: object) -> list[NewEntry]:
    return [NewEntry("a/in/0", body)]


async def outcomes(store: SqliteStore, go_on: threading.Event, *calls: object) -> list[object]:
    tasks = [asyncio.ensure_future(call) for call in calls]  # type: ignore[call-overload]
    await asyncio.sleep(0)
    go_on.set()
    return list(await asyncio.gather(*tasks, return_exceptions=True))


async def bodies(store: SqliteStore) -> list[object]:
    return [entry.body for entry in (await store.find("entries"))[0]]


async def test_what_waits_shares_a_commit(store: SqliteStore) -> None:
    """100 appends that arrived during a commit take one more."""
    go_on = await held_up(store)
    given = await outcomes(store, go_on, *(store.append(one(number)) for number in range(100)))
    assert len({entry for [(entry, _)] in given}) == 100  # type: ignore[misc,attr-defined]
    assert Watched.commits == 2


async def test_a_group_is_bounded(store: SqliteStore) -> None:
    """300 items make two groups, and so does more than a MiB."""
    go_on = await held_up(store)
    await outcomes(store, go_on, *(store.append(one(number)) for number in range(300)))
    assert Watched.commits == 3
    go_on = await held_up(store)
    await outcomes(store, go_on, *(store.append(one("x" * 600_000)) for _ in range(3)))
    assert Watched.commits == 6


async def test_one_that_is_refused_leaves_its_neighbours_alone(store: SqliteStore) -> None:
    """A lost lease in the middle of a group is its owner's matter only."""
    go_on = await held_up(store)
    lost = store.settle(Settlement("s", Lease("a/in/0", "nobody", 9), {"at": 1}, append=one("lost")))
    first, refused, last = await outcomes(store, go_on, store.append(one(1)), lost, store.append(one(2)))
    assert isinstance(refused, LeaseLost)
    assert (first[0][1], last[0][1]) == (True, True)  # type: ignore[index]
    assert await bodies(store) == [1, 2]
    assert Watched.commits == 2


async def test_an_append_that_cannot_be_written_leaves_its_neighbours_alone(store: SqliteStore) -> None:
    """Appends of a group share their statements; one that SQLite cannot take is its caller's matter only."""
    go_on = await held_up(store)
    given = await outcomes(store, go_on, *(store.append(one(body)) for body in (1, "half a pair: \ud800", 2)))
    assert isinstance(given[1], UnicodeEncodeError)
    assert (given[0][0][1], given[2][0][1]) == (True, True)  # type: ignore[index]
    assert await bodies(store) == [1, 2]
    assert Watched.commits == 2


async def test_duplicates_in_one_group_name_the_first(store: SqliteStore) -> None:
    """Among callers, within one call, and against what is there: all get the first one's id, which is there once."""
    await store.append([NewEntry("a/in/0", "old", "0")])
    go_on = await held_up(store)
    calls = [[NewEntry("a/in/0", (call, event), event) for event in "0121"] for call in range(3)]
    given = await outcomes(store, go_on, *map(store.append, calls))
    numbers = [[(int(entry, 16), fresh) for entry, fresh in call] for call in given]  # type: ignore[attr-defined]
    [(old, _), (first, _), (second, _), _] = numbers[0]
    assert numbers[0] == [(old, False), (first, True), (second, True), (first, False)]
    assert numbers[1] == numbers[2] == [(old, False), (first, False), (second, False), (first, False)]
    assert await bodies(store) == ["old", [0, "1"], [0, "2"]]


async def test_more_rows_than_one_statement_takes_keep_their_order(store: SqliteStore) -> None:
    """A large append is whole and in order, and so are its duplicates."""
    new = [NewEntry("a/in/0", number, str(number) if number % 3 else None) for number in range(500)]
    given = await store.append(new)
    assert [entry for entry, _ in given] == sorted({entry for entry, _ in given})
    assert await bodies(store) == list(range(50))
    again = await store.append(new)
    assert [fresh for _, fresh in again] == [number % 3 == 0 for number in range(500)]
    assert [entry for entry, fresh in again if not fresh] == [given[number][0] for number in range(500) if number % 3]


async def test_a_lane_whose_first_append_failed_is_made_by_the_next(store: SqliteStore) -> None:
    """What is taken for a lane that is there is on disk: entries of a lane nobody can take would be lost."""
    Watched.errors = [sqlite3.SQLITE_FULL, sqlite3.SQLITE_FULL]  # together, and apart
    with pytest.raises(StoreFull):
        await store.append(one(1))
    await store.append(one(2))
    await store.append(one(3))
    [lease] = await store.acquire("a/", 9, 60)
    assert [entry.body for entry in await store.fetch(lease, 9, 1000)] == [2, 3]


async def test_naming_waiting_lanes_costs_by_lane_not_by_entry(store: SqliteStore) -> None:
    """Ten times the entries, the same number of steps."""
    steps = []
    for _ in range(2):
        for lane in ("a/in/0", "b/in/0", "c/in/0"):
            await store.append([NewEntry(lane, number) for number in range(200 + 1800 * len(steps))])
        steps.append(await store._write(counted))
    assert await store.waiting() == ["a/in/0", "b/in/0", "c/in/0"]
    assert steps[1] < steps[0] * 1.2 < 1000


def counted(connection: sqlite3.Connection) -> int:
    """Count the steps SQLite takes."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.set_progress_handler(count, 1)
    clearing.waiting(connection)
    connection.set_progress_handler(None, 0)
    return steps


async def test_a_full_disk_at_the_commit_takes_the_group_apart(store: SqliteStore) -> None:
    """Who fits when alone gets in; who does not is told that nothing was changed."""
    go_on = await held_up(store)
    Watched.errors = [0, sqlite3.SQLITE_FULL, sqlite3.SQLITE_FULL]  # the held-up one, the group, its first alone
    given = await outcomes(store, go_on, *(store.append(one(number)) for number in range(4)))
    assert [isinstance(outcome, StoreFull) for outcome in given] == [True, False, False, False]
    assert await bodies(store) == [1, 2, 3]


async def test_a_failing_disk_ends_it_for_all_and_for_good(store: SqliteStore) -> None:
    """Nobody in the group is told that it is kept, and no later call is tried on the same file."""
    go_on = await held_up(store)
    Watched.errors = [0, sqlite3.SQLITE_IOERR_FSYNC]
    given = await outcomes(store, go_on, store.append(one(1)), store.append(one(2)))
    assert [type(outcome) for outcome in given] == [StoreFailed, StoreFailed]
    with pytest.raises(StoreFailed, match="must end"):
        await store.append(one(3))
    assert await bodies(store) == []
    assert Watched.commits == 1


async def test_work_of_a_cancelled_caller_does_not_disturb(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A caller that went away while its append waited gets no answer; the others do."""
    go_on = await held_up(store)
    gone = asyncio.create_task(store.append(one("gone")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gone.cancel()
    [given] = await outcomes(store, go_on, store.append(one("here")))
    assert given[0][1] is True  # type: ignore[index]
    assert "here" in await bodies(store)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_what_was_submitted_before_the_end_is_written(tmp_path: Path) -> None:
    """Closing finishes the queue; later calls are refused."""
    path = tmp_path / "engine.db"
    stack = AsyncExitStack()
    store = SqliteStore(path, reserve=0, min_free=0)
    await store.open(stack, "test")
    go_on = await held_up(store)
    appends = [asyncio.create_task(store.append(one(number))) for number in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(stack.aclose())
    go_on.set()
    await closing
    assert [fresh for [(_, fresh)] in await asyncio.gather(*appends)] == [True] * 5
    with pytest.raises(StoreError, match="closed"):
        await store.append(one(9))
    async with AsyncExitStack() as again:
        store = SqliteStore(path, reserve=0, min_free=0)
        await store.open(again, "test")
        assert await bodies(store) == [0, 1, 2, 3, 4]


async def test_what_is_not_plain_data_is_refused_before_it_is_queued(store: SqliteStore) -> None:
    """A value the store cannot give back exactly is an error of its caller."""
    with pytest.raises(TypeError, match="object is not plain data"):
        await store.append(one(object()))
    assert Watched.commits == 0
