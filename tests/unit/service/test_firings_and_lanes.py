"""Every lane with work has somebody who works it; a firing is done together with the end of its run."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from engine.errors import Disconnected
from engine.events import LaneHeld, Noted, RunFinished, Skipped
from engine.pipeline import AfterPlan
from engine.service.firing import Firing
from engine.store.base import NewEntry
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


def gate():
    """A target that waits until it is opened."""
    opened = asyncio.Event()

    async def write():
        await opened.wait()

    return opened, lambda call, load: write()


async def fire(plant, *params, pipeline="p", kind="cron"):
    for given in params:
        await plant.store.append([Firing("t", kind, given).entry(pipeline)])


async def ended(plant, count, pipeline="p"):
    return len([run for run in await plant.runs(pipeline) if run.finished]) == count


async def test_a_firing_becomes_a_run_and_is_done_with_its_end(plant, rig):
    plant.pipelines["p"] = rig.pipeline(rows(3))
    await fire(plant, {"a": 1})
    await plant.until(lambda: ended(plant, 1))
    (run,) = await plant.runs()
    assert (run.status, run.trigger, run.params, run.group) == ("success", "t", {"a": 1}, run.id)
    assert await plant.entries("p/fire") == 0


async def test_skip_drops_a_firing_with_the_params_of_the_one_that_runs_and_queues_others(plant, rig):
    opened, script = gate()
    plant.pipelines["p"] = rig.pipeline(rows(1), targets=[rig.target(script)])
    await fire(plant, {"a": 1}, {"a": 1}, {"a": 2})
    await plant.until(lambda: plant.told(Skipped))
    opened.set()
    await plant.until(lambda: ended(plant, 2))
    assert [run.params for run in await plant.runs()] == [{"a": 1}, {"a": 2}]
    assert len(plant.told(Skipped)) == 1


async def test_what_a_caller_was_promised_is_never_dropped(plant, rig):
    opened, script = gate()
    plant.pipelines["p"] = rig.pipeline(rows(1), targets=[rig.target(script)])
    await fire(plant, {}, {}, {}, kind="webhook")
    await plant.until(plant.runs)
    opened.set()
    await plant.until(lambda: ended(plant, 3))
    assert plant.told(Skipped) == []


async def test_cancel_ends_the_one_that_runs_and_starts_the_new_one(plant, rig):
    opened, script = gate()
    plant.pipelines["p"] = rig.pipeline(rows(30), targets=[rig.target(script, batch=1)], overlap="cancel")
    await fire(plant, {"a": 1})
    await plant.until(plant.runs)
    await fire(plant, {"a": 2})
    await plant.until(lambda: plant.supervisor.running and len(plant.supervisor.running) == 1)
    await asyncio.sleep(0.05)
    opened.set()
    await plant.until(lambda: ended(plant, 2))
    assert [run.status for run in await plant.runs()] == ["cancelled", "success"]
    assert await plant.entries("p/fire") == 0


async def test_allow_runs_side_by_side(plant, rig):
    opened, script = gate()
    plant.pipelines["p"] = rig.pipeline(rows(1), targets=[rig.target(script)], overlap="allow")
    await fire(plant, {"a": 1}, {"a": 1}, {"a": 1})
    await plant.until(lambda: len(plant.supervisor.running) == 3)
    opened.set()
    await plant.until(lambda: ended(plant, 3))


async def test_a_run_that_is_interrupted_keeps_its_firing(plant, rig):
    opened, script = gate()
    plant.pipelines["p"] = rig.pipeline(rows(30), targets=[rig.target(script, batch=1)])
    await fire(plant, {})
    await plant.until(plant.runs)
    stopping = asyncio.create_task(plant.supervisor.stop(5.0))
    await asyncio.sleep(0.02)
    opened.set()
    assert await stopping
    (run,) = await plant.runs()
    assert run.status == "interrupted"
    assert await plant.entries("p/fire") == 1


async def test_a_run_that_people_cancel_is_done(plant, rig):
    opened, script = gate()
    plant.pipelines["p"] = rig.pipeline(rows(30), targets=[rig.target(script, batch=1)])
    await fire(plant, {})
    await plant.until(plant.runs)
    (run,) = await plant.runs()
    assert plant.supervisor.cancel(run.id)
    assert not plant.supervisor.cancel("another")
    opened.set()
    await plant.until(lambda: ended(plant, 1))
    assert (await plant.runs())[0].status == "cancelled"
    await plant.until(lambda: none(plant, "p/fire"))


async def none(plant, lane):
    return await plant.entries(lane) == 0


async def test_wrong_params_start_no_run_and_are_told(plant, rig):
    from engine.errors import DefinitionError, Problem

    def check(given):
        raise DefinitionError([Problem("f", 1, 1, "type", "error", "params.full", "'x' is not true or false")])

    plant.pipelines["p"] = rig.pipeline(rows(1), check_params=check)
    await fire(plant, {"full": "x"})
    await plant.until(lambda: none(plant, "p/fire"))
    assert [note.code for note in plant.told(Noted)] == ["firing"]


async def test_a_chain_follows_with_the_end_of_its_run_and_shares_a_group(plant, rig):
    after = AfterPlan("then", ("p",), "success", lambda names: {"seen": names["trigger"]["status"]})
    plant.pipelines["p"] = rig.pipeline(rows(2))
    plant.pipelines["q"] = replace(rig.pipeline(rows(1)), name="q", after=(after,))
    await fire(plant, {})
    await plant.until(lambda: ended(plant, 1, "q"))
    ((first,), (second,)) = (await plant.runs("p"), await plant.runs("q"))
    assert second.group == first.id
    assert second.params == {"seen": "success"}


async def test_firings_that_kill_the_process_again_and_again_are_given_up(plant, rig):
    plant.pipelines["p"] = rig.pipeline(rows(1))
    await fire(plant, {"bad": 1}, {"good": 1})
    for _ in range(5):
        await plant.store.acquire("p/fire", 1, 0.0)
    await plant.until(lambda: ended(plant, 1))
    assert [run.params for run in await plant.runs()] == [{"good": 1}]
    assert "died 5 times" in plant.told(Noted)[0].message


async def test_four_deaths_are_not_enough(plant, rig):
    """The control."""
    plant.pipelines["p"] = rig.pipeline(rows(1))
    await fire(plant, {"bad": 1})
    for _ in range(4):
        await plant.store.acquire("p/fire", 1, 0.0)
    await plant.until(lambda: ended(plant, 1))


# lanes of accepted work


async def accept(plant, *raws, lane="p/in/0"):
    await plant.store.append([NewEntry(lane, body(raw)) for raw in raws])


async def test_accepted_work_gets_a_session_that_stays(plant, rig):
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,))
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: none(plant, "p/in/0"))
    await accept(plant, '{"id": 2}')
    await plant.until(lambda: len(rig.kept) == 2)
    assert len(await plant.runs()) == 1


async def test_a_paused_pipeline_accepts_and_rests(plant, rig):
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,))
    plant.paused.add("p")
    await accept(plant, '{"id": 1}')
    await plant.supervisor.look()
    assert plant.supervisor.work_under_way == {}
    plant.paused.clear()
    await plant.until(lambda: rig.kept)


async def test_a_new_revision_takes_over_at_a_batch_boundary(plant, rig):
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,))
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: rig.kept)
    later = []
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,), targets=[rig.target(kept=later)], fingerprint="f2")
    await plant.supervisor.apply(plant.supervisor.generation)
    await accept(plant, '{"id": 2}')
    await plant.until(lambda: later)
    assert len(rig.kept) == 1
    assert [run.revision for run in await plant.runs()] == ["f1", "f2"]


async def test_the_same_revision_is_not_disturbed(plant, rig):
    """The control."""
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,))
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: rig.kept)
    await plant.supervisor.apply(plant.supervisor.generation)
    await accept(plant, '{"id": 2}')
    await plant.until(lambda: len(rig.kept) == 2)
    assert len(await plant.runs()) == 1


async def test_work_of_a_pipeline_that_is_gone_is_kept_and_told_once(plant):
    await accept(plant, '{"id": 1}', lane="old/in/0")
    for _ in range(3):
        await plant.supervisor.look()
    assert [note.code for note in plant.told(Noted)] == ["orphaned-lane"]
    assert plant.supervisor.orphaned == {"old/in/0": 1}
    assert await plant.entries("old/in/0") == 1


async def test_an_heir_takes_over_the_work_of_its_former_name(plant, rig):
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,))
    plant.renamed["old"] = "p"
    await accept(plant, '{"id": 1}', lane="old/in/0")
    await plant.until(lambda: rig.kept)
    assert await plant.entries("old/in/0") == 0


async def test_dead_letters_that_are_replayed_are_worked_at_once(plant, rig):
    from engine.record import Receipt
    from engine.store.base import Where

    answers = {1: Receipt(rejected={0: "no"})}
    plant.pipelines["p"] = rig.pipeline(
        [], webhooks=(HOOK,), targets=[rig.target(lambda call, load: answers.get(call))]
    )
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: none(plant, "p/in/0"))
    answers.clear()
    assert await plant.store.amend(Where(pipeline="p"), "replay") == 1
    await plant.until(lambda: rig.kept)
    await plant.until(lambda: none(plant, "p/in/replay"))


async def test_a_replay_that_fails_is_told_and_tried_again_later(plant, rig):
    from engine.record import Receipt
    from engine.store.base import Where

    def script(call, load):
        return Receipt(rejected={0: "no"}) if call == 1 else Disconnected("gone")

    calls = rig.target(script)
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,), targets=[calls])
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: none(plant, "p/in/0"))
    down = rig.target(lambda call, load: Disconnected("gone"))
    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,), targets=[down], fingerprint="f2")
    await plant.store.amend(Where(pipeline="p"), "replay")
    await plant.until(lambda: plant.told(LaneHeld))
    assert await plant.entries("p/in/replay") == 1
    finished = len(plant.told(RunFinished))
    await plant.supervisor.look()
    assert len(plant.told(RunFinished)) == finished, "not at once again"


async def test_a_session_that_cannot_open_is_told_and_tried_again(plant, rig):
    def build(context):
        if plant.told(LaneHeld):
            return rig.target().build(context)
        raise Disconnected("no route")

    plant.pipelines["p"] = rig.pipeline([], webhooks=(HOOK,), targets=[rig.target(build=build)])
    await accept(plant, '{"id": 1}')
    await plant.until(lambda: rig.kept)
    (held,) = plant.told(LaneHeld)
    assert held.reason == "no route"
    assert len(await plant.runs()) == 1, "one session, one row"
