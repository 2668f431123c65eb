"""Cases about settling: all at once or nothing, once, and only by the owner."""

from __future__ import annotations

from typing import NamedTuple

from engine.errors import LeaseLost, StoreFull
from engine.store.base import Lease, LogLine, NewEntry, Progress, Settlement, Store
from engine.store.conformance.harness import (
    LANE,
    TTL,
    Harness,
    Torn,
    all_of,
    expect,
    expect_error,
    lease_of,
    letter,
    put,
    rows,
    run,
)


class Ids(NamedTuple):
    """The entries that ``everything`` finishes."""

    mine: str
    others: str


def everything(lease: Lease, done: Ids, other: Lease) -> Settlement:
    """Settle something of every kind."""
    return Settlement(
        "all",
        lease,
        {"at": 7},
        {"sum": b"7", "old": None},
        [done.mine],
        [letter("d-1"), letter("d-2", identity="x")],
        [NewEntry("orders/out/erp", {"n": 1}, "n-1")],
        run("run-1", status="success"),
        [LogLine("run-1", "", "info", "done", "all went well")],
        [(other, {"at": 8})],
        [(other, [done.others])],
    )


async def prepared(store: Store) -> tuple[Lease, Lease, Ids]:
    """Make a lane with state and entries, and a second lane with one, both held."""
    [mine, _] = await put(store, 1, 2)
    [others] = await put(store, 3, lane="orders/reset")
    lease, other = await lease_of(store), await lease_of(store, "orders/reset")
    await store.settle(Settlement("before", lease, {"at": 1}, {"old": b"1"}, run=run("run-1")))
    return lease, other, Ids(mine, others)


async def picture_of(store: Store, lease: Lease, other: Lease) -> list[object]:
    """Give all that a settlement can change."""
    entries = [(entry.lane, entry.body) for entry in await rows(store, "entries")]
    progress = [await store.load(held) for held in (lease, other)]
    history = [[row.status for row in await rows(store, "runs")], len(await rows(store, "logs"))]
    return [entries, progress, [found.id for found in await rows(store, "dead")], *history]


BEFORE = [
    [(LANE, 1), (LANE, 2), ("orders/reset", 3)],
    [Progress({"at": 1}, {"old": b"1"}, 0), Progress(None, {}, 0)],
    [],
    ["running"],
    0,
]
AFTER = [
    [(LANE, 2), ("orders/out/erp", {"n": 1})],
    [Progress({"at": 7}, {"sum": b"7"}, 0), Progress({"at": 8}, {}, 0)],
    ["d-2", "d-1"],
    ["success"],
    1,
]


async def an_old_token_leaves_no_trace(harness: Harness) -> None:
    """An owner that was replaced can settle, load and fetch nothing."""
    store = await harness.start()
    lease, other, done = await prepared(store)
    harness.clock.advance(TTL + 1)
    [mine, mine_too] = await lease_of(store), await lease_of(store, "orders/reset")
    before = await picture_of(store, mine, mine_too)
    await expect_error(store.settle(everything(lease, done, other)), LeaseLost, "settling with an old token")
    await expect_error(store.load(lease), LeaseLost, "loading with an old token")
    await expect_error(store.fetch(lease, 1, 1), LeaseLost, "fetching with an old token")
    expect(await picture_of(store, mine, mine_too), before, "nothing changed")


async def work_that_was_taken_over_is_done_once(harness: Harness) -> None:
    """An owner that stood still while another did its work commits nothing of it when it goes on."""
    store = await harness.start()
    await put(store, 1)
    paused = await lease_of(store)
    [mine] = await all_of(store, paused)
    harness.clock.advance(TTL + 1)
    awake = await lease_of(store)
    [theirs] = await all_of(store, awake)
    out = [NewEntry("orders/out/erp", 1)]
    await store.settle(Settlement("awake", awake, {"at": 2}, done=[theirs.id], append=out))
    late = Settlement("paused", paused, {"at": 1}, done=[mine.id], append=out, run=run("run-1"))
    await expect_error(store.settle(late), LeaseLost, "settling after the pause")
    expect(await store.renew([paused], TTL), [], "renewing after the pause")
    expect((await store.load(awake)).checkpoint, {"at": 2}, "the checkpoint")
    expect([entry.lane for entry in await rows(store, "entries")], ["orders/out/erp"], "what was appended")
    expect(await rows(store, "runs"), [], "history")


async def a_released_lease_settles_nothing(harness: Harness) -> None:
    """Who gave a lane up has no right to it, even while nobody else took it."""
    store = await harness.start()
    lease = await lease_of(store)
    await store.release([lease])
    await expect_error(store.settle(Settlement("s", lease, {"at": 1})), LeaseLost, "settling after the release")
    expect((await store.load(await lease_of(store))).checkpoint, None, "the checkpoint")


async def a_torn_settlement_is_all_or_nothing(harness: Harness) -> None:
    """Stumbling before any single change of a settlement leaves the state before; at the end all is there."""
    store = await harness.start()
    lease, other, done = await prepared(store)
    settlement = everything(lease, done, other)
    for step in range(1, 1000):
        tear = harness.tear(step)
        try:
            await store.settle(settlement)
        except Torn:
            expect(await picture_of(store, lease, other), BEFORE, f"torn before change {step}")
        else:
            expect(await picture_of(store, lease, other), AFTER, "settled")
            expect(step > 9, True, "the harness tears at every single change")
            return
        expect(tear.reached, True, "the store raises what it stumbled over")


async def settling_twice_is_settling_once(harness: Harness) -> None:
    """The same settlement again, by a caller that did not hear the answer, changes nothing and is no error."""
    store = await harness.start()
    lease, other, done = await prepared(store)
    for _ in range(2):
        await store.settle(everything(lease, done, other))
    expect(await picture_of(store, lease, other), AFTER, "settled once")
    await store.settle(Settlement("next", lease, {"at": 9}))
    await store.settle(everything(lease, done, other))
    expect((await store.load(lease)).checkpoint, {"at": 9}, "an earlier one does not come back")


async def a_settlement_names_its_entries(harness: Harness) -> None:
    """Entries before and after those named stay; those of other lanes cannot be named."""
    store = await harness.start()
    ids = await put(store, 1, 2, 3)
    [foreign] = await put(store, 4, lane="orders/in/1")
    lease = await lease_of(store)
    await store.settle(Settlement("s", lease, done=[ids[1], foreign, "no-such-entry"]))
    expect([entry.body for entry in await rows(store, "entries")], [1, 3, 4], "what is left")


async def silence_keeps_the_checkpoint(harness: Harness) -> None:
    """A settlement without a checkpoint leaves the lane's as it is; state keeps what is not named."""
    store = await harness.start()
    lease = await lease_of(store)
    await store.settle(Settlement("s1", lease, {"at": 1}, {"a": b"1", "b": b"2"}))
    await store.settle(Settlement("s2", lease, None, {"a": None, "c": b"\x00"}))
    expect(await store.load(lease), Progress({"at": 1}, {"b": b"2", "c": b"\x00"}, 0), "progress")


async def progress_survives_a_restart(harness: Harness) -> None:
    """What was settled is there in the next life, and entries go on where the last one settled."""
    store = await harness.start()
    [first, _] = await put(store, 1, 2)
    lease = await lease_of(store)
    await store.settle(Settlement("s", lease, {"at": (1, "a")}, {"sum": b"1"}, [first]))
    store = await harness.restart()
    harness.clock.advance(TTL + 1)
    lease = await lease_of(store)
    expect(await store.load(lease), Progress({"at": [1, "a"]}, {"sum": b"1"}, 1), "progress")
    expect([entry.body for entry in await all_of(store, lease)], [2], "unfinished entries")


async def further_lanes_are_settled_with_it(harness: Harness) -> None:
    """The other lanes of a settlement move with it, None clears them, and one that was lost stops it all."""
    store = await harness.start()
    lease = await lease_of(store, ttl=TTL * 10)
    other = await lease_of(store, "orders/reset")
    await store.settle(Settlement("s1", lease, {"at": 1}, also=[(other, {"at": 5})]))
    expect((await store.load(other)).checkpoint, {"at": 5}, "the other lane moves")
    await store.settle(Settlement("s2", lease, {"at": 2}, also=[(other, None)]))
    expect((await store.load(other)).checkpoint, None, "None clears the other lane")
    harness.clock.advance(TTL + 1)
    await lease_of(store, "orders/reset")
    lost = Settlement("s3", lease, {"at": 3}, also=[(other, {"at": 9})])
    await expect_error(store.settle(lost), LeaseLost, "the other lane was lost")
    expect((await store.load(lease)).checkpoint, {"at": 2}, "nothing was settled")


async def further_lanes_finish_their_entries(harness: Harness) -> None:
    """Entries of the other lanes go with the settlement, those lanes moved on, and one that was lost stops it all."""
    store = await harness.start()
    [(first, _), (_, _)] = await store.append([NewEntry("orders/fire", 1, "slot-1"), NewEntry("orders/fire", 2)])
    [foreign] = await put(store, 3)
    await lease_of(store, "orders/fire")
    harness.clock.advance(TTL + 1)
    lease, fire = await lease_of(store), await lease_of(store, "orders/fire")
    await store.settle(Settlement("s1", lease, run=run("run-1"), finished=[(fire, [first, foreign, "no-such-entry"])]))
    expect([entry.body for entry in await rows(store, "entries")], [2, 3], "what is left")
    expect((await store.load(fire)).restarts, 0, "the other lane moved on")
    expect(await store.append([NewEntry("orders/fire", 1, "slot-1")]), [(first, False)], "a done event is still known")
    [left] = await all_of(store, fire)
    harness.clock.advance(TTL - 1)
    await store.renew([lease], TTL)
    harness.clock.advance(2)
    await lease_of(store, "orders/fire")
    lost = Settlement("s2", lease, {"at": 2}, finished=[(fire, [left.id])])
    await expect_error(store.settle(lost), LeaseLost, "the other lane was lost")
    expect([entry.body for entry in await rows(store, "entries")], [2, 3], "nothing was finished")
    expect((await store.load(lease)).checkpoint, None, "nothing was settled")


async def a_full_store_changes_nothing_and_recovers(harness: Harness) -> None:
    """Without room appends and settlements raise StoreFull and leave no trace; with room the same calls succeed."""
    store = await harness.start()
    lease, other, done = await prepared(store)
    before = await picture_of(store, lease, other)
    large = [NewEntry(LANE, "x" * 65536) for _ in range(2)]
    settlement = everything(lease, done, other)._replace(dead=[letter("d-1", record="x" * 65536)])
    await harness.fill()
    await expect_error(store.append(large), StoreFull, "appending without room")
    await expect_error(store.settle(settlement), StoreFull, "settling without room")
    expect(await picture_of(store, lease, other), before, "nothing changed")
    await harness.free()
    await store.settle(settlement)
    expect([fresh for _, fresh in await store.append(large)], [True, True], "the same calls succeed")
    expect(len(await rows(store, "dead")), 1, "settled once")


async def runs_of_a_dead_process_are_interrupted(harness: Harness) -> None:
    """A run left running by a process that died is interrupted; finished ones stay as they are."""
    store = await harness.start()
    lease = await lease_of(store)
    await store.settle(Settlement("s1", lease, run=run("run-1")))
    await store.settle(Settlement("s2", lease, run=run("run-2", status="success", finished="2026-01-02")))
    died = harness.clock.text()
    harness.clock.advance(600)
    store = await harness.restart()
    found = [(row.id, row.status, row.finished) for row in await rows(store, "runs")]
    expect(found, [("run-2", "success", "2026-01-02"), ("run-1", "interrupted", died)], "runs")


CASES = (
    an_old_token_leaves_no_trace,
    work_that_was_taken_over_is_done_once,
    a_released_lease_settles_nothing,
    a_torn_settlement_is_all_or_nothing,
    settling_twice_is_settling_once,
    a_settlement_names_its_entries,
    silence_keeps_the_checkpoint,
    progress_survives_a_restart,
    further_lanes_are_settled_with_it,
    further_lanes_finish_their_entries,
    a_full_store_changes_nothing_and_recovers,
    runs_of_a_dead_process_are_interrupted,
)
