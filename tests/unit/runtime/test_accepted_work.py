"""Accepted work: nothing fails for want of a target, and what is done is settled with its entries."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from engine.errors import Disconnected, Misconfigured, RecordError, Transient, Uncertain
from engine.events import LaneFreed, LaneHeld
from engine.policy import Resilience, Retry
from engine.record import Receipt
from engine.store.memory import MemoryStore

from .accepted_rig import NOON, Sessions, until
from .rig import Each, rig

QUICK = Resilience(timeout=5, retry=Retry(attempts=2, initial=0.0, max=0.0, jitter="none"))


@pytest.fixture
async def sessions():
    async with rig(MemoryStore) as one:
        yield Sessions(one)


async def dead(sessions):
    rows, _ = await sessions.rig.store.find("dead")
    return [(row.code, row.record) for row in reversed(rows)]


def down(times, error):
    """Fail the first so many calls."""
    return lambda call, load: error() if call <= times else None


async def test_what_is_accepted_is_delivered_and_its_entries_are_done(sessions):
    await sessions.accept('{"id": 1}', '[{"id": 2}, {"id": 3}]')
    async with sessions.session(sessions.pipeline(sessions.rig.target())):
        await until(lambda: len(sessions.rig.kept) == 3)
        await until(lambda: settled(sessions))
        await sessions.accept('{"id": 4}')
        await until(lambda: len(sessions.rig.kept) == 4)
    assert [record["id"] for record in sessions.rig.kept] == [1, 2, 3, 4]
    assert await sessions.waiting() == 0


async def settled(sessions):
    return await sessions.waiting() == 0


@pytest.mark.parametrize(
    "error",
    [lambda: Disconnected("gone"), lambda: Transient("busy"), lambda: Uncertain("lost")],
    ids=["disconnected", "transient", "uncertain"],
)
async def test_a_target_that_is_down_holds_the_lane_in_order_and_loses_nothing(sessions, error):
    await sessions.accept('{"id": 1}', '{"id": 2}')
    target = sessions.rig.target(down(5, error), batch=1, resilience=QUICK)
    async with sessions.session(sessions.pipeline(target)):
        await until(lambda: sessions.told(LaneHeld))
        assert await sessions.waiting() == 2
        await until(lambda: len(sessions.rig.kept) == 2, 10)
    assert [record["id"] for record in sessions.rig.kept] == [1, 2]
    assert len(sessions.told(LaneHeld)) == len(sessions.told(LaneFreed)) == 1
    assert await dead(sessions) == []


async def test_held_work_is_not_settled_when_the_session_stops(sessions):
    await sessions.accept('{"id": 1}')
    target = sessions.rig.target(down(10**6, lambda: Misconfigured("401")), resilience=QUICK)
    async with sessions.session(sessions.pipeline(target)) as run:
        await until(lambda: sessions.told(LaneHeld))
    assert run.status == "interrupted", "what is held goes on with the next session"
    assert await sessions.waiting() == 1
    assert sessions.rig.kept == []


async def test_an_uncertain_write_without_a_key_becomes_a_dead_letter(sessions):
    await sessions.accept('{"id": 1}', '{"id": 2}')
    target = sessions.rig.target(down(1, lambda: Uncertain("cut")), key=None, batch=1, resilience=QUICK)
    async with sessions.session(sessions.pipeline(target)):
        await until(lambda: settled(sessions))
    assert await dead(sessions) == [("uncertain", {"id": 1})]
    assert [record["id"] for record in sessions.rig.kept] == [2]


async def test_of_a_receipt_only_what_was_not_taken_is_sent_again(sessions):
    await sessions.accept('[{"id": 1}, {"id": 2}, {"id": 3}]')
    answers = {1: Receipt(retry={1: "busy"}), 2: Receipt(retry={0: "busy"}), 3: Receipt(retry={0: "busy"})}
    target = sessions.rig.target(lambda call, load: answers.get(call), resilience=QUICK)
    async with sessions.session(sessions.pipeline(target)):
        await until(lambda: settled(sessions))
    assert [record["id"] for record in sessions.rig.kept] == [1, 3, 2]


async def test_a_refused_record_is_a_dead_letter_though_nothing_comes_after_it(sessions):
    await sessions.accept('{"id": 1}')
    target = sessions.rig.target(lambda call, load: Receipt(rejected={0: "unknown bank"}))
    async with sessions.session(sessions.pipeline(target)):
        await until(lambda: settled(sessions))
    assert await dead(sessions) == [("refused", {"id": 1})]


async def test_what_cannot_be_mapped_or_read_is_a_dead_letter_and_its_neighbours_go_on(sessions):
    def work(record):
        if record["id"] == 2:
            raise RecordError("type", "no", "mapping.id")
        return [record]

    await sessions.accept('{"id": 1}', '{"id": 2}', "{", '{"id": 3}')
    async with sessions.session(sessions.pipeline(sessions.rig.target(), stages=[Each(work)])):
        await until(lambda: settled(sessions))
    assert await dead(sessions) == [("type", {"id": 2}), ("unreadable", "{")]
    assert [record["id"] for record in sessions.rig.kept] == [1, 3]


async def test_a_hundred_records_that_cannot_be_mapped_are_no_mistake_of_the_pipeline(sessions):
    def work(record):
        raise RecordError("type", "no", "mapping.id")

    await sessions.accept(*(f'{{"id": {n}}}' for n in range(150)))
    async with sessions.session(sessions.pipeline(sessions.rig.target(), stages=[Each(work)])) as run:
        await until(lambda: settled(sessions))
    assert len(await dead(sessions)) == 50, "a page of them"
    assert run.error is None


async def test_a_target_that_refuses_everything_stops_the_session_and_no_dead_letter_is_written(sessions):
    await sessions.accept(*(f'{{"id": {n}}}' for n in range(30)))
    target = sessions.rig.target(lambda call, load: Receipt(rejected=dict.fromkeys(range(len(load.records)), "no")))
    async with sessions.session(sessions.pipeline(target)) as run:
        await until(lambda: run.status == "failed")
    assert isinstance(run.error, Misconfigured)
    assert await dead(sessions) == []
    assert await sessions.waiting() == 30


async def test_max_age_turns_what_waited_too_long_into_dead_letters(sessions):
    await sessions.accept('{"id": 1}', received=NOON - timedelta(hours=2))
    await sessions.accept('{"id": 2}')
    target = sessions.rig.target(down(3, lambda: Disconnected("gone")), batch=2, resilience=QUICK)
    async with sessions.session(sessions.pipeline(target, max_age=3600.0)):
        await until(lambda: settled(sessions))
    assert await dead(sessions) == [("too-old", {"id": 1})]
    assert [record["id"] for record in sessions.rig.kept] == [2]


async def test_without_max_age_nothing_is_too_old(sessions):
    """The control."""
    await sessions.accept('{"id": 1}', received=NOON - timedelta(days=400))
    target = sessions.rig.target(down(3, lambda: Disconnected("gone")), resilience=QUICK)
    async with sessions.session(sessions.pipeline(target)):
        await until(lambda: settled(sessions))
    assert await dead(sessions) == []


# crashes


async def crash(sessions, times):
    """Die so often with the lane in hand: the lease is neither released nor kept alive."""
    for _ in range(times):
        await sessions.rig.store.acquire("p/in/0", 1, 0.0)


async def test_after_two_deaths_entries_go_one_at_a_time(sessions):
    await sessions.accept(*(f'{{"id": {n}}}' for n in range(5)))
    await crash(sessions, 2)
    writes = []
    target = sessions.rig.target(lambda call, load: writes.append(len(load.records)))
    async with sessions.session(sessions.pipeline(target)):
        await until(lambda: settled(sessions))
    assert writes == [1, 1, 1, 1, 1]
    assert await dead(sessions) == []


async def test_after_three_the_first_is_a_dead_letter_and_the_others_go_on(sessions):
    await sessions.accept(*(f'{{"id": {n}}}' for n in range(3)))
    await crash(sessions, 3)
    async with sessions.session(sessions.pipeline(sessions.rig.target())):
        await until(lambda: settled(sessions))
    assert await dead(sessions) == [("crashed", {"id": 0})]
    assert [record["id"] for record in sessions.rig.kept] == [1, 2]


async def test_deaths_while_the_target_is_down_are_not_blamed_on_the_first(sessions):
    await sessions.accept('{"id": 1}')
    await crash(sessions, 2)
    target = sessions.rig.target(down(10**6, lambda: Disconnected("gone")), resilience=QUICK)
    async with sessions.session(sessions.pipeline(target)):
        await until(lambda: sessions.told(LaneHeld))
        await asyncio.sleep(0)
    await crash(sessions, 1)
    (lease,) = await sessions.rig.store.acquire("p/in/0", 1, 0.0)
    assert (await sessions.rig.store.load(lease)).restarts == 1, "the hold was written down, and began the count anew"


# several targets


async def test_one_target_that_is_down_does_not_hold_up_the_other(sessions):
    kept = {"a": [], "b": []}
    up = asyncio.Event()
    a = sessions.rig.target(name="a", kept=kept["a"], batch=1, resilience=QUICK)
    b = sessions.rig.target(
        lambda call, load: None if up.is_set() else Disconnected("gone"), name="b", kept=kept["b"], batch=1,
        resilience=QUICK,
    )  # fmt: skip
    pipeline = sessions.pipeline(a, b)
    await sessions.accept('{"id": 1}', '{"id": 2}')
    async with sessions.session(pipeline):
        await until(lambda: settled(sessions))
        assert [record["id"] for record in kept["a"]] == [1, 2]
        assert await sessions.waiting("p/out/b") == 2
        up.set()
        await sessions.accept('{"id": 3}')
        await until(lambda: len(kept["a"]) == 3)
        await until(lambda: settled(sessions))
        assert kept["b"] == [], "what comes later waits behind what is parked"
        async with sessions.session(pipeline, "out/b"):
            await until(lambda: len(kept["b"]) == 3)
            await until(lambda: emptied(sessions, "p/out/b"))
            await sessions.accept('{"id": 4}')
            await until(lambda: len(kept["b"]) == 4)
    assert [record["id"] for record in kept["b"]] == [1, 2, 3, 4]
    assert [record["id"] for record in kept["a"]] == [1, 2, 3, 4]
    assert sessions.runtime.parkings["p/out/b"].waiting == 0


async def emptied(sessions, lane):
    return await sessions.waiting(lane) == 0
