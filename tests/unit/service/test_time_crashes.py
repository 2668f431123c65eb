"""A scheduler that dies anywhere: every slot is fired exactly once, in both stores; and the controls that fail."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from engine.errors import StoreFailed, StoreFull
from engine.events import Fired, StoreChanged
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore
from tests.unit.service.time_rig import Around, World, at, timer, twice

QUARTERS = timer({"cron": "*/15 * * * *"}, missed="all")
BEGIN, END = "2026-03-04T11:50:00", "2026-03-05T00:05:00"


def expected() -> list[str]:
    slots, slot = [], at("2026-03-04T12:00:00")
    while slot <= at(END):
        slots.append(slot.strftime("%m-%d %H:%M"))
        slot += timedelta(minutes=15)
    return slots


@pytest.fixture(params=["memory", "sqlite"])
def make(request, tmp_path):
    """Makes a life's store, over what the lives before it left."""

    def store(world: World):
        if request.param == "memory":
            return MemoryStore(world.tables, clock=world.clock)
        return SqliteStore(tmp_path / "engine.db", min_free=0, reserve=0, clock=world.clock)

    return store


class Killer:
    """Ends lives in ``settle``: before the commit, or after it and before anybody knows."""

    def __init__(self, seed: int, share: float = 0.4) -> None:
        self.random, self.share, self.kills, self.on = random.Random(seed), share, 0, True

    async def settle(self, store, settlement):
        draw = self.random.random() if self.on else 1.0
        if draw < self.share / 2:
            self.kills += 1
            raise StoreFailed("killed before the commit")
        await store.settle(settlement)
        if draw < self.share:
            self.kills += 1
            raise StoreFailed("killed after the commit")


async def live_on(world: World, plan, until: str) -> None:
    """Start again after each death."""
    while world.now < at(until).timestamp():
        try:
            await world.live([plan], until)
        except StoreFailed:
            world.now += 1.0


@pytest.mark.parametrize("seed", range(4))
async def test_each_slot_once_whatever_dies(make, seed):
    """Killed at random settlements, before and after their commit."""
    killer = Killer(seed)
    world = World(BEGIN, lambda world: Around(make(world), killer.settle))
    await live_on(world, QUARTERS, END)
    killer.on = False
    assert killer.kills >= 5
    assert world.lives > killer.kills
    assert await world.slots() == expected()


async def test_each_slot_once_when_lives_are_short(make):
    """A new process every few minutes, that is between two settlements too."""
    world, draw = World(BEGIN, make), random.Random(7)
    while world.now < at(END).timestamp():
        step = datetime.fromtimestamp(world.now, at(END).tzinfo) + timedelta(seconds=draw.randrange(1, 2000))
        await world.live([QUARTERS], min(step, at(END)).isoformat()[:19])
    assert world.lives > 30
    assert await world.slots() == expected()


async def _forgetful(store, settlement):
    """The control's store: neither places nor dedupe."""
    plain = [new._replace(dedupe=None) for new in settlement.append]
    await store.settle(settlement._replace(state={}, append=plain))


async def _without_dedupe(store, settlement):
    plain = [new._replace(dedupe=None) for new in settlement.append]
    await store.settle(settlement._replace(append=plain))


async def _places_first(store, settlement):
    """The control's store: places and firings in two transactions, and a death between them."""
    await store.settle(settlement._replace(append=()))
    if settlement.append:
        raise StoreFailed("killed between the two")


async def test_without_places_slots_are_lost(make):
    """The control: nobody knows what was missed."""
    world = World(BEGIN, lambda world: Around(make(world), _forgetful))
    while world.now < at(END).timestamp():
        step = datetime.fromtimestamp(world.now, at(END).tzinfo) + timedelta(seconds=1000)
        await world.live([QUARTERS], min(step, at(END)).isoformat()[:19])
        world.now += 900
    assert set(expected()) - set(await world.slots())


async def test_without_places_and_dedupe_a_clock_set_back_fires_twice(make):
    """The control: killed, and the clock set back by an hour meanwhile. With both there is nothing twice."""
    for settle, doubled in ((_forgetful, True), (lambda store, settlement: store.settle(settlement), False)):
        world = World(BEGIN, lambda world, settle=settle: Around(make(world), settle))
        await world.live([QUARTERS], "2026-03-04T13:05:00")
        world.now -= 3600
        await world.live([QUARTERS], "2026-03-04T14:05:00")
        assert bool(twice(await world.slots())) == doubled
        if doubled and not isinstance(make(world), MemoryStore):
            for left in make(world).path.parent.glob("engine.db*"):
                left.unlink()


async def test_places_alone_are_enough_while_they_are_settled_with_the_firings(make):
    """Dedupe is the second belt: without it, and with kills, there is still nothing twice."""
    killer = Killer(3)

    async def settle(store, settlement):
        await killer.settle(Around(store, _without_dedupe), settlement)

    world = World(BEGIN, lambda world: Around(make(world), settle))
    await live_on(world, QUARTERS, END)
    killer.on = False
    assert await world.slots() == expected()


async def test_two_transactions_lose_slots(make):
    """The control: a place that moved on without its firing."""
    world = World(BEGIN, lambda world: Around(make(world), _places_first))
    await live_on(world, QUARTERS, END)
    assert await world.slots() == []


@pytest.mark.parametrize("passing", [1, 7, 700])
async def test_a_full_store_loses_nothing(make, passing):
    """The same settlement is tried again, once a second, until there is room; then what came due meanwhile."""
    tried: list[str] = []

    async def settle(store, settlement):
        if settlement.append and len(tried) < passing:
            tried.append(settlement.id)
            raise StoreFull("no room on the disk")
        await store.settle(settlement)

    world = World(BEGIN, lambda world: Around(make(world), settle))
    await world.live([timer({"cron": "*/5 * * * *"}, missed="all")], "2026-03-04T12:20:30")
    assert await world.slots() == ["03-04 11:55", *(f"03-04 12:{minute:02}" for minute in range(0, 21, 5))]
    assert len(set(tried)) == 1
    assert [one.state for one in world.of(StoreChanged)] == ["full", "ok"]
    assert world.of(Fired)[0].lag >= passing
