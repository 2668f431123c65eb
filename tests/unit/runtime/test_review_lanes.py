"""What a hard look at accepted work found: order behind parked output, leases, waits, and what is told."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from engine.errors import Disconnected, Misconfigured, StoreFull, Transient
from engine.events import LaneFreed, LaneHeld
from engine.pipeline import Remote
from engine.policy import Resilience, Retry
from engine.record import Receipt
from engine.runtime import parking, position
from engine.runtime.connections import Connections
from engine.runtime.request import Request, Stop
from engine.runtime.runner import Run
from engine.store.memory import MemoryStore

from .accepted_rig import Sessions, until
from .rig import ScriptedTarget, rig, rows

QUICK = Resilience(timeout=5, retry=Retry(attempts=2, initial=0.0, max=0.0, jitter="none"))


@pytest.fixture
async def sessions():
    async with rig(MemoryStore) as one:
        yield Sessions(one)


async def emptied(sessions, lane="p/in/0"):
    return await sessions.waiting(lane) == 0


def two(sessions, up, a, b):
    """Target a takes all, b only while it is up."""
    return sessions.pipeline(
        sessions.rig.target(name="a", kept=a, batch=1, resilience=QUICK),
        sessions.rig.target(
            lambda call, load: None if up.is_set() else Disconnected("gone"), name="b", kept=b, batch=1,
            resilience=QUICK,
        ),
    )  # fmt: skip


async def test_what_no_longer_can_be_parked_does_not_overtake_what_is(sessions, monkeypatch):
    monkeypatch.setattr(parking, "MOST", 2)
    up, a, b = asyncio.Event(), [], []
    pipeline = two(sessions, up, a, b)
    await sessions.accept('{"id": 0}', '{"id": 1}')
    async with sessions.session(pipeline):
        await until(lambda: emptied(sessions))
        await sessions.accept('{"id": 2}', '{"id": 3}')
        await until(lambda: len(sessions.told(LaneHeld)) == 1)
        assert await sessions.waiting("p/out/b") == 2
        up.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert b == [], "two wait before them"
        async with sessions.session(pipeline, "out/b"):
            await until(lambda: len(b) == 4)
            await until(lambda: emptied(sessions))
    assert [record["id"] for record in b] == [0, 1, 2, 3]
    assert len(sessions.told(LaneFreed)) == 1


async def test_one_call_with_more_records_than_may_be_parked_does_not_wait_for_itself(sessions, monkeypatch):
    monkeypatch.setattr(parking, "MOST", 2)
    up, a, b = asyncio.Event(), [], []
    await sessions.accept('[{"id": 0}, {"id": 1}, {"id": 2}, {"id": 3}]')
    async with sessions.session(two(sessions, up, a, b)):
        await until(lambda: emptied(sessions))
    assert await sessions.waiting("p/out/b") == 4


async def test_what_waits_for_the_only_target_left_is_not_overtaken_either(sessions):
    up, a, b = asyncio.Event(), [], []
    await sessions.accept('{"id": 1}')
    both = two(sessions, up, a, b)
    async with sessions.session(both):
        await until(lambda: emptied(sessions))
    up.set()
    await sessions.accept('{"id": 2}')
    alone = sessions.pipeline(both.targets[1])
    async with sessions.session(alone):
        await until(lambda: emptied(sessions))
        assert b == []
        async with sessions.session(alone, "out/b"):
            await until(lambda: len(b) == 2)
    assert [record["id"] for record in b] == [1, 2]


async def test_a_lane_that_cannot_be_read_is_given_back_and_nobody_died(sessions, monkeypatch):
    store = sessions.rig.store
    await sessions.accept('{"id": 1}')
    load = store.load

    async def cut(lease):
        raise asyncio.CancelledError

    monkeypatch.setattr(store, "load", cut)
    run = Run(sessions.runtime, sessions.pipeline(sessions.rig.target()), Request(session="in/0"), Stop())
    with pytest.raises(asyncio.CancelledError):
        await run.execute()
    monkeypatch.setattr(store, "load", load)
    (lease,) = await store.acquire("p/in/0", 1, 0.0)
    assert (await load(lease)).restarts == 0


async def test_a_held_lane_is_looked_at_now_and_then_not_all_the_time(sessions, monkeypatch):
    looks, store = [], sessions.rig.store
    fetch, wait = store.fetch, store.wait

    async def counted(*given):
        looks.append(given)
        return await fetch(*given)

    waits = []

    async def waiting(prefix, seconds):
        waits.append(seconds)
        await wait(prefix, 0.001)

    monkeypatch.setattr(store, "fetch", counted)
    monkeypatch.setattr(store, "wait", waiting)
    await sessions.accept('{"id": 1}')
    target = sessions.rig.target(lambda call, load: Disconnected("gone"), resilience=QUICK)
    async with sessions.session(sessions.pipeline(target)):
        await until(lambda: len(waits) > 20)
    assert sum(waits[:20]) > 10.0


async def test_a_long_wait_that_a_remote_asks_of_accepted_work_does_not_keep_a_triggered_run(sessions):
    async with AsyncExitStack() as stack:
        sessions.runtime.connections = Connections(stack, sessions.runtime.context)
        remote = Remote("hub", None)
        await sessions.accept('{"id": 1}')
        busy = sessions.rig.target(lambda call, load: Transient("busy", 86400.0), remote=remote, resilience=QUICK)
        async with sessions.session(sessions.pipeline(busy)):
            await until(lambda: sessions.told(LaneHeld))
            shared = await sessions.runtime.connections.get(remote)
            assert shared.paused - sessions.runtime.clock() <= 600.0


async def test_a_refusal_that_must_fail_is_for_people_to_mend(sessions):
    await sessions.accept('{"id": 1}')
    refuse = sessions.rig.target(lambda call, load: Receipt(rejected={0: "no"}), on_rejected="fail", resilience=QUICK)
    async with sessions.session(sessions.pipeline(refuse)) as run:
        await until(lambda: run.status == "failed")
    assert isinstance(run.error, Misconfigured)
    assert await sessions.waiting() == 1


async def test_a_refusal_that_must_fail_fails_a_triggered_run_with_its_own_code(sessions):
    """The control."""
    refuse = sessions.rig.target(lambda call, load: Receipt(rejected={0: "no"}), on_rejected="fail", resilience=QUICK)
    result = await sessions.rig.run(sessions.rig.pipeline(rows(1), targets=[refuse]))
    assert result.summary["error"]["code"] == "refused"


async def test_a_run_that_does_not_get_the_lane_of_its_files_leaves_no_row(sessions):
    files = sessions.rig.target(traits={"rewinds": True, "progress": lambda: {"at": 0}})
    (lease,) = await sessions.rig.store.acquire("p/targets", 1, 30.0)
    with pytest.raises(position.Busy):
        await sessions.rig.run(sessions.rig.pipeline(rows(1), targets=[files]))
    found, _ = await sessions.rig.store.find("runs")
    assert found == []
    await sessions.rig.store.release([lease])
    (lease,) = await sessions.rig.store.acquire("p/cursor", 1, 30.0)


async def test_a_full_disk_does_not_take_the_lane_from_who_works_it(sessions, monkeypatch):
    store, renewals = sessions.rig.store, []
    monkeypatch.setattr(position, "TTL", 0.003)

    async def renew(leases, ttl):
        renewals.append(leases)
        if len(renewals) < 3:
            raise StoreFull("the disk is full")
        return leases

    monkeypatch.setattr(store, "renew", renew)
    async with sessions.session(sessions.pipeline(sessions.rig.target())) as run:
        await until(lambda: len(renewals) > 4)
        assert run.error is None


async def test_an_end_that_was_cut_off_while_it_was_written_is_not_called_interrupted(sessions, monkeypatch):
    store, written = sessions.rig.store, asyncio.Event()
    settle = store.settle

    async def slow(settlement):
        await settle(settlement)
        if settlement.run is not None and settlement.run.status == "success" and not written.is_set():
            written.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(store, "settle", slow)
    stop = Stop()
    run = Run(sessions.runtime, sessions.rig.pipeline(rows(2)), Request(), stop)
    task = asyncio.create_task(run.execute())
    await written.wait()
    stop.halt("interrupted")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    found, _ = await store.find("runs")
    assert [row.status for row in found] == ["success"]


async def test_a_session_that_stops_in_the_middle_remembers_where_its_file_was_settled(sessions):
    def file(context):
        one = ScriptedTarget(context, sessions.rig.kept, rewinds=True)

        async def resume(place):
            if place is not None:
                del sessions.rig.kept[place["n"] :]

        one.progress, one.resume = lambda: {"n": len(sessions.rig.kept)}, resume
        return one

    slow = asyncio.Event()

    async def write():
        await slow.wait()

    files = sessions.rig.target(name="a", build=file)
    other = sessions.rig.target(lambda call, load: write(), name="b", batch=1, kept=[])
    await sessions.accept('[{"id": 1}, {"id": 2}]')
    async with sessions.session(sessions.pipeline(files, other)) as run:
        await until(lambda: sessions.rig.kept)
        run.stop.set()
        await until(lambda: run.stopping.is_set())
        slow.set()
    assert await sessions.waiting() == 1, "one of the two was not written to b"
    async with sessions.session(sessions.pipeline(files, other)):
        await until(lambda: emptied(sessions))
    assert [record["id"] for record in sessions.rig.kept] == [1, 2]
