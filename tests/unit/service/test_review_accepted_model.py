"""Through deaths, stops, reloads and broken targets every accepted record arrives, in order, or is a dead letter."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack

import pytest

from engine.errors import EngineError
from engine.runtime import decide, entries, parking
from engine.runtime.ledger import Ledger
from engine.runtime.parking import Parking
from engine.runtime.run import Execution
from engine.service import sessions, supervisor, turns
from engine.service.sessions import Session
from tests.unit.service.accepted_model import World

SEEDS = range(24)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nobody waits for long."""
    for module, names in (
        (decide, ("OFTEN", "SELDOM")),
        (sessions, ("SHORTEST", "LONGEST", "MENDING")),
        (supervisor, ("LOOK",)),
        (entries, ("POLL", "SOON")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, 0.002)
    monkeypatch.setattr(parking, "MOST", 6)
    monkeypatch.setattr(turns, "LONG", 0.02)


async def broken(seed):
    """Give the laws that a scenario breaks."""
    async with AsyncExitStack() as stack:
        world = World(random.Random(seed))
        await world.store.open(stack, "test")
        try:
            await world.live(14)
        except (TimeoutError, EngineError) as error:
            await world.plant.supervisor.stop(0.0)
            return [f"it does not come to its end: {error!r}", *await world.verdict()]
        return await world.verdict()


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_doubled_in_effect_or_overtaken(seed):
    assert await broken(seed) == []


async def caught():
    """Tell whether any scenario shows that something is wrong."""
    for seed in SEEDS:
        if await broken(seed):
            return True
    return False


async def test_a_ledger_that_settles_what_is_under_way_is_caught(monkeypatch):
    take = Ledger.take
    monkeypatch.setattr(Ledger, "take", lambda self, s, c, e, p, open: take(self, s, c, e, p, 0))
    assert await caught()


async def test_parked_output_that_is_overtaken_is_caught(monkeypatch):
    monkeypatch.setattr(Parking, "waiting", 0)
    assert await caught()


async def test_a_full_parking_that_lets_others_pass_is_caught(monkeypatch):
    from engine.runtime.delivery import Delivery

    async def behind(self, parking, count):
        return parking.room(count) and parking.waiting > 0

    monkeypatch.setattr(Delivery, "_behind", behind)
    assert await caught()


async def test_parked_output_that_is_forgotten_at_a_new_start_is_caught(monkeypatch):
    async def count(self):
        return

    monkeypatch.setattr(Session, "_count", count)
    assert await caught()


async def test_a_file_that_is_not_cut_back_is_caught(monkeypatch):
    async def cut(self, place):
        return

    monkeypatch.setattr(World, "cut", cut)
    assert await caught()


async def test_a_worker_that_never_gets_its_turn_is_caught(monkeypatch):
    monkeypatch.setattr(supervisor.Supervisor, "_make_way", supervisor.Supervisor._free)
    assert await caught()


async def test_a_refusal_that_leaves_no_dead_letter_is_caught(monkeypatch):
    refuse = Execution.refuse
    monkeypatch.setattr(Execution, "refuse", lambda self, lost: [(at, None) for at, _ in refuse(self, lost)])
    assert await caught()
