"""Cases about what is kept for people: dead letters, listings, and their removal."""

from __future__ import annotations

import asyncio

from engine.errors import StoreError
from engine.store.base import ANY, Cause, LogLine, NewEntry, Page, Settlement, Store, What, Where
from engine.store.conformance.harness import (
    TTL,
    Harness,
    all_of,
    dead,
    expect,
    expect_error,
    lease_of,
    letter,
    put,
    rows,
    run,
)


async def open_letters_of_one_identity_are_one(harness: Harness) -> None:
    """A record refused again is one dead letter of the newest content; a closed one is left alone."""
    store = await harness.start()
    lease = await lease_of(store)
    first = harness.clock.text()
    await dead(store, lease, letter("d-1", identity="7"), letter("d-2", identity="7", pipeline="other"))
    harness.clock.advance(5)
    await dead(store, lease, letter("d-3", identity="7", record={"id": "new"}, run="run-2"), letter("d-4"))
    [merged] = await rows(store, "dead", id="d-1")
    wanted = letter("d-1", identity="7", record={"id": "new"}, mapped={"no": "d-3"}, key="d-3", run="run-2", times=2)
    expect(merged, wanted._replace(first=first, last=harness.clock.text()), "merged")
    expect([found.id for found in await rows(store, "dead")], ["d-4", "d-2", "d-1"], "letters")
    await store.amend(Where(id="d-1"), "drop")
    await dead(store, lease, letter("d-5", identity="7"))
    found = [(row.id, row.status, row.times) for row in await rows(store, "dead", pipeline="orders", run="run-1")]
    expect(found, [("d-5", "open", 1), ("d-4", "open", 1)], "a new letter beside the closed one")


async def a_replay_of_a_replay_is_none(harness: Harness) -> None:
    """Replaying appends a letter once, as it stands, to its pipeline's lane; again gives 0."""
    store = await harness.start()
    await dead(store, await lease_of(store), letter("d-1"), letter("d-2", code="missing-field"), letter("d-3"))
    expect(await store.amend(Where(reason="refused: no such"), "replay", limit=1), 1, "replayed with a limit")
    expect(await store.amend(Where(reason="refused: no such"), "replay"), 1, "replayed the rest")
    expect(await store.amend(Where(reason="refused: no such"), "replay"), 0, "replayed again")
    found = await all_of(store, await lease_of(store, "orders/in/replay"))
    expect([entry.body["id"] for entry in found], ["d-1", "d-3"], "oldest first, once each")
    expect((found[0].body["record"], found[0].attempts), ({"id": "d-1"}, 3), "as it stood")
    expect([row.status for row in await rows(store, "dead")], ["replayed", "open", "replayed"], "their status")


async def replays_side_by_side_append_once(harness: Harness) -> None:
    """Of ten replays at once of one letter, one takes it."""
    store = await harness.start()
    await dead(store, await lease_of(store), letter("d-1"))
    counts = await asyncio.gather(*(store.amend(Where(id="d-1"), "replay") for _ in range(10)))
    expect(sum(counts), 1, "one replay")
    expect(len(await rows(store, "entries", lane="orders/in/replay")), 1, "one entry")


async def closed_letters_do_not_change(harness: Harness) -> None:
    """An open letter can be edited and dropped; a dropped one neither edited nor replayed; an edit needs an id."""
    store = await harness.start()
    await dead(store, await lease_of(store), letter("d-1"))
    expect(await store.amend(Where(id="d-1"), "edit", {"id": "fixed"}), 1, "edited")
    expect(await store.amend(Where(id="d-1"), "drop"), 1, "dropped")
    expect(await store.amend(Where(id="d-1"), "edit", {"id": "late"}), 0, "a dropped one is not edited")
    expect(await store.amend(Where(id="d-1"), "replay"), 0, "a dropped one is not replayed")
    expect(await store.amend(Where(id="no-such-letter"), "drop"), 0, "an unknown one")
    [found] = await rows(store, "dead")
    expect((found.record, found.status), ({"id": "fixed"}, "dropped"), "what is left")
    await expect_error(store.amend(ANY, "edit", 1), StoreError, "an edit of everything")


async def causes_group_open_letters(harness: Harness) -> None:
    """Letters are grouped by pipeline, code and message, most frequent first, with the newest as the example."""
    store = await harness.start()
    lease = await lease_of(store)
    first = harness.clock.text()
    await dead(store, lease, letter("d-1"), letter("d-2", code="check", message="too old"), letter("d-0"))
    harness.clock.advance(5)
    await dead(store, lease, letter("d-3", message="x"), letter("d-4"), letter("d-5", pipeline="zoo"))
    await store.amend(Where(id="d-0"), "drop")
    found = await rows(store, "causes")
    top = Cause("orders", "refused", "no such customer", 2, first, harness.clock.text(), "d-4", "d-4")
    expect(found[0], top, "the first cause")
    expect([cause.example for cause in found], ["d-4", "d-5", "d-3", "d-2"], "the causes")
    expect(len(await rows(store, "causes", pipeline="zoo")), 1, "causes of one pipeline")


async def _history(harness: Harness, store: Store) -> None:
    """Write a little of everything, ten seconds apart."""
    lease = await lease_of(store, "orders/in/0", TTL * 100)
    failed = {"error": {"code": "misconfigured", "message": "401 from the hub"}}
    for number in range(6):
        pipeline = "orders" if number % 2 else "zoo"
        name, status = f"run-{number}", "failed" if number > 3 else "success"
        row = run(name, pipeline=pipeline, status=status, summary=failed if number > 3 else {})
        line = LogLine(name, "", "error" if number > 3 else "info", "step", f"line {number}")
        kept = letter(f"d-{number}", pipeline=pipeline, run=name, message=f"bad {number}")
        entry = NewEntry(f"{pipeline}/out/{number}", number)
        await store.settle(Settlement(name, lease, dead=[kept], append=[entry], run=row, logs=[line]))
        harness.clock.advance(10)


async def listings_show_what_is_asked(harness: Harness) -> None:
    """Every field of Where narrows; a field that a kind does not have matches nothing."""
    store = await harness.start()
    await _history(harness, store)
    since, before = harness.clock.text(-30), harness.clock.text(-10)
    asked: list[tuple[What, dict[str, str], list[int]]] = [
        ("runs", {}, [5, 4, 3, 2, 1, 0]),
        ("runs", {"pipeline": "orders"}, [5, 3, 1]),
        ("runs", {"status": "failed"}, [5, 4]),
        ("runs", {"id": "run-2"}, [2]),
        ("runs", {"run": "run-2", "pipeline": "orders"}, []),
        ("runs", {"code": "misconfigured"}, [5, 4]),
        ("runs", {"reason": "misconfigured: 401"}, [5, 4]),
        ("runs", {"since": since, "before": before}, [4, 3]),
        ("runs", {"lane": "orders/in/0"}, []),
        ("dead", {"pipeline": "zoo", "status": "open"}, [4, 2, 0]),
        ("dead", {"run": "run-3"}, [3]),
        ("dead", {"reason": "refused: bad 5"}, [5]),
        ("dead", {"code": "refused", "since": since.replace("+00:00", "Z")}, [5, 4, 3]),
        ("logs", {}, [0, 1, 2, 3, 4, 5]),
        ("logs", {"run": "run-3"}, [3]),
        ("logs", {"pipeline": "zoo"}, [0, 2, 4]),
        ("logs", {"status": "error"}, [4, 5]),
        ("logs", {"reason": "step: line 1", "code": "step"}, [1]),
        ("logs", {"before": before}, [0, 1, 2, 3, 4]),
        ("entries", {"pipeline": "orders"}, [1, 3, 5]),
        ("entries", {"lane": "zoo/out/2"}, [2]),
        ("entries", {"since": since}, [3, 4, 5]),
        ("entries", {"status": "open"}, []),
        ("lanes", {"pipeline": "zoo"}, [0, 2, 4]),
        ("lanes", {"lane": "zoo/out/2"}, [2]),
        ("lanes", {"pipeline": "zo"}, []),
    ]
    for what, where, numbers in asked:
        found = [_number_of(row) for row in await rows(store, what, **where)]
        expect(found, numbers, f"{what} where {where}")
    [lane] = await rows(store, "lanes", lane="orders/in/0")
    expect((lane.owner is None, lane.entries), (False, 0), "a held lane")


def _number_of(row: object) -> int:
    """Read the number ``_history`` wrote into every row."""
    text = getattr(row, "run", None) or getattr(row, "lane", None) or getattr(row, "id", "")
    return int(str(text).replace("-", "/").rpartition("/")[2])


async def pages_show_every_row_once(harness: Harness) -> None:
    """Going from page to page shows each row once, also while new ones come."""
    store = await harness.start()
    await _history(harness, store)
    for what in ("runs", "dead", "logs", "entries", "lanes", "causes"):
        whole, end = await store.find(what, ANY, Page(100))
        expect(end, None, f"{what} on one page")
        pages: list[object] = []
        after: str | None = None
        for number in range(len(whole)):
            some, after = await store.find(what, ANY, Page(2, after))
            pages += some
            await _newer(store, what, number)
            if after is None:
                break
        expect([row for row in pages if row in whole], list(whole), f"{what} page by page")
    await expect_error(store.find("runs", ANY, Page(2, "x")), StoreError, "a mark that no listing gave")


async def _newer(store: Store, what: What, number: int) -> None:
    """Let a row come that a listing by newest shows first."""
    if what == "runs":
        lease = await lease_of(store, f"later-{number}")
        await store.settle(Settlement(f"later-{number}", lease, run=run(f"later-{number}")))


async def purging_is_bounded_and_spares_what_is_needed(harness: Harness) -> None:
    """A purge removes at most so many rows, only old ones, and no unfinished run or open letter."""
    store = await harness.start()
    await _history(harness, store)
    lease = await lease_of(store, "orders/run")
    await store.settle(Settlement("last", lease, run=run("run-9")))
    await store.append([NewEntry("orders/out/9", 9, "event-9")])
    await store.amend(Where(pipeline="zoo"), "drop")
    harness.clock.advance(1)
    kinds = ("runs", "logs", "dead", "dedupe")
    old = dict.fromkeys(kinds, harness.clock.text(-21))
    expect([await store.purge(old, 3), await store.purge(old, 100)], [3, 5], "rows removed")
    expect(len(await rows(store, "runs")), 3, "younger runs stay")
    now = dict.fromkeys(kinds, harness.clock.text())
    expect([await store.purge(now, 4), await store.purge(now, 100), await store.purge(now, 9)], [4, 3, 0], "the rest")
    expect([row.id for row in await rows(store, "runs")], ["run-9"], "the unfinished run stays")
    expect([row.id for row in await rows(store, "dead")], ["d-5", "d-3", "d-1"], "open letters stay")
    [(_, fresh)] = await store.append([NewEntry("orders/out/9", 9, "event-9")])
    expect(fresh, False, "an event that is not done stays known")
    expect(await store.purge({"dead_open": harness.clock.text()}, 2), 2, "open ones when asked")
    await expect_error(store.purge({"everything": harness.clock.text()}, 1), StoreError, "an unknown kind")
    expect(len(await put(store, 1)), 1, "and it goes on")


CASES = (
    open_letters_of_one_identity_are_one,
    a_replay_of_a_replay_is_none,
    replays_side_by_side_append_once,
    closed_letters_do_not_change,
    causes_group_open_letters,
    listings_show_what_is_asked,
    pages_show_every_row_once,
    purging_is_bounded_and_spares_what_is_needed,
)
