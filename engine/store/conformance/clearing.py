"""Cases about lanes that nobody works: found by what waits in them, emptied or moved."""

from __future__ import annotations

from engine.errors import LeaseLost, StoreError
from engine.store.base import LaneRow, NewEntry, Settlement
from engine.store.conformance.harness import (
    LANE,
    TTL,
    Harness,
    all_of,
    expect,
    expect_error,
    lease_of,
    put,
    rows,
)

NEW = "renamed/in/0"


async def lanes_with_entries_are_waiting(harness: Harness) -> None:
    """A lane waits from its first entry to its last, whether or not somebody holds it."""
    store = await harness.start()
    expect(list(await store.waiting()), [], "nothing waits at first")
    for lane in ("b/in/0", "a/in/0", "a/fire"):
        await put(store, 1, 2, 3, lane=lane)
    await lease_of(store, "c/in/0")
    lease = await lease_of(store, "a/fire")
    expect(list(await store.waiting()), ["a/fire", "a/in/0", "b/in/0"], "lanes with entries, by name")
    ids = [entry.id for entry in await all_of(store, lease)]
    await store.settle(Settlement("s1", lease, done=ids[:2]))
    expect(list(await store.waiting()), ["a/fire", "a/in/0", "b/in/0"], "one is left")
    await store.settle(Settlement("s2", lease, done=ids[2:]))
    expect(list(await store.waiting()), ["a/in/0", "b/in/0"], "none is left")


async def a_lane_shows_its_oldest_entry(harness: Harness) -> None:
    """The listing says since when the first of a lane's entries waits."""
    store = await harness.start()
    began = harness.clock.text()
    [first] = await put(store, 1)
    harness.clock.advance(60)
    await put(store, 2, 3)
    later = harness.clock.text()
    [shown] = await rows(store, "lanes", lane=LANE)
    expect(shown, LaneRow(LANE, None, 3, None, began, began), "the first")
    lease = await lease_of(store)
    await store.settle(Settlement("s", lease, done=[first]))
    [shown] = await rows(store, "lanes", lane=LANE)
    expect((shown.entries, shown.oldest), (2, later), "the first that is left")
    await store.settle(Settlement("t", lease, done=[entry.id for entry in await all_of(store, lease)]))
    [shown] = await rows(store, "lanes", lane=LANE)
    expect((shown.entries, shown.oldest), (0, None), "none is left")


async def entries_are_dropped_in_steps(harness: Harness) -> None:
    """The first so many go, count as done, and leave other lanes alone."""
    store = await harness.start()
    [(first, _)] = await store.append([NewEntry(LANE, 1, "event-1")])
    await put(store, 2, 3)
    await put(store, 4, lane="orders/in/1")
    expect(await store.clear(LANE, None, 2), 2, "the first step")
    expect([entry.body for entry in await rows(store, "entries")], [3, 4], "what is left")
    expect(await store.append([NewEntry(LANE, 1, "event-1")]), [(first, False)], "a dropped event is still known")
    harness.clock.advance(60)
    expect(await store.purge({"dedupe": harness.clock.text()}, 10), 1, "until its memory is purged")
    expect([await store.clear(LANE, None, 2), await store.clear(LANE, None, 2)], [1, 0], "the last steps")
    expect(await store.clear("no/such/lane", None, 2), 0, "a lane that never was")
    expect(len(await all_of(store, await lease_of(store))), 0, "the lane can be taken, and is empty")


async def moved_entries_stay_what_they_are(harness: Harness) -> None:
    """They come after those of the new lane, in their order, also to an owner that has fetched there already."""
    store = await harness.start()
    began = harness.clock.text()
    await store.append([NewEntry(LANE, 1, "event-1"), NewEntry(LANE, 2, "event-2", "hook"), NewEntry(LANE, 3)])
    harness.clock.advance(60)
    [there] = await put(store, 0, lane=NEW)
    owner = await lease_of(store, NEW)
    expect([entry.id for entry in await all_of(store, owner)], [there], "what is there")
    expect([await store.clear(LANE, NEW, 2), await store.clear(LANE, NEW, 2)], [2, 1], "two steps")
    found = await all_of(store, owner)
    expect([(entry.body, entry.appended, entry.lane) for entry in found], [(n, began, NEW) for n in (1, 2, 3)], "moved")
    given = await store.append([NewEntry(LANE, 1, "event-1"), NewEntry(NEW, 2, "event-2", "hook")])
    expect(given, [(found[0].id, False), (found[1].id, False)], "their events are known")
    await store.settle(Settlement("s", owner, done=[entry.id for entry in found]))
    harness.clock.advance(60)
    expect(await store.purge({"dedupe": harness.clock.text()}, 10), 2, "done where they went")


async def a_lane_in_use_is_not_cleared(harness: Harness) -> None:
    """A held lane is left alone; once its lease has run out it is cleared, and its owner can settle nothing more."""
    store = await harness.start()
    ids = await put(store, 1, 2)
    lease = await lease_of(store)
    await expect_error(store.clear(LANE, None, 9), StoreError, "dropping from a held lane")
    await expect_error(store.clear(LANE, NEW, 9), StoreError, "moving from a held lane")
    await expect_error(store.clear(LANE, LANE, 9), StoreError, "moving to itself")
    await expect_error(store.clear(LANE, "orders/", 9), StoreError, "moving to what is no lane")
    expect([entry.id for entry in await rows(store, "entries")], ids, "nothing changed")
    await store.settle(Settlement("s1", lease, done=ids[:1]))
    harness.clock.advance(TTL + 1)
    expect(await store.clear(LANE, NEW, 9), 1, "the lease has run out")
    await expect_error(store.settle(Settlement("s2", lease, {"at": 1})), LeaseLost, "settling after that")
    expect((await store.load(await lease_of(store))).restarts, 1, "its owner was lost")


CASES = (
    lanes_with_entries_are_waiting,
    a_lane_shows_its_oldest_entry,
    entries_are_dropped_in_steps,
    moved_entries_stay_what_they_are,
    a_lane_in_use_is_not_cleared,
)
