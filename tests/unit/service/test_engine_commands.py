"""What a serving engine does when it is asked from beside, and when its store is in trouble."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StoreError, StoreFailed, StoreFull, Unavailable
from engine.events import Noted, RunFinished, RunStarted, Skipped, StoreChanged
from engine.record import Receipt
from engine.runtime.request import Request, Stop
from engine.runtime.runner import Runtime
from engine.service.engine import Engine
from engine.service.firing import Firing
from engine.service.firings import AT_ONCE
from engine.store.base import NewEntry, Where
from engine.store.memory import MemoryStore
from tests.unit.runtime.accepted_rig import HOOK, body, until
from tests.unit.runtime.rig import Rig, rows
from tests.unit.service.plant import Made


@dataclass
class Project(Made):
    """Pipelines of plain functions, and a project that nobody asks anything."""

    project: Any = None


class Served:
    """An engine over one store, whose lanes are looked after."""

    def __init__(self, store: Any, rig: Rig) -> None:
        self.store, self.rig = store, rig
        self.events: list[Any] = []
        self.pipelines: dict[str, Any] = {}
        self.shown: list[set[str]] = []
        made: Any = Project(self.pipelines)
        runtime = Runtime(store, self.events.append, Path(), random=lambda: 0.5)
        self.engine = Engine(runtime, made, self.events.append, lambda project, paused: self.shown.append({*paused}))

    async def work(self) -> None:
        while True:
            await self.engine.supervisor.look()
            await asyncio.sleep(0.002)

    async def runs(self, name: str = "p") -> list[Any]:
        found, _ = await self.store.find("runs", Where(pipeline=name))
        return list(reversed(found))

    async def ended(self, count: int, name: str = "p") -> bool:
        return len([run for run in await self.runs(name) if run.finished]) == count

    async def waiting(self, lane: str) -> int:
        return await self.engine.runtime.entries(lane)

    async def empty(self, lane: str) -> bool:
        return await self.waiting(lane) == 0

    async def fire(self, *params: Any, kind: Any = "cron", pipeline: str = "p") -> None:
        await self.store.append([Firing("t", kind, given).entry(pipeline) for given in params])

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
async def served():
    async with AsyncExitStack() as stack:
        store = MemoryStore()
        await store.open(stack, "test")
        made = Served(store, Rig(store))
        working = asyncio.create_task(made.work())
        yield made
        await made.engine.supervisor.stop(2.0)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def gate() -> tuple[asyncio.Event, Any]:
    """A target that waits until it is opened."""
    opened = asyncio.Event()

    async def write() -> None:
        await opened.wait()

    return opened, lambda call, load: write()


# run, cancel


async def test_a_run_is_watched_and_gives_its_summary(served) -> None:
    served.pipelines["p"] = served.rig.pipeline(rows(3))
    seen: list[Any] = []
    summary = await served.engine.run("p", Request(params={"a": 1}), seen.append)
    assert (summary["status"], summary["sent"]) == ("success", {"out": 3})
    assert [type(event) for event in seen if isinstance(event, RunStarted | RunFinished)] == [RunStarted, RunFinished]
    assert served.engine.supervisor.running == {}
    (row,) = await served.runs()
    assert (row.trigger, row.params) == ("manual", {"a": 1})


async def test_who_watches_one_run_does_not_hear_of_others(served) -> None:
    served.pipelines |= {"p": served.rig.pipeline(rows(2)), "q": replace(served.rig.pipeline(rows(2)), name="q")}
    mine: list[Any] = []
    await asyncio.gather(
        served.engine.run("p", Request(), mine.append), served.engine.run("q", Request(), lambda event: None)
    )
    assert {event.pipeline for event in mine} == {"p"}
    assert {event.pipeline for event in served.told(RunFinished)} == {"p", "q"}


async def test_a_dry_run_shows_and_leaves_nothing(served) -> None:
    served.pipelines["p"] = served.rig.pipeline(rows(2))
    summary = await served.engine.run("p", Request(dry_run=True), lambda event: None)
    assert len(summary["previews"]) == 2
    assert served.rig.kept == []
    assert await served.runs() == []


async def test_a_run_that_goes_on_is_cancelled_and_another_is_not_there(served) -> None:
    opened, script = gate()
    served.pipelines["p"] = served.rig.pipeline(rows(30), targets=[served.rig.target(script, batch=1)])
    going = asyncio.create_task(served.engine.run("p", Request(), lambda event: None))
    await until(lambda: served.engine.supervisor.running)
    (run,) = served.engine.supervisor.running
    assert await served.engine.cancel(run)
    assert not await served.engine.cancel("another")
    opened.set()
    assert (await going)["status"] == "cancelled"
    assert not await served.engine.cancel(run), "it is over"


async def test_a_run_by_hand_hears_its_own_stop(served) -> None:
    opened, script = gate()
    served.pipelines["p"] = served.rig.pipeline(rows(30), targets=[served.rig.target(script, batch=1)])
    stop = Stop()
    going = asyncio.create_task(served.engine.run("p", Request(), lambda event: None, stop))
    await until(lambda: served.engine.supervisor.running)
    stop.halt("interrupted")
    opened.set()
    assert (await going)["status"] == "interrupted"


async def test_what_is_not_there_is_refused_with_a_remedy(served) -> None:
    with pytest.raises(KeyError):
        await served.engine.run("nobody", Request(), lambda event: None)
    with pytest.raises(Unavailable, match="`engine runs` shows"):
        await served.engine.rerun("nothing")
    with pytest.raises(Unavailable, match="`engine list` shows"):
        await served.engine.pause("nobody", "ada")


# rerun


async def test_a_rerun_takes_the_params_of_then_and_says_of_what(served) -> None:
    served.pipelines["p"] = served.rig.pipeline(rows(1))
    first = await served.engine.run("p", Request(params={"n": 9}), lambda event: None)
    entry = await served.engine.rerun(first["run"])
    assert entry
    await until(lambda: served.ended(2))
    again = (await served.runs())[1]
    assert (again.params, again.rerun_of, again.trigger) == ({"n": 9}, first["run"], "rerun")


async def test_two_reruns_are_two_runs(served) -> None:
    """People asked for both, with the same params: neither is dropped."""
    served.pipelines["p"] = served.rig.pipeline(rows(1))
    first = await served.engine.run("p", Request(), lambda event: None)
    await asyncio.gather(served.engine.rerun(first["run"]), served.engine.rerun(first["run"]))
    await until(lambda: served.ended(3))
    assert served.told(Skipped) == []


# pause, resume


async def test_a_pause_holds_accepted_work_until_it_is_resumed(served) -> None:
    served.pipelines["p"] = served.rig.pipeline([], webhooks=(HOOK,))
    await served.engine.pause("p", "ada")
    await served.store.append([NewEntry("p/in/0", body('{"id": 1}'))])
    await asyncio.sleep(0.03)
    assert await served.waiting("p/in/0") == 1
    assert served.shown[-1] == {"p"}
    assert served.engine.pauses["p"]["by"] == "ada"
    await served.engine.resume("p", "bob")
    await until(lambda: served.rig.kept)
    assert served.shown[-1] == set()
    assert [note.code for note in served.told(Noted)] == ["paused", "resumed"]


async def test_a_session_that_goes_on_ends_with_the_pause(served) -> None:
    served.pipelines["p"] = served.rig.pipeline([], webhooks=(HOOK,))
    await served.store.append([NewEntry("p/in/0", body('{"id": 1}'))])
    await until(lambda: served.rig.kept)
    await served.engine.pause("p", "ada")
    await until(lambda: not served.engine.supervisor.work_under_way)
    await served.store.append([NewEntry("p/in/0", body('{"id": 2}'))])
    await asyncio.sleep(0.03)
    assert len(served.rig.kept) == 1


async def test_runs_that_wait_their_turn_wait_for_the_end_of_the_pause(served) -> None:
    """The one that goes on comes to its end; what queues behind it does not begin."""
    opened, script = gate()
    served.pipelines["p"] = served.rig.pipeline(rows(1), targets=[served.rig.target(script)], overlap="queue")
    await served.fire({"a": 1}, {"a": 2}, {"a": 3})
    await until(served.runs)
    await served.engine.pause("p", "ada")
    opened.set()
    await until(lambda: served.ended(1))
    await asyncio.sleep(0.03)
    assert [run.status for run in await served.runs()] == ["success"]
    assert await served.waiting("p/fire") == 2
    await served.engine.resume("p", "ada")
    await until(lambda: served.ended(3))
    assert [run.params for run in await served.runs()] == [{"a": 1}, {"a": 2}, {"a": 3}]


async def test_a_pause_outlives_the_engine(served) -> None:
    served.pipelines["p"] = served.rig.pipeline([], webhooks=(HOOK,))
    await served.engine.pause("p", "ada")
    later = Served(served.store, served.rig)
    await later.engine.look_at_pauses()
    assert later.engine.resting("p")
    assert not later.engine.resting("q")


async def test_time_does_not_fire_what_is_paused_gone_or_disabled(served) -> None:
    served.pipelines["p"] = served.rig.pipeline(rows(1))
    assert not served.engine.silent("p")
    assert served.engine.silent("gone")
    await served.engine.pause("p", "ada")
    assert served.engine.silent("p")


# dead letters, orphans, backup


async def test_dead_letters_are_replayed_at_once(served) -> None:
    answers = {1: Receipt(rejected={0: "no"})}
    target = served.rig.target(lambda call, load: answers.get(call))
    served.pipelines["p"] = served.rig.pipeline([], webhooks=(HOOK,), targets=[target])
    await served.store.append([NewEntry("p/in/0", body('{"id": 1}'))])

    async def letters() -> list[Any]:
        found, _ = await served.store.find("dead", Where(pipeline="p", status="open"))
        return list(found)

    await until(letters)
    answers.clear()
    assert await served.engine.amend(Where(pipeline="p"), "replay") == 1
    await until(lambda: served.rig.kept)
    assert await served.engine.amend(Where(pipeline="p"), "replay") == 0
    assert await letters() == []


async def test_only_orphans_are_dropped_or_moved(served) -> None:
    served.pipelines["p"] = served.rig.pipeline([], webhooks=(HOOK,))
    await served.store.append([NewEntry("old/in/0", body('{"id": 1}')) for _ in range(3)])
    await served.store.append([NewEntry("gone/in/0", body('{"id": 2}'))])
    with pytest.raises(Unavailable, match="belongs to the pipeline p"):
        await served.engine.orphans("p/in/0", "drop")
    with pytest.raises(Unavailable, match="no pipeline 'nobody'"):
        await served.engine.orphans("old/in/0", "move", "nobody")
    await until(lambda: served.engine.supervisor.orphaned == {"old/in/0": 3, "gone/in/0": 1})
    assert await served.engine.orphans("gone/in/0", "drop") == 1
    assert await served.engine.orphans("old/in/0", "move", "p") == 3
    await until(lambda: len(served.rig.kept) == 3)
    await until(lambda: served.engine.supervisor.orphaned == {})


async def test_without_files_to_read_nothing_is_reloaded(served) -> None:
    assert not await served.engine.reload()


# the store


class Troubled:
    """A store that answers as it is told."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)

    async def append(self, entries: Any) -> list[Any]:
        error = self.errors.pop(0) if len(self.errors) > 1 else self.errors[0]
        if error is not None:
            raise error
        return []


async def probed(served: Served, monkeypatch: pytest.MonkeyPatch, *errors: Exception | None) -> list[str]:
    monkeypatch.setattr("engine.service.engine.PROBE", 0.0)
    served.engine.runtime.store = Troubled(*errors)  # type: ignore[assignment]
    probe = asyncio.create_task(served.engine.probe())
    await until(lambda: len(served.engine.runtime.store.errors) == 1)  # type: ignore[attr-defined]
    await asyncio.sleep(0.01)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    served.engine.runtime.store = served.store
    return [event.state for event in served.told(StoreChanged)]


async def test_a_full_store_is_told_once_and_so_is_its_end(served, monkeypatch) -> None:
    full = StoreFull("no room")
    states = await probed(served, monkeypatch, None, full, full, StoreError("busy"), None, None)
    assert states == ["full", "ok"]
    assert not served.engine.failed.done()


async def test_a_store_that_failed_ends_the_process(served, monkeypatch) -> None:
    first = StoreFailed("disk I/O error")
    assert await probed(served, monkeypatch, None, first, StoreFailed("again")) == ["failed"]
    assert served.engine.failed.result() is first


async def test_history_that_cannot_be_removed_is_told(served, monkeypatch) -> None:
    async def purge(*arguments: Any, **more: Any) -> int:
        raise StoreFull("no room")

    monkeypatch.setattr(served.store, "purge", purge, raising=False)
    keeping = asyncio.create_task(served.engine.keep_house(dict))
    await until(lambda: served.told(Noted))
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert [(note.level, note.code) for note in served.told(Noted)] == [("warning", "retention")]


# firings that the process does not survive


@pytest.mark.parametrize(("kind", "left"), [("cron", [{"a": 2}]), ("webhook", [{"a": 2}, {"a": 1}])])
async def test_what_was_accepted_is_not_given_up(served, kind, left) -> None:
    """A slot of a timer is; what a caller was promised is worked after the others."""
    served.pipelines["p"] = served.rig.pipeline(rows(1), overlap="queue")
    await served.fire({"a": 1}, {"a": 2}, kind=kind, pipeline="q")
    for _ in range(5):
        await served.store.acquire("q/fire", 1, 0.0)
    served.pipelines["q"] = replace(served.rig.pipeline(rows(1), overlap="queue"), name="q")
    await until(lambda: served.ended(len(left), "q"))
    assert [run.params for run in await served.runs("q")] == left
    assert [note.code for note in served.told(Noted) if note.pipeline == "q" and note.level == "error"][-1] == "firing"
    assert await served.waiting("q/fire") == 0


async def test_of_many_firings_few_are_in_memory(served, monkeypatch) -> None:
    """The others wait in the store, and all of them run in their order."""
    opened, script = gate()
    served.pipelines["p"] = served.rig.pipeline(rows(1), targets=[served.rig.target(script)], overlap="queue")
    fetched: list[Any] = []
    fetch = served.store.fetch

    async def counted(lease: Any, limit: int, most: int) -> Any:
        found = await fetch(lease, limit, most)
        fetched.extend(entry for entry in found if lease.lane == "p/fire")
        return found

    monkeypatch.setattr(served.store, "fetch", counted, raising=False)
    await served.fire(*({"n": number} for number in range(500)), kind="webhook")
    await until(served.runs)
    await asyncio.sleep(0.05)
    assert len(fetched) <= AT_ONCE
    opened.set()
    await until(lambda: len(served.told(RunFinished)) == 500, 30.0)
    await until(lambda: served.empty("p/fire"))


async def test_side_by_side_has_an_end(served) -> None:
    opened, script = gate()
    served.pipelines["p"] = served.rig.pipeline(rows(1), targets=[served.rig.target(script)], overlap="allow")
    await served.fire(*({"n": number} for number in range(AT_ONCE + 30)))
    await until(lambda: len(served.engine.supervisor.running) == AT_ONCE)
    await asyncio.sleep(0.05)
    assert len(served.engine.supervisor.running) == AT_ONCE
    opened.set()
    await until(lambda: len(served.told(RunFinished)) == AT_ONCE + 30, 30.0)
    await until(lambda: served.empty("p/fire"))
