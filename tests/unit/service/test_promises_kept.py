"""A promise that is broken is told once, and once when it holds again; history counts, pauses do not."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.events import BatchDelivered, BatchRead, RunFinished, RunStarted
from engine.pipeline import PromisePlan
from engine.service.generation import Card
from engine.service.health import Health
from engine.service.promises import Facts, Promises, broken
from engine.store.base import RunRow, Settlement
from engine.store.memory import MemoryStore
from engine.telemetry.metrics import Metrics
from engine.telemetry.sayings import say

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
FRESH = PromisePlan("fresh", "fresh", 3 * 3600.0, "3h")
FEW = PromisePlan("rejected", "rejected", 0.01, "< 1%")
QUICK = PromisePlan("duration", "duration", 600.0, "< 10m")


def ago(**span: float) -> datetime:
    return NOON - timedelta(**span)


@pytest.mark.parametrize(
    ("plan", "facts", "why"),
    [
        (FRESH, Facts(ago(days=9), ago(hours=3)), ""),
        (FRESH, Facts(ago(days=9), ago(hours=3, seconds=1)), "fresh 3h: the last success was 3 h ago"),
        (FRESH, Facts(ago(hours=1), ago(hours=9)), ""),  # it was paused until an hour ago
        (FRESH, Facts(ago(hours=4)), "fresh 3h: no run succeeded; it is looked at since 4 h ago"),
        (FRESH, Facts(NOON + timedelta(days=1)), ""),  # the clock was set back
        (FEW, Facts(NOON), ""),
        (FEW, Facts(NOON, ended=(9, 1000)), ""),
        (FEW, Facts(NOON, ended=(10, 1000)), "rejected < 1%: 10 of 1000 records, 1.00%"),
        (QUICK, Facts(NOON, seconds=599), ""),
        (QUICK, Facts(NOON, seconds=600), "duration < 10m: the last run took 10 min"),
        (QUICK, Facts(NOON, seconds=5, running=[ago(minutes=11)]), "duration < 10m: a run goes on for 11 min"),
    ],
)
def test_the_judgement(plan: PromisePlan, facts: Facts, why: str) -> None:
    assert broken(plan, facts, NOON) == why


class Desk:
    """Promises with a clock that stands, and a store."""

    def __init__(self, store: MemoryStore) -> None:
        self.store, self.now, self.told, self.silent = store, NOON, [], set[str]()
        self.health, self.metrics = Health(clock=lambda: self.now), Metrics(clock=lambda: self.now)
        self.anew()

    def anew(self) -> None:
        self.promises = Promises(self.store, self.tell, silent=self.silent.__contains__, clock=lambda: self.now)

    def tell(self, event: Any) -> None:
        self.told.append(event)
        self.health(event)
        self.metrics(event)

    def promise(self, *plans: PromisePlan) -> None:
        self.promises.replace([Card("p", "f", promises=plans)])

    async def look(self, **later: float) -> list[str]:
        """Look after so long; give what was said."""
        self.now += timedelta(**later)
        self.told.clear()
        await self.promises.look()
        return [said.message for event in self.told for said in say(event)]

    def run(self, status: Any = "success", seconds: float = 1.0, name: str = "r", **summary: int) -> None:
        self.promises(RunStarted("p", name, "t", "s", (), False))
        self.promises(RunFinished("p", name, status, seconds, summary))

    async def past(self, id: str, status: Any, began: datetime, ended: datetime | None, **summary: Any) -> None:
        (lease,) = await self.store.acquire("p/cursor", 1, 10.0)
        row = RunRow(id, "p", status, "t", {}, "f", began.isoformat(), ended and ended.isoformat(), summary)
        await self.store.settle(Settlement(id, lease, run=row))
        await self.store.release([lease])

    def figure(self, name: str = "fresh") -> float | None:
        return self.metrics.series.promises.values.get(("p", name))

    def shown(self) -> Any:
        status, body = self.health.ready(self.now)
        assert status == 200, "a broken promise does not make the engine unready"
        return [one["promise"] for one in body.get("promises", [])]


@pytest.fixture
async def desk():
    async with AsyncExitStack() as stack:
        store = MemoryStore()
        await store.open(stack, "test")
        yield Desk(store)


async def test_it_is_told_once_when_it_breaks_and_once_when_it_holds_again(desk: Desk) -> None:
    desk.promise(FRESH)
    assert await desk.look() == []
    assert (desk.figure(), desk.shown()) == (0.0, [])
    desk.run()
    assert await desk.look(hours=3) == []
    assert await desk.look(seconds=5) == ["promise fresh broken: fresh 3h: the last success was 3 h ago"]
    assert (desk.figure(), desk.shown()) == (1.0, ["fresh"])
    assert await desk.look(hours=5) == []
    desk.run("failed")
    assert await desk.look() == []
    desk.run()
    (said,) = await desk.look()
    assert said.startswith("promise fresh kept: it holds again; it was broken: ")
    assert (desk.figure(), desk.shown()) == (0.0, [])


async def test_history_counts_after_a_restart(desk: Desk) -> None:
    await desk.past("1", "success", ago(hours=5), ago(hours=4), read=100, rejected=2)
    await desk.past("2", "failed", ago(hours=2), ago(hours=1), read=0)
    desk.promise(FRESH, FEW, QUICK)
    assert await desk.look() == [
        "promise fresh broken: fresh 3h: the last success was 4 h ago",
        "promise rejected broken: rejected < 1%: 2 of 100 records, 2.00%",
        "promise duration broken: duration < 10m: the last run took 1 h",
    ]
    desk.anew()
    desk.promise(FRESH)
    assert len(await desk.look()) == 1, "a new process tells it again, once"


async def test_a_pipeline_that_never_succeeded_counts_from_its_first_run(desk: Desk) -> None:
    await desk.past("1", "failed", ago(hours=4), ago(hours=4))
    desk.promise(FRESH)
    assert await desk.look() == ["promise fresh broken: fresh 3h: no run succeeded; it is looked at since 4 h ago"]


async def test_a_paused_pipeline_is_not_looked_at_and_begins_anew(desk: Desk) -> None:
    desk.promise(FRESH)
    desk.run()
    await desk.look()
    desk.silent.add("p")
    assert await desk.look(hours=9) == []
    assert (desk.figure(), desk.shown()) == (None, [])
    desk.silent.clear()
    assert await desk.look() == []
    assert len(await desk.look(hours=4)) == 1
    desk.silent.add("p")
    assert await desk.look() == ["promise fresh gone: paused, disabled, or not promised any more: it is not looked at"]
    assert (desk.figure(), desk.shown()) == (None, [])


async def test_a_promise_that_is_taken_out_is_forgotten(desk: Desk) -> None:
    desk.promise(FRESH, FEW)
    await desk.look()
    assert len(await desk.look(hours=4)) == 1
    desk.promise(FEW)
    assert len(await desk.look()) == 1
    assert (desk.figure(), desk.figure("rejected"), desk.shown()) == (None, 0.0, [])


async def test_of_calls_the_last_hour_counts_and_what_is_sent_is_fresh(desk: Desk) -> None:
    desk.promise(FRESH, FEW)
    await desk.look()
    desk.promises(RunStarted("p", "s", "webhook", "s", ("target",), False, "session"))
    desk.promises(BatchRead("p", "s", 100, {}, 1))
    desk.promises(BatchDelivered("p", "s", "target", 98, 1, 1, 0.1))
    assert await desk.look() == ["promise rejected broken: rejected < 1%: 2 of 100 records, 2.00%"]
    (said,) = await desk.look(minutes=70)
    assert said.startswith("promise rejected kept")
    assert await desk.look(minutes=109) == []
    assert len(await desk.look(minutes=2)) == 1


async def test_a_run_that_goes_on_too_long_breaks_a_promise_before_it_ends(desk: Desk) -> None:
    desk.promise(QUICK)
    desk.promises(RunStarted("p", "r", "t", "s", (), False))
    assert await desk.look(minutes=9) == []
    assert await desk.look(minutes=1) == ["promise duration broken: duration < 10m: a run goes on for 10 min"]
    desk.promises(RunFinished("p", "r", "success", 601.0, {}))
    assert await desk.look() == []
    desk.run(seconds=2.0)
    assert len(await desk.look()) == 1


async def test_a_replay_is_no_success(desk: Desk) -> None:
    desk.promise(FRESH)
    await desk.look()
    desk.now += timedelta(hours=2)
    desk.promises(RunStarted("p", "r", "replay", "s", (), False))
    desk.promises(RunFinished("p", "r", "success", 1.0, {}))
    assert len(await desk.look(hours=2)) == 1
