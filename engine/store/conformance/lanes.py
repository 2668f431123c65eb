"""Cases about lanes: what is appended, who owns a lane, what its owner finds."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from unittest.mock import patch

from engine.store.base import NewEntry, Settlement
from engine.store.conformance.harness import LANE, ROOM, TTL, Harness, all_of, expect, lease_of, put


async def duplicates_are_found_among_concurrent_appends(harness: Harness) -> None:
    """Of 50 appends of one event at once, one is fresh, and all name the same entry."""
    store = await harness.start()
    given = await asyncio.gather(*(store.append([NewEntry(LANE, n, "event-1")]) for n in range(50)))
    expect(sum(fresh for [(_, fresh)] in given), 1, "one append is fresh")
    expect(len({entry for [(entry, _)] in given}), 1, "all name one entry")
    expect(len(await all_of(store, await lease_of(store))), 1, "the lane has one entry")


async def duplicates_are_found_after_the_entry_is_done(harness: Harness) -> None:
    """An event that was worked already is a duplicate, until its memory is purged."""
    store = await harness.start()
    [(entry, _)] = await store.append([NewEntry(LANE, 1, "event-1")])
    lease = await lease_of(store)
    await store.settle(Settlement("s", lease, done=[entry]))
    expect(await store.append([NewEntry(LANE, 1, "event-1")]), [(entry, False)], "a done event is still known")
    harness.clock.advance(60)
    await store.purge({"dedupe": harness.clock.text()}, 10)
    [(_, fresh)] = await store.append([NewEntry(LANE, 1, "event-1")])
    expect(fresh, True, "a forgotten event is fresh")


async def duplicates_are_found_within_their_scope_only(harness: Harness) -> None:
    """The same text in another scope is another event; without a scope the lane is the scope."""
    store = await harness.start()
    given = await store.append(
        [
            NewEntry("a/in/0", 1, "7"),
            NewEntry("b/in/0", 1, "7"),
            NewEntry("a/in/0", 1, "7", "hook"),
            NewEntry("a/in/1", 1, "7", "hook"),
        ]
    )
    expect([fresh for _, fresh in given], [True, True, True, False], "scopes are apart")


async def bodies_come_back_exactly_and_in_order(harness: Harness) -> None:
    """Decimals, dates, bytes and odd texts come back as they were, in the order they were appended."""
    store = await harness.start()
    bodies = [
        {"amount": Decimal("10.50"), "at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "day": date(2026, 1, 2)},
        [b"\x00\xff", None, True, 1.5, 2**70],
        {"$engine": "decimal", "value": "1"},
        "naïve \u2028 text",
    ]
    await put(store, *bodies)
    found = await all_of(store, await lease_of(store))
    expect([entry.body for entry in found], bodies, "bodies")
    expect([entry.id for entry in found], sorted(entry.id for entry in found), "ids sort as text")
    expect({entry.appended for entry in found}, {harness.clock.text()}, "the store's clock stamps entries")


async def a_late_commit_is_fetched(harness: Harness) -> None:
    """An append that began first and became visible last is not passed over by a fetch between."""
    store = await harness.start()
    lease = await lease_of(store)
    late = asyncio.create_task(put(store, "x" * 200_000))
    await asyncio.sleep(0)
    await put(store, "early")
    found = await all_of(store, lease)
    await late
    found += await all_of(store, lease)
    expect(sorted(len(entry.body) for entry in found), [5, 200_000], "both entries are fetched, once each")


async def a_fetch_continues_after_the_last(harness: Harness) -> None:
    """Each fetch of a lease goes on; bounds hold, but one entry always comes."""
    store = await harness.start()
    await put(store, *("x" * 100 for _ in range(5)))
    lease = await lease_of(store)
    counts = [len(await store.fetch(lease, 2, ROOM)), len(await store.fetch(lease, 100, 1))]
    counts += [len(await store.fetch(lease, 100, 230)), len(await store.fetch(lease, 100, ROOM))]
    expect(counts, [2, 1, 2, 0], "entries of each fetch")


async def a_fetch_changes_nothing(harness: Harness) -> None:
    """What was fetched and not settled is there for the next owner."""
    store = await harness.start()
    ids = await put(store, 1, 2, 3)
    lease = await lease_of(store)
    await all_of(store, lease)
    await store.release([lease])
    found = await all_of(store, await lease_of(store))
    expect([entry.id for entry in found], ids, "all entries are there again")


async def a_lane_has_one_owner(harness: Harness) -> None:
    """A held lane is not given to another until its lease runs out; renewing prolongs it."""
    store = await harness.start()
    lease = await lease_of(store)
    expect(await store.acquire(LANE, 1, TTL), [], "a held lane is not free")
    harness.clock.advance(TTL - 1)
    expect(await store.renew([lease], TTL), [lease], "a held lease is renewed")
    harness.clock.advance(TTL - 1)
    expect(await store.acquire(LANE, 1, TTL), [], "a renewed lane is not free")
    harness.clock.advance(2)
    expect([taken.lane for taken in await store.acquire(LANE, 1, TTL)], [LANE], "an expired lane is free")


async def renewing_gives_what_is_still_held(harness: Harness) -> None:
    """A lease that another took over is not given back by a renewal."""
    store = await harness.start()
    lost = await lease_of(store)
    kept = await lease_of(store, "other", TTL * 10)
    harness.clock.advance(TTL + 1)
    await lease_of(store)
    expect(await store.renew([lost, kept], TTL), [kept], "only the held one")


async def tokens_strictly_grow(harness: Harness) -> None:
    """Each lease of a lane has a higher token, over releases, expiry and restarts."""
    store = await harness.start()
    tokens = []
    for _ in range(3):
        lease = await lease_of(store)
        tokens.append(lease.token)
        await store.release([lease])
    tokens.append((await lease_of(store)).token)
    harness.clock.advance(TTL + 1)
    tokens.append((await lease_of(store)).token)
    store = await harness.restart()
    harness.clock.advance(TTL + 1)
    tokens.append((await lease_of(store)).token)
    expect(tokens, sorted(set(tokens)), "tokens grow")


async def restarts_count_crashes_only(harness: Harness) -> None:
    """A lost owner counts, one that gave up does not, and work that was settled starts the count anew."""
    store = await harness.start()
    lease = await lease_of(store)
    await store.release([lease])
    lease = await lease_of(store)
    expect((await store.load(lease)).restarts, 0, "a release is no crash")
    for crashes in (1, 2):
        store = await harness.restart()
        harness.clock.advance(TTL + 1)
        lease = await lease_of(store)
        expect((await store.load(lease)).restarts, crashes, "crashes in a row")
    await store.settle(Settlement("s", lease, {"at": 1}))
    expect((await store.load(lease)).restarts, 0, "a settlement starts anew")


async def the_longest_waiting_lane_comes_first(harness: Harness) -> None:
    """Lanes with a prefix are given by how long they wait, the one named so exactly before all."""
    store = await harness.start()
    for lane in ("p/in/b", "p/in/a", "p/in", "q/in/a"):
        await put(store, 1, lane=lane)
        harness.clock.advance(1)
    taken = await store.acquire("p/in/", 9, TTL)
    expect([lease.lane for lease in taken], ["p/in/b", "p/in/a"], "by waiting, of this prefix only")
    await store.release(taken)
    expect([lease.lane for lease in await store.acquire("p/in", 1, TTL)], ["p/in"], "the exact name first")


async def the_callers_clock_does_not_matter(harness: Harness) -> None:
    """A caller whose clock is an hour ahead takes no lane before its time; the store's clock counts."""
    store = await harness.start()
    lease = await lease_of(store)
    real = time.time
    with patch("time.time", lambda: real() + 3600):
        expect(await store.acquire(LANE, 1, TTL), [], "the lane is still held")
        [(entry, _)] = await store.append([NewEntry(LANE, 1)])
    [found] = await store.fetch(lease, 1, ROOM)
    expect((found.id, found.appended), (entry, harness.clock.text()), "the store stamps the entry")
    harness.clock.advance(TTL + 1)
    expect(len(await store.acquire(LANE, 1, TTL)), 1, "the store's clock ends the lease")


async def waiting_ends_with_an_append(harness: Harness) -> None:
    """Who waits for a prefix is woken by an entry under it, also by one that came before the wait."""
    store = await harness.start()
    waiting = asyncio.create_task(store.wait("orders/", 60))
    await asyncio.sleep(0)
    await put(store, 1)
    async with asyncio.timeout(2):
        await waiting
    await put(store, 2)
    async with asyncio.timeout(2):
        await store.wait("orders/", 60)
    await store.wait("orders/", 0.001)


CASES = (
    duplicates_are_found_among_concurrent_appends,
    duplicates_are_found_after_the_entry_is_done,
    duplicates_are_found_within_their_scope_only,
    bodies_come_back_exactly_and_in_order,
    a_late_commit_is_fetched,
    a_fetch_continues_after_the_last,
    a_fetch_changes_nothing,
    a_lane_has_one_owner,
    renewing_gives_what_is_still_held,
    tokens_strictly_grow,
    restarts_count_crashes_only,
    the_longest_waiting_lane_comes_first,
    the_callers_clock_does_not_matter,
    waiting_ends_with_an_append,
)
