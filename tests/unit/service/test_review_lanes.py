"""What a hard look at the supervisor found: turns, ends, pauses and adoptions that must lose and stop nothing."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from engine.errors import Disconnected, StoreError
from engine.events import LaneFreed, LaneHeld, RunFinished, Skipped
from engine.record import Receipt
from engine.service import firings
from engine.service.firing import Firing
from engine.store.base import NewEntry, Where
from engine.store.memory import MemoryStore
from tests.unit.runtime.accepted_rig import HOOK, body
from tests.unit.runtime.rig import Rig, rows
from tests.unit.service.plant import Plant


@pytest.fixture
async def rig():
    async with AsyncExitStack() as stack:
        store = MemoryStore()
        await store.open(stack, "test")
        yield Rig(store)


@pytest.fixture
async def plant(rig):
    one = Plant(rig.store)
    yield one
    await one.supervisor.stop(2.0)


async def accept(plant, *raws, lane="p/in/0"):
    await plant.store.append([NewEntry(lane, body(raw)) for raw in raws])


async def fire(plant, *params, kind="cron"):
    for given in params:
        await plant.store.append([Firing("t", kind, given).entry("p")])


async def none(plant, lane):
    return await plant.entries(lane) == 0


async def ended(plant, count):
    return len([run for run in await plant.runs() if run.finished]) == count


def appending(rig, script=None, **more):
    """A target that is cut back to where it was settled, as a file that grows is."""
    return rig.target(script, traits={"rewinds": True, "progress": lambda: {"at": 0}}, **more)


# taking over a former name


async def test_a_former_name_whose_lane_is_still_held_is_taken_over_later_and_stops_nobody(plant, rig):
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,))
    plant.renamed["old"] = "p"
    await accept(plant, '{"id": 1}', lane="old/in/0")
    (lease,) = await plant.store.acquire("old/in/0", 1, 30.0)
    with pytest.raises(StoreError):  # the control
        await plant.store.clear("old/in/0", "p/in/0", 1)
    await plant.supervisor.look()
    await plant.store.release([lease])
    await plant.until(lambda: rig.kept)


async def test_parked_output_of_a_former_name_is_counted_with_its_heir(plant, rig):
    down = asyncio.Event()
    b = rig.target(lambda call, load: Disconnected("gone") if down.is_set() else None, name="b", kept=(kept := []))
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,), targets=[rig.target(name="a"), b])
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: kept)
    plant.renamed["old"] = "p"
    parked = {"entry": "", "target": "b", "record": {"id": 0}, "meta": {}}
    await plant.store.append([NewEntry("old/out/b", parked)] * 3)
    await plant.until(lambda: len(kept) == 4)
    await plant.until(lambda: none(plant, "p/out/b"))
    assert plant.supervisor.runtime.parkings["p/out/b"].waiting == 0


# turns of workers that need the same file


async def test_a_replay_gets_its_turn_at_a_file_that_a_session_appends_to(plant, rig):
    answers = {1: Receipt(rejected={0: "no"})}
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,), targets=[appending(rig, lambda c, load: answers.get(c))])
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: none(plant, "p/in/0"))
    answers.clear()
    await plant.store.amend(Where(pipeline="p"), "replay")
    await plant.until(lambda: rig.kept)
    await plant.until(lambda: none(plant, "p/in/replay"))
    assert [told for told in plant.told(RunFinished) if told.status == "failed"] == []
    await accept(plant, '{"id": 2}')
    await plant.until(lambda: len(rig.kept) == 2)


async def test_parked_output_reaches_its_target_though_another_one_is_a_file_that_grows(plant, rig):
    up, b = asyncio.Event(), []
    http = rig.target(lambda call, load: None if up.is_set() else Disconnected("gone"), name="b", kept=b)
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,), targets=[appending(rig, name="a"), http])
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: rig.kept)
    await plant.until(lambda: none(plant, "p/in/0"))
    assert not await none(plant, "p/out/b")
    up.set()
    await plant.until(lambda: b)


async def test_a_firing_waits_for_a_file_that_a_replay_writes_and_does_not_fail(plant, rig):
    plant.pipelines["p"] = rig.pipeline(rows(2), targets=[appending(rig)])
    (lease,) = await plant.store.acquire("p/targets", 1, 30.0)
    await fire(plant, {})
    await plant.supervisor.look()
    for _ in range(20):
        await asyncio.sleep(0)
    assert await plant.runs() == [], "nothing began yet"
    assert await plant.entries("p/fire") == 1
    await plant.store.release([lease])
    await plant.until(lambda: ended(plant, 1))
    assert [run.status for run in await plant.runs()] == ["success"]


# what is held, and what goes on


async def test_a_lane_that_goes_on_after_a_reload_is_told_to_be_free(plant, rig):
    down = rig.target(lambda call, load: Disconnected("gone"))
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,), targets=[down])
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: plant.told(LaneHeld))
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,), fingerprint="f2")
    await plant.supervisor.apply(plant.supervisor.generation)
    await plant.until(lambda: rig.kept)
    await plant.until(lambda: [told.lane for told in plant.told(LaneFreed)] == ["p/in/0"])


async def test_a_session_that_could_not_open_is_told_to_be_free_when_it_works_again(plant, rig):
    def build(context):
        if plant.told(LaneHeld):
            return rig.target().build(context)
        raise Disconnected("no route")

    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,), targets=[rig.target(build=build)])
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: rig.kept)
    await plant.until(lambda: plant.told(LaneFreed))


async def test_a_lane_that_was_never_held_is_not_told_to_be_free(plant, rig):
    """The control."""
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,))
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: none(plant, "p/in/0"))
    assert plant.told(LaneFreed) == []


# the end, and rest


async def test_what_does_not_end_in_time_is_ended_and_nothing_works_on_behind_it(plant, rig):
    never = asyncio.Event()

    async def write():
        await never.wait()

    plant.pipelines["p"] = rig.pipeline(rows(1), targets=[rig.target(lambda call, load: write())])
    await fire(plant, {})
    await plant.until(plant.runs)
    async with asyncio.timeout(2):
        assert not await plant.supervisor.stop(0.0)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    (run,) = await plant.runs()
    assert run.status == "interrupted"
    assert await plant.entries("p/fire") == 1


async def test_a_pause_lets_the_run_end_and_starts_nothing_that_waits(plant, rig):
    opened = asyncio.Event()

    async def write():
        await opened.wait()

    target = rig.target(lambda call, load: write())
    plant.pipelines["p"] = rig.pipeline(rows(1), targets=[target], overlap="queue")
    await fire(plant, {"n": 1}, {"n": 2}, {"n": 3})
    await plant.until(plant.runs)
    plant.paused.add("p")
    plant.supervisor.rest("p")
    opened.set()
    await plant.until(lambda: plant.supervisor.work_under_way == {})
    assert [run.params for run in await plant.runs()] == [{"n": 1}]
    assert await plant.entries("p/fire") == 2
    plant.paused.clear()
    await plant.until(lambda: ended(plant, 3))


async def test_of_what_callers_fire_only_so_much_is_in_memory(plant, rig, monkeypatch):
    opened, most = asyncio.Event(), 0

    async def write():
        await opened.wait()

    monkeypatch.setattr(firings, "AT_ONCE", 3)
    plant.pipelines["p"] = rig.pipeline(rows(1), targets=[rig.target(lambda call, load: write())], overlap="allow")
    await fire(plant, *({"n": n} for n in range(20)), kind="webhook")
    await plant.until(plant.runs)
    for _ in range(50):
        await asyncio.sleep(0)
        most = max(most, len(plant.supervisor.running))
    assert most == 3
    opened.set()
    await plant.until(lambda: ended(plant, 20))
    assert plant.told(Skipped) == []


async def test_a_session_that_is_cut_off_ends_though_the_store_takes_its_last_words_no_more(plant, rig, monkeypatch):
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,))
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: none(plant, "p/in/0"))

    async def settle(settlement):
        raise StoreError("gone")

    monkeypatch.setattr(plant.store, "settle", settle)
    (task,) = [one for one in asyncio.all_tasks() if one.get_name() == "lane p/in/0"]
    task.cancel()
    await asyncio.wait({task}, timeout=1)
    assert task.cancelled()


async def test_a_worker_that_fails_while_it_ends_is_told_of(plant, rig, monkeypatch):
    opened = asyncio.Event()

    async def write():
        await opened.wait()

    plant.pipelines["p"] = rig.pipeline(rows(1), targets=[rig.target(lambda call, load: write())])
    await fire(plant, {})
    await plant.until(plant.runs)

    async def settle(settlement):
        raise StoreError("the disk is gone")

    monkeypatch.setattr(plant.store, "settle", settle)
    opened.set()
    await plant.supervisor.stop(2.0)
    assert [told.reason for told in plant.told(LaneHeld)] == ["the disk is gone"]
