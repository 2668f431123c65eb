"""Pauses and orphaned lanes: kept in the store, changed under a lease, and never by accident."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from engine.errors import StoreError, Unavailable
from engine.service import orphans
from engine.service.pauses import pause, paused, resume
from engine.store.base import NewEntry, Where
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore

AT = "2026-11-22T09:00:00.000000+00:00"
LATER = "2026-11-22T10:00:00.000000+00:00"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    async with AsyncExitStack() as stack:
        made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "engine.db", reserve=0)
        await made.open(stack, "test")
        yield made


async def test_a_pause_is_kept_with_who_and_when_until_it_is_undone(store) -> None:
    assert await paused(store) == {}
    await pause(store, "orders", "ada", AT)
    await pause(store, "press[p-07]", "bob", LATER)
    assert await paused(store) == {"orders": {"by": "ada", "at": AT}, "press[p-07]": {"by": "bob", "at": LATER}}
    await resume(store, "orders", "bob")
    assert await paused(store) == {"press[p-07]": {"by": "bob", "at": LATER}}
    logs, _ = await store.find("logs", Where(run="*/paused/orders"))
    assert [line.message for line in logs] == ["paused by ada", "resumed by bob"]


async def test_the_first_pause_counts_and_a_second_resume_is_nothing(store) -> None:
    await pause(store, "orders", "ada", AT)
    await pause(store, "orders", "bob", LATER)
    assert (await paused(store))["orders"] == {"by": "ada", "at": AT}
    await resume(store, "orders")
    await resume(store, "orders")
    assert await paused(store) == {}
    await pause(store, "orders", "bob", LATER)
    assert (await paused(store))["orders"]["by"] == "bob"


async def test_two_at_the_same_moment_do_not_undo_each_other(store) -> None:
    held = await store.acquire("*/paused/orders", 1, 30.0)
    with pytest.raises(Unavailable, match="at this moment"):
        await pause(store, "orders", "ada", AT)
    await store.release(held)
    await pause(store, "orders", "ada", AT)
    assert set(await paused(store)) == {"orders"}


async def test_a_pause_outlives_the_process(tmp_path) -> None:
    async with AsyncExitStack() as stack:
        store = SqliteStore(tmp_path / "engine.db", reserve=0)
        await store.open(stack, "one")
        await pause(store, "orders", "ada", AT)
    async with AsyncExitStack() as stack:
        store = SqliteStore(tmp_path / "engine.db", reserve=0)
        await store.open(stack, "two")
        assert set(await paused(store)) == {"orders"}


# orphans


async def fill(store, lane: str, number: int = 3) -> None:
    await store.append([NewEntry(lane, {"n": n, "pipeline": lane.split("/")[0]}) for n in range(number)])


async def entries(store, lane: str) -> list[object]:
    found, _ = await store.find("entries", Where(lane=lane))
    return [entry.body for entry in found]


async def test_lanes_with_entries_are_listed(store) -> None:
    await fill(store, "gone/in/0", 2)
    await pause(store, "orders", "ada", AT)
    assert [(row.lane, row.entries) for row in await orphans.lanes(store)] == [("gone/in/0", 2)]


async def test_what_is_dropped_is_gone(store) -> None:
    await fill(store, "gone/in/0", 2500)
    assert await orphans.settle(store, "gone/in/0", "drop", known={"orders"}) == 2500
    assert await orphans.lanes(store) == []


async def test_what_is_moved_keeps_its_order(store) -> None:
    await fill(store, "gone/in/0", 1200)
    assert await orphans.settle(store, "gone/in/0", "move", "orders", {"orders"}) == 1200
    assert [(row.lane, row.entries) for row in await orphans.lanes(store)] == [("orders/in/0", 1200)]
    (lease,) = await store.acquire("orders/in/0", 1, 30.0)
    bodies = [entry.body["n"] for entry in await store.fetch(lease, 2000, 1 << 30)]
    assert bodies == list(range(1200))


@pytest.mark.parametrize(
    ("lane", "to", "says"),
    [
        ("orders/in/0", "", "belongs to a pipeline that is there"),
        ("*/timers", "", "belongs to a pipeline that is there"),
        ("gone/in/0", "nobody", "no pipeline 'nobody'"),
    ],
)
async def test_what_is_not_orphaned_is_not_touched(store, lane, to, says) -> None:
    await fill(store, lane)
    with pytest.raises(Unavailable, match=says):
        await orphans.settle(store, lane, "move" if to else "drop", to, {"orders"})
    assert len(await entries(store, lane)) == 3


async def test_a_lane_that_is_still_worked_is_not_touched(store) -> None:
    await fill(store, "gone/in/0")
    held = await store.acquire("gone/in/0", 1, 30.0)
    with pytest.raises(StoreError):
        await orphans.settle(store, "gone/in/0", "drop")
    await store.release(held)
    assert await orphans.settle(store, "gone/in/0", "drop") == 3
