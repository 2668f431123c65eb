"""The store in memory and the one on disk answer alike, whatever is asked of them in whatever order."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.errors import StoreError
from engine.store.base import ANY, Entry, Lease, LogLine, NewEntry, Page, Settlement, Store, What, Where
from engine.store.conformance.harness import letter, run
from engine.store.memory import MemoryStore
from tests.unit.store.broken_twins import ForgetsSettlements, KeepsEveryLetterApart, KnowsOneScope
from tests.unit.store.store_harnesses import MemoryHarness, SqliteHarness

PIPELINES = ("a", "b")
LANES = ("a/in/0", "a/out/x", "b/in/0")
WHATS: tuple[What, ...] = ("runs", "dead", "logs", "lanes", "entries", "causes")

lanes = st.sampled_from(LANES)
names = st.sampled_from(("1", "2", "3"))
texts = st.none() | names
checkpoints = st.none() | st.fixed_dictionaries({"at": st.integers(0, 9)})
fields = {
    "pipeline": st.sampled_from(PIPELINES),
    "run": names,
    "id": names,
    "status": st.sampled_from(("open", "dropped", "running", "success", "info")),
    "code": st.sampled_from(("refused", "check", "down")),
    "reason": st.sampled_from(("refused", "check: too", "down: gone")),
    "lane": lanes,
}
one_field = st.sampled_from(sorted(fields)).flatmap(lambda name: fields[name].map(lambda value: Where(**{name: value})))
wheres = st.just(ANY) | one_field | st.builds(Where, pipeline=fields["pipeline"], code=fields["code"])
letters = st.builds(
    letter,
    names,
    pipeline=st.sampled_from(PIPELINES),
    run=names,
    code=st.sampled_from(("refused", "check")),
    message=st.sampled_from(("too old", "gone")),
    identity=texts,
    mapped=st.none() | st.just({"x": 1}),
)
runs = st.builds(
    run,
    names,
    pipeline=st.sampled_from(PIPELINES),
    status=st.sampled_from(("running", "cancelling", "queued", "success", "failed")),
    summary=st.sampled_from(({}, {"error": None}, {"error": {"code": "down", "message": "gone"}})),
)
settlements = st.fixed_dictionaries(
    {
        "checkpoint": checkpoints,
        "state": st.dictionaries(names, st.none() | st.binary(max_size=3), max_size=2),
        "dead": st.lists(letters, max_size=2),
        "append": st.lists(st.builds(NewEntry, lanes, st.integers(), texts, st.sampled_from(("", "s"))), max_size=2),
        "run": st.none() | runs,
        "logs": st.lists(st.builds(LogLine, names, st.just(""), st.just("info"), st.just("down"), names), max_size=2),
    }
)
settle_step = st.tuples(st.just("settle"), settlements, st.integers(0, 5), st.integers(0, 3))
steps = st.one_of(
    st.tuples(st.just("append"), st.builds(NewEntry, lanes, st.integers(), texts, st.sampled_from(("", "s")))),
    st.tuples(st.just("acquire"), st.sampled_from(("a/", "", "b/in/0", "a/in"))),
    settle_step,
    settle_step,  # twice as often: most of what there is to tell apart is in it
    st.tuples(st.just("fetch"), st.integers(0, 5)),
    st.tuples(st.just("release"), st.integers(0, 5)),
    st.tuples(st.just("renew"), st.integers(0, 5)),
    st.tuples(st.just("amend"), wheres, st.sampled_from(("replay", "edit", "drop")), st.integers(0, 2)),
    st.tuples(st.just("find"), st.sampled_from(WHATS), wheres),
    st.tuples(
        st.just("purge"),
        st.sets(st.sampled_from(("runs", "logs", "dead", "dead_open", "dedupe"))),
        st.sampled_from((0, 1000)),
    ),
    st.tuples(st.just("clear"), lanes, st.none() | lanes, st.integers(0, 3)),
    st.tuples(st.just("waiting")),
    st.tuples(st.just("advance"), st.sampled_from((1, 40))),
    st.tuples(st.just("restart")),
)


OPENING = (*(("append", NewEntry(lane, 0)) for lane in LANES), ("acquire", "a/"))
"""Without a lane to work there is little to tell two stores apart by."""


class Driver:
    """Does the same steps to one store; entries are told by when they were first seen, for ids are opaque."""

    def __init__(self, harness: MemoryHarness | SqliteHarness) -> None:
        self.harness = harness
        self.store: Store
        self.leases: list[Lease] = []
        self.entries: dict[str, int] = {}
        self.settled = 0

    def told(self, value: Any) -> Any:
        if isinstance(value, Entry):
            return value._replace(id=str(self.entries.setdefault(value.id, len(self.entries))))
        return value

    def lease(self, number: int) -> Lease:
        return self.leases[-1 - number % len(self.leases)] if self.leases else Lease("a/in/0", "nobody", 1)

    async def do(self, step: tuple[Any, ...]) -> Any:
        try:
            return await getattr(self, f"_{step[0]}")(*step[1:])
        except StoreError as error:
            return type(error)

    async def _append(self, new: NewEntry) -> Any:
        [(entry, fresh)] = await self.store.append([new])
        return self.entries.setdefault(entry, len(self.entries)), fresh

    async def _acquire(self, prefix: str) -> Any:
        taken = await self.store.acquire(prefix, 2, 30)
        self.leases += taken
        return taken

    async def _settle(self, what: Mapping[str, Any], number: int, done: int) -> Any:
        self.settled += done != 3  # now and then the same settlement again
        ids = sorted(self.entries, key=self.entries.__getitem__)[:done]
        finished = [(self.lease(number + 1), ids)] if done == 2 else []
        settlement = Settlement(f"s-{self.settled}", self.lease(number), done=ids, finished=finished, **what)
        await self.store.settle(settlement)
        return await self.store.load(self.lease(number))

    async def _fetch(self, number: int) -> Any:
        return [self.told(entry) for entry in await self.store.fetch(self.lease(number), 2, 100)]

    async def _release(self, number: int) -> None:
        await self.store.release([self.lease(number)])

    async def _renew(self, number: int) -> Any:
        return await self.store.renew([self.lease(number), self.lease(number + 1)], 30)

    async def _amend(self, where: Where, do: Any, limit: int) -> Any:
        return await self.store.amend(where, do, {"edited": True}, limit)

    async def _find(self, what: What, where: Where) -> Any:
        return await self.pages(what, where)

    async def _purge(self, kinds: set[str], limit: int) -> Any:
        return await self.store.purge(dict.fromkeys(kinds, self.harness.clock.text()), limit)

    async def _clear(self, lane: str, to: str | None, limit: int) -> Any:
        return await self.store.clear(lane, to, limit)

    async def _waiting(self) -> Any:
        return list(await self.store.waiting())

    async def _advance(self, seconds: float) -> None:
        self.harness.clock.advance(seconds)

    async def _restart(self) -> None:
        self.store = await self.harness.restart()

    async def pages(self, what: What, where: Where = ANY) -> list[Any]:
        found: list[Any] = []
        after: str | None = None
        while True:
            some, after = await self.store.find(what, where, Page(2, after))
            found += map(self.told, some)
            if after is None:
                return found


async def compare(plan: list[tuple[Any, ...]], folder: Path, twin: type[MemoryStore] = MemoryStore) -> None:
    async with AsyncExitStack() as stack:
        drivers = [Driver(MemoryHarness(stack, twin)), Driver(SqliteHarness(stack, folder))]
        for driver in drivers:
            driver.store = await driver.harness.start()
        for step in (*OPENING, *plan):
            memory, sqlite = [await driver.do(step) for driver in drivers]
            assert memory == sqlite, step
        for what in WHATS:
            memory, sqlite = [await driver.pages(what) for driver in drivers]
            assert memory == sqlite, what


PLANS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@PLANS
@given(st.lists(steps, min_size=5, max_size=40))
def test_both_answer_alike(plan: list[tuple[Any, ...]]) -> None:
    """Random plans of up to 40 calls give the same answers, errors and listings."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(plan, Path(folder)))


@pytest.mark.parametrize("twin", [KeepsEveryLetterApart, ForgetsSettlements, KnowsOneScope])
def test_a_difference_is_found(twin: type[MemoryStore]) -> None:
    """The control: plans of the same kind tell a broken twin from the store on disk."""

    @settings(PLANS, max_examples=400, phases=[Phase.generate])
    @given(st.lists(steps, min_size=5, max_size=40))
    def differ(plan: list[tuple[Any, ...]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(compare(plan, Path(folder), twin))

    with pytest.raises(AssertionError):
        differ()
