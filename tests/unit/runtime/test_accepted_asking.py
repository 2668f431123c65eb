"""Steps that ask, in a session over accepted work: it waits, is held, and is not taken for what kills the process."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import Disconnected, Uncertain
from engine.events import LaneHeld
from engine.pipeline import CallPlan
from engine.runtime import assembly
from engine.runtime.lookups import Looking
from engine.service import sessions as service
from engine.service.sessions import Session
from engine.store.memory import MemoryStore

from .accepted_rig import Sessions, until
from .asking_bench import QUICK, Bench, Doing
from .rig import rig


@pytest.fixture
async def sessions():
    async with rig(MemoryStore) as one:
        yield Sessions(one)


async def dead(sessions):
    rows, _ = await sessions.rig.store.find("dead")
    return [(row.code, row.entry, row.record) for row in reversed(rows)]


def deaths(sessions):
    """How often in a row a process died with the lane in its hands, as the store counts it."""
    return sessions.rig.store.tables.lanes["p/in/0"].restarts


async def test_what_waits_for_its_sale_is_delivered_in_order(sessions):
    ready = []
    bench = Bench(lambda record: [{"ok": 1}] if ready or record["id"] != 1 else [])
    await sessions.accept('{"id": 1}', '{"id": 2}')
    async with sessions.session(sessions.pipeline(stages=[bench.plan(retry_for=60.0)])):
        await until(lambda: len(bench.asked) >= 2)
        assert sessions.rig.kept == []
        ready.append(True)
        await until(lambda: len(sessions.rig.kept) == 2)
    assert [record["id"] for record in sessions.rig.kept] == [1, 2]


async def test_told_to_stop_while_it_waits_nothing_is_settled(sessions):
    bench = Bench(lambda record: [])
    await sessions.accept('{"id": 1}')
    async with sessions.session(sessions.pipeline(stages=[bench.plan(retry_for=3600.0)])):
        await until(lambda: bench.asked)
    assert await sessions.waiting() == 1
    assert await dead(sessions) == []


@pytest.mark.parametrize("told", [True, False])
async def test_waiting_is_not_dying(sessions, monkeypatch, told):
    """While it waits the count of deaths begins anew; the control: where nobody says so, it stays."""
    if not told:
        monkeypatch.setattr(Looking, "survived", property(lambda self: None, lambda self, value: None))
    bench = Bench(lambda record: [])
    await sessions.accept('{"id": 1}')
    for _ in range(2):
        await sessions.rig.store.acquire("p/in/0", 1, -1.0)  # taken, and never given back
    async with sessions.session(sessions.pipeline(stages=[bench.plan(retry_for=3600.0)])):
        await until(lambda: len(bench.asked) > 1)
        assert deaths(sessions) == (0 if told else 2)
    assert await dead(sessions) == []


async def work(sessions, pipeline, monkeypatch, done):
    """Work as the server does: a session that fails is begun again."""
    monkeypatch.setattr(service, "SHORTEST", 0.001)
    session = Session(sessions.runtime, pipeline, "in/0")
    task = asyncio.create_task(session.work())
    try:
        await until(done)
    finally:
        session.stop.halt("success")
        await task


@pytest.mark.parametrize("kind", ["lookup", "call"])
async def test_a_remote_that_is_down_holds_the_work_until_it_is_back(sessions, monkeypatch, kind):
    """Begun again and again, it is never taken for a crash, and nothing is lost or out of order."""
    tries = []

    def answer(record, *given):
        tries.append(record["id"])
        return Disconnected("gone") if len(tries) < 20 else [{"ok": 1}]

    bench = Bench(answer)
    call = CallPlan("steps[0].call", "table", None, QUICK, lambda context: Doing(answer), ("found",))
    stages = [bench.plan() if kind == "lookup" else call]
    await sessions.accept('{"id": 1}', '{"id": 2}')
    await work(sessions, sessions.pipeline(stages=stages), monkeypatch, lambda: len(sessions.rig.kept) == 2)
    assert [record["id"] for record in sessions.rig.kept] == [1, 2]
    assert {event.code for event in sessions.told(LaneHeld)} == {"disconnected"}
    assert (await dead(sessions), await sessions.waiting()) == ([], 0)


async def test_a_call_whose_answer_is_lost_is_a_dead_letter_and_the_lane_goes_on(sessions, monkeypatch):
    doing = Doing(lambda record, attempt: Uncertain("cut") if record["id"] == 1 else {"ok": 1})
    call = CallPlan("steps[0].call", "table", None, QUICK, lambda context: doing, ("found",))
    await sessions.accept('{"id": 1}', '{"id": 2}')
    await work(sessions, sessions.pipeline(stages=[call]), monkeypatch, lambda: len(sessions.rig.kept) == 1)
    assert await dead(sessions) == [("uncertain", "steps[0].call", {"id": 1})]
    assert doing.calls == [(1, None), (2, None)]


@pytest.mark.parametrize("apart", [True, False])
async def test_what_was_called_is_not_called_again_because_the_next_one_fails(sessions, monkeypatch, apart):
    """Each accepted call stands alone; the control: together, those before the failing one are repeated each time."""
    if not apart:
        monkeypatch.setattr(assembly, "calls", lambda pipeline: False)
    doing = Doing(lambda record, attempt: Disconnected("gone") if record["id"] == 9 and attempt < 12 else {"ok": 1})
    call = CallPlan("steps[0].call", "table", None, QUICK, lambda context: doing, ("found",))
    await sessions.accept(*(f'{{"id": {number}}}' for number in range(10)))
    pipeline = sessions.pipeline(sessions.rig.target(batch=1), stages=[call])
    await work(sessions, pipeline, monkeypatch, lambda: len({record["id"] for record in sessions.rig.kept}) == 10)
    first = [number for number, _ in doing.calls].count(0)
    assert first == 1 if apart else first > 3
