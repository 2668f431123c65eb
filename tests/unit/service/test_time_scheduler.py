"""The scheduler: who fires, what is told, and what a new generation keeps."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

import pytest

from engine.errors import LeaseLost, RecordError, Unavailable
from engine.events import Fired, Noted, Skipped
from engine.pipeline import TimerPlan
from engine.service.scheduler import LANE, Scheduler
from engine.service.timers import KEPT, Place
from engine.store.memory import MemoryStore, Tables
from tests.unit.service.time_rig import World, at, timer

HOURLY = timer({"cron": "0 * * * *"})


async def test_each_slot_becomes_one_entry():
    """With trigger, kind, slot and params, in the pipeline's own lane."""
    world = World("2026-03-04T11:30:00")
    daily = timer({"every": "1h"}, id="round", kind="every", params=lambda names: {"at": names["trigger"]["slot"]})
    await world.live([daily], "2026-03-04T13:00:10")
    assert [(one.trigger, one.kind, one.slot, one.params) for one in await world.firings()] == [
        ("round", "every", f"2026-03-04T{hour}:00:00+00:00", {"at": f"2026-03-04T{hour}:00:00+00:00"})
        for hour in (12, 13)
    ]
    told = world.of(Fired)
    assert [(one.pipeline, one.trigger, one.kind, one.slot) for one in told] == [
        ("p", "round", "every", f"2026-03-04T{hour}:00:00+00:00") for hour in (12, 13)
    ]
    assert all(0 <= one.lag < 0.1 for one in told)


async def test_params_see_the_trigger_only():
    """Its id, its type, its slot, and no params of its own."""
    seen = []
    world = World("2026-03-04T11:59:00")
    plan = timer({"cron": "0 * * * *"}, params=lambda names: seen.append(names) or {})
    await world.live([plan], "2026-03-04T12:00:10")
    slot = "2026-03-04T12:00:00+00:00"
    assert seen == [{"trigger": {"id": "t", "type": "cron", "slot": slot, "params": {}}}]


async def test_all_that_is_due_at_one_moment_is_one_settlement():
    """A hundred pipelines at noon are one commit; their places and their firings come together."""
    world = World("2026-03-04T11:59:00")
    settled = []

    class Counting(MemoryStore):
        async def settle(self, settlement):
            settled.append((len(settlement.state), len(settlement.append)))
            await super().settle(settlement)

    world._store = lambda world: Counting(world.tables, clock=world.clock)
    await world.live([timer({"cron": "0 * * * *"}, pipeline=f"p{n}") for n in range(100)], "2026-03-04T12:30:00")
    assert settled == [(100, 0), (100, 100)]
    settled.clear()
    world.now = at("2026-03-04T12:59:00").timestamp()
    await world.live([timer({"cron": "0 * * * *"}, pipeline=f"p{n}") for n in range(501)], "2026-03-04T13:00:01")
    assert settled == [(401, 0), (500, 500), (1, 1)]  # writing thousands at once would hold up everybody else


async def test_a_new_trigger_has_missed_nothing_and_is_remembered():
    """Its first appearance is where it begins, also for the process after this one."""
    world = World("2026-03-04T11:30:00")
    plan = timer({"cron": "0 * * * *"}, missed="all")
    await world.live([plan], "2026-03-04T11:40:00")
    assert await world.slots() == []
    world.now += 2 * 3600
    await world.live([plan], "2026-03-04T13:45:00")
    assert await world.slots() == ["03-04 12:00", "03-04 13:00"]


@pytest.mark.parametrize(
    ("missed", "window", "expected", "passed"),
    [
        ("none", None, [], 48),
        ("last", None, ["03-06 11:00"], 47),
        ("last", 1800.0, [], 48),
        ("all", 3 * 3600.0, ["03-06 09:00", "03-06 10:00", "03-06 11:00"], 45),
        ("all", None, None, 0),
    ],
)
async def test_after_two_days_of_silence(missed, window, expected, passed):
    """What is made up for goes out at once; what is not is said."""
    world = World("2026-03-04T11:30:00")
    plan = timer({"cron": "0 * * * *"}, missed=missed, missed_window=window)
    await world.live([plan], "2026-03-04T11:40:00")
    world.now = at("2026-03-06T11:40:00").timestamp()
    await world.live([plan], "2026-03-06T11:41:00")
    slots = await world.slots()
    assert slots == expected if expected is not None else len(slots) == 48
    warned = [one.message for one in world.of(Noted)]
    if not passed:
        assert warned == []
    else:
        assert len(warned) == 1
        assert "missed and not made up for" in warned[0]
    world.told.clear()
    await world.live([plan], "2026-03-06T12:00:10")
    assert (await world.slots())[len(slots) :] == ["03-06 12:00"]
    assert world.of(Noted) == []


async def test_a_paused_pipeline_s_slots_pass():
    """Each is told once; nothing is made up for when it goes on."""
    world = World("2026-03-04T11:30:00")
    plan = timer({"cron": "0 * * * *"}, missed="all")
    world.paused.add("p")
    await world.live([plan, timer({"cron": "30 * * * *"}, pipeline="q")], "2026-03-04T13:10:00")
    assert [(one.trigger, one.reason[:19]) for one in world.of(Skipped)] == [
        ("t", "2026-03-04T12:00:00"),
        ("t", "2026-03-04T13:00:00"),
    ]
    assert world.scheduler.next()[0] == "q"
    assert world.scheduler.next_of("p") is None
    world.paused.clear()
    await world.live([plan], "2026-03-04T14:10:00")
    assert await world.slots() == ["03-04 14:00"]
    assert await world.slots("q") == ["03-04 12:30"]


async def test_params_that_cannot_be_made_are_told():
    """The slot is dealt with, the trigger lives on, and others do not notice."""
    world = World("2026-03-04T11:30:00")

    def params(names):
        if "12:00" in names["trigger"]["slot"]:
            raise RecordError("template", "'shop' is not there")
        return {}

    plans = [timer({"cron": "0 * * * *"}, params=params), timer({"cron": "0 * * * *"}, pipeline="q")]
    await world.live(plans, "2026-03-04T13:10:00")
    assert await world.slots() == ["03-04 13:00"]
    assert await world.slots("q") == ["03-04 12:00", "03-04 13:00"]
    (noted,) = world.of(Noted)
    assert (noted.pipeline, noted.level, noted.code) == ("p", "error", "trigger-params")
    assert noted.message == (
        "'t' does not fire for 2026-03-04T12:00:00+00:00: its params cannot be made: 'shop' is not there"
    )


# generations


async def test_a_new_generation_keeps_the_places_of_the_old():
    """A trigger that did not change misses nothing; one whose rule is another begins now."""
    world = World("2026-03-04T11:30:00")
    same, old = timer({"cron": "0 * * * *"}, rule="a"), timer({"cron": "30 2 * * *"}, pipeline="q", rule="b")
    changed = timer({"cron": "45 11 * * *"}, pipeline="q", rule="c")
    await world.live([same, old], "2026-03-04T11:50:00")

    def swap(world: World) -> None:
        if world.now >= at("2026-03-04T12:10:00").timestamp():
            world.scheduler.replace([same, changed])
            world.meanwhile = lambda world: None

    world.meanwhile, world.leaps = swap, False
    await world.live([same, old], "2026-03-04T12:20:00")
    world.leaps = True
    await world.live([same, changed], "2026-03-05T11:50:00")
    assert (await world.slots())[:2] == ["03-04 12:00", "03-04 13:00"]
    assert len(await world.slots()) == 24
    assert await world.slots("q") == ["03-05 11:45"]  # not the one of the day on which it was written


async def test_a_rule_changed_while_nobody_was_there_begins_now_too():
    """A new image with another hour does not fire for an hour that is over; the same rule does: the control."""
    for rule, expected in (("new", []), ("old", ["03-04 15:00"])):
        world = World("2026-03-04T11:30:00")
        await world.live([timer({"cron": "0 3 * * *"}, rule="old")], "2026-03-04T11:40:00")
        world.now = at("2026-03-04T16:00:00").timestamp()
        await world.live([timer({"cron": "0 15 * * *"}, rule=rule, missed="last")], "2026-03-04T16:10:00")
        assert await world.slots() == expected


async def test_a_trigger_that_comes_back_soon_goes_on_where_it_stood():
    """Within seven days, though the process was started anew; after that it is a new one, and its row is gone."""
    plan = timer({"cron": "0 12 * * *"}, missed="last")
    for days, expected in ((3, ["03-07 12:00"]), (8, [])):
        world = World("2026-03-04T13:00:00")
        await world.live([plan], "2026-03-04T13:10:00")
        await world.live([], "2026-03-04T13:20:00")
        world.now += days * 86400
        await world.live([], (at("2026-03-04T13:30:00") + timedelta(days=days)).isoformat()[:19])
        rows = list((await _state(world)).keys())
        await world.live([plan], (at("2026-03-04T14:30:00") + timedelta(days=days)).isoformat()[:19])
        assert await world.slots() == expected
        assert rows == (["p|t"] if expected else [])


async def _state(world: World) -> dict[str, bytes]:
    async with AsyncExitStack() as stack:
        store = MemoryStore(world.tables, clock=world.clock)
        await store.open(stack, "reader")
        (lease,) = await store.acquire(LANE, 1, 60)
        return dict((await store.load(lease)).state)


def test_a_place_is_written_and_read():
    """The time alone is enough."""
    noon = at("2026-03-04T12:00:00")
    assert Place.read(noon.isoformat().encode()) == Place(noon)
    for place in (Place(noon), Place(noon, "ab12"), Place(noon, "", noon), Place(noon, "ab12", noon + KEPT)):
        assert Place.read(place.write()) == place


async def test_what_comes_next():
    """Over all pipelines, and of one; nothing before the first look."""
    world = World("2026-03-04T11:30:00")
    never = TimerPlan("over", lambda now: None, pipeline="r")
    await world.live([HOURLY, timer({"cron": "30 12 * * *"}, pipeline="q"), never], "2026-03-04T12:10:00")
    scheduler = world.scheduler
    assert scheduler.next() == ("q", "t", at("2026-03-04T12:30:00"))
    assert scheduler.next_of("p") == at("2026-03-04T13:00:00")
    assert (scheduler.next_of("r"), scheduler.next_of("nobody")) == (None, None)
    fresh = Scheduler(world.store, world.told.append, paused=lambda name: False)
    assert (fresh.next(), fresh.next_of("p")) == (None, None)


# the lane


async def test_one_engine_at_a_time_fires():
    """A second one is refused; after the first gave its lane back it is not."""
    tables, now = Tables(), time.time
    async with AsyncExitStack() as stack:
        first = MemoryStore(tables, clock=now)
        await first.open(stack, "one")
        async with AsyncExitStack() as mine:
            await Scheduler(first, print, paused=lambda name: False).open(mine)
            with pytest.raises(Unavailable, match="another engine fires the timers"):
                await Scheduler(first, print, paused=lambda name: False).open(stack)
        await Scheduler(first, print, paused=lambda name: False).open(stack)


async def test_a_lost_lease_ends_the_work():
    """Whoever has the lane now fires; this one stops, at the latest with the next heartbeat."""
    world = World("2026-03-04T11:30:00")
    world.leaps = False
    stolen = []

    async def steal(world: World) -> None:
        async with AsyncExitStack() as stack:
            other = MemoryStore(world.tables, clock=world.clock)
            await other.open(stack, "other")
            stolen.extend(await other.acquire(LANE, 1, 60))

    tasks = []
    world.meanwhile = lambda world: world.looks == 5 and tasks.append(asyncio.ensure_future(steal(world)))
    with pytest.raises(LeaseLost):
        await world.live([HOURLY], "2026-03-04T11:31:00")
    assert stolen
    assert world.looks < 20


async def test_the_lease_is_kept_through_hours():
    """Renewed by heartbeat, an hour without any firing: nobody else gets the lane."""
    world = World("2026-03-04T11:00:01")
    world.leaps = False
    tried = []

    async def other(world: World) -> None:
        tried.append(await world.store.acquire(LANE, 1, 60))

    tasks = []
    world.meanwhile = lambda world: world.looks % 61 == 0 and tasks.append(asyncio.ensure_future(other(world)))
    await world.live([HOURLY], "2026-03-04T11:20:00")
    assert len(tried) > 10
    assert not any(tried)


async def _turns_of_others(count: int) -> int:
    """How often others had a turn while so many slow timers were taken over."""
    turns = 0

    def slow(now: datetime) -> datetime:
        end = time.perf_counter() + 0.001
        while time.perf_counter() < end:
            pass
        return now + timedelta(hours=1)

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with AsyncExitStack() as stack:
        store = MemoryStore()
        await store.open(stack, "one")
        scheduler = Scheduler(store, lambda told: None, paused=lambda name: False)
        await scheduler.open(stack)
        scheduler.replace([TimerPlan("t", slow, pipeline=f"p{number}") for number in range(count)])
        task = asyncio.create_task(others())
        await scheduler.look()
        task.cancel()
    assert scheduler.next() is not None
    return turns


async def test_many_timers_do_not_block_the_loop(monkeypatch):
    """Others have their turn every twentieth of a second at least; without the slices, the control, they wait."""
    assert await _turns_of_others(200) >= 200 * 0.001 / 0.05
    monkeypatch.setattr("engine.service.scheduler._SLICE", 60.0)
    assert await _turns_of_others(200) < 200 * 0.001 / 0.05
