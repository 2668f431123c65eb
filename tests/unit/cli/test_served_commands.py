"""Commands beside a server: what it does, it does through its socket, and it looks the same; without one as before."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.errors import DefinitionError, Problem, Unavailable
from engine.events import BatchDelivered, BatchRead, Emit, Noted, RunFinished, RunStarted
from engine.ids import new_id
from engine.runtime.request import Preview, Request, RunResult
from engine.service.control import Control
from engine.service.pauses import paused
from engine.store.base import NewEntry, Settlement, Where

RUN = "01JD5X0000000000000000RUN1"


class Scripted:
    """A server's commands: they note what is asked, and runs go as the world says."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.cancelled = asyncio.Event()

    def _note(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.error is not None:
            raise self.error

    async def run(self, pipeline: str, request: Request, watch: Emit) -> Mapping[str, Any]:
        self._note("run", pipeline, request)
        script = self.world.runs[pipeline]
        if callable(script):
            result = await script(watch, self.cancelled)
        else:
            result = script
        if isinstance(result, RunResult):
            return {**result.summary, "previews": [one._asdict() for one in result.previews]}
        return result

    async def cancel(self, run: str) -> bool:
        self._note("cancel", run)
        self.cancelled.set()
        return run == RUN

    async def rerun(self, run: str) -> str:
        self._note("rerun", run)
        return "0000000000000001"

    async def amend(self, where: Where, do: Any, body: Any = None, limit: int = 0) -> int:
        self._note("amend", where, do, body, limit)
        return await self.world.state.amend(where, do, body, limit)

    async def pause(self, pipeline: str, by: str) -> None:
        self._note("pause", pipeline, by)

    async def resume(self, pipeline: str, by: str) -> None:
        self._note("resume", pipeline, by)

    async def backup(self, path: Path) -> None:
        self._note("backup", path)
        path.write_bytes(b"x" * 3000)

    async def reload(self) -> bool:
        return True

    async def orphans(self, lane: str, do: Any, to: str = "") -> int:
        self._note("orphans", lane, do, to)
        return 2


@pytest.fixture(autouse=True)
def steady(world, monkeypatch) -> None:
    """The store is opened once and stays open, as a file that several processes look at."""

    async def opened(stack: AsyncExitStack, owner: str) -> None:
        """It is open."""

    async def first() -> None:
        await world.state.open(AsyncExitStack(), "server")

    asyncio.run(first())
    monkeypatch.setattr(world.state, "open", opened)


@pytest.fixture
def served(world, tmp_path) -> Iterator[Scripted]:
    """A control socket beside the project's store, answered from another thread as another process would."""
    (tmp_path / "data").mkdir()
    commands = Scripted(world)
    ready, done = threading.Event(), []

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            await world.state.open(stack, "server")
            await Control(commands, world.state).open(stack, tmp_path / "data" / "engine.db")
            stop = asyncio.Event()
            done.append((asyncio.get_running_loop(), stop))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield commands
    ((loop, stop),) = done
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


def goes(make: Any) -> Any:
    """Return a run that says what real ones say, and its summary."""
    summary = make.summary(run=RUN)
    events = [
        RunStarted("bank-transactions", RUN, "manual", "bank-db", ("automation-hub",), False),
        BatchRead("bank-transactions", RUN, 100, {"filters[0]": 2}, 1),
        Noted("bank-transactions", RUN, "warning", "retry", "the hub is slow"),
        BatchDelivered("bank-transactions", RUN, "target", 97, 0, 1, 0.1),
        RunFinished("bank-transactions", RUN, "partial", 41.2, summary),
    ]
    return summary, events


# run


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("options", [[], ["--json"], ["--strict"], ["-q"], ["-v"]], ids=" ".join)
def test_a_run_through_the_server_looks_exactly_as_one_without(world, run, make, request, terminal, options) -> None:
    """Also its exit code."""
    summary, events = goes(make)

    async def alone(app: Any, asked: Request, stop: asyncio.Event) -> RunResult:
        for event in events:
            app.world.emit(event)
        return RunResult(summary)

    async def through(watch: Emit, cancelled: asyncio.Event) -> Any:
        for event in events:
            watch(event)
        return summary

    arguments = ["run", "bank-transactions", "--param", "full=true", *options]
    world.runs["bank-transactions"] = alone
    before = run(*arguments, terminal=terminal)
    served = request.getfixturevalue("served")
    world.runs["bank-transactions"] = through
    after = run(*arguments, terminal=terminal)
    assert served.asked == [("run", *world.requests[0])]
    assert (after.code, after.out) == (before.code, before.out)
    idle = "triggers, promises: not active without `engine serve`\n"
    assert clocks(after.told) == clocks(before.told.replace(idle, ""))
    assert (idle in before.told) == (options not in (["--json"], ["-q"])), "the control"


def clocks(text: str) -> str:
    """Cover the time of day and what spins."""
    import re

    return re.sub(r"\d\d:\d\d:\d\d|\d+(\.\d)?k?/s|\r", "", text)


def test_a_dry_run_through_the_server_shows_what_it_would_send(world, run, make, served) -> None:
    shown = Preview({"id": 7}, {}, "target", {"external_id": "7"}, "7")
    summary = make.summary(status="success", read=1, sent={}, dropped={}, rejected=0, reasons=[])
    world.runs["bank-transactions"] = RunResult(summary, [shown])
    seen = run("run", "bank-transactions", "--dry-run", "--limit", "1", "--json")
    assert json.loads(seen.out)["previews"] == [shown._asdict()]
    assert world.writers == 0, "the store is the server's"


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (Unavailable("bank-transactions is running already"), 3, "is running already"),
        (DefinitionError([Problem("engine.yaml", 1, 1, "params", "error", "params.full", "wrong")]), 2, "params.full"),
        (RuntimeError("oh"), 1, "the server made a mistake"),
    ],
    ids=["unavailable", "definition", "mistake"],
)
def test_what_the_server_refuses_ends_with_the_same_code(world, run, served, error, code, says) -> None:
    served.error = error
    seen = run("run", "bank-transactions")
    assert seen.code == code
    assert says in seen.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_cancels_the_run_at_the_server_and_shows_how_it_ended(world, run, make, served, number, code) -> None:
    async def until_cancelled(watch: Emit, cancelled: asyncio.Event) -> Any:
        _, events = goes(make)
        watch(events[0])
        signal.raise_signal(number)
        await cancelled.wait()
        return make.summary(status="cancelled", run=RUN)

    world.runs["bank-transactions"] = until_cancelled
    seen = run("run", "bank-transactions")
    assert seen.code == code
    assert ("cancel", RUN) in served.asked
    assert "stopping after this batch" in seen.err
    assert "cancelled in 41 s" in seen.err


def test_without_a_server_the_socket_that_is_left_is_no_hindrance(world, run, make, tmp_path) -> None:
    import socket

    (tmp_path / "data").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "data" / "engine.sock"))
    world.runs["bank-transactions"] = make.summary()
    assert run("run", "bank-transactions").code == 0
    assert world.writers == 1


# runs


@pytest.fixture
def history(world, make):
    """A run that goes on, one that ended, a dead letter, a cursor."""
    going = make.run_row(1, status="running", finished=None)
    ended = make.run_row(2, status="failed")
    world.keep(
        [make.letter(1)], [going, ended], lanes={"bank-transactions/cursor": {"cursor": {"updated_at": "a", "id": 5}}}
    )
    return world


def test_cancel_reaches_the_server(history, run, served) -> None:
    seen = run("runs", "cancel", "01JD…RUN1")
    assert seen.code == 0
    assert served.asked == [("cancel", RUN)]
    assert "bank-transactions  ends after this batch" in seen.out


def test_cancel_of_what_ended_says_how_it_ended(history, run, served) -> None:
    seen = run("runs", "cancel", "01JD…RUN2")
    assert (seen.code, served.asked) == (2, [])
    assert "is not running: it ended failed" in seen.err


def test_cancel_without_a_server_says_what_to_do(history, run) -> None:
    seen = run("runs", "cancel", "01JD…RUN1")
    assert seen.code == 3
    assert "Ctrl-C" in seen.err


def test_rerun_goes_through_the_server_with_the_params_of_then(history, run, make, served) -> None:
    history.runs["bank-transactions"] = make.summary(status="success")
    assert run("runs", "rerun", "01JD…RUN2", "--fresh").code == 0
    ((_, name, request),) = served.asked
    assert (name, request.params, request.fresh, request.rerun_of) == (
        "bank-transactions", {"full": True}, True, "01JD5X0000000000000000RUN2",
    )  # fmt: skip
    assert history.writers == 0


def test_rerun_may_be_left_to_the_server(history, run, served) -> None:
    seen = run("runs", "rerun", "01JD…RUN2", "--queue")
    assert served.asked == [("rerun", "01JD5X0000000000000000RUN2")]
    assert "queued again" in seen.out


def test_queueing_needs_a_server(history, run) -> None:
    seen = run("runs", "rerun", "01JD…RUN2", "--queue")
    assert seen.code == 3
    assert "no server runs" in seen.err


# dead letters


def test_drop_and_edit_go_through_the_server(history, run, served, tmp_path, monkeypatch) -> None:
    from engine.cli import dead_changes

    monkeypatch.setattr(dead_changes, "compiled", lambda project, name: None)
    (tmp_path / "record.json").write_text('{"id": 9}')
    letter = history.find("dead")[0].id
    assert run("dead-letters", "edit", letter, "--from", "record.json").code == 0
    assert run("dead-letters", "drop", letter, "--yes").code == 0
    assert [(asked[0], asked[1].id, asked[2]) for asked in served.asked] == [
        ("amend", letter, "edit"),
        ("amend", letter, "drop"),
    ]
    assert (history.find("dead")[0].record, history.find("dead")[0].status) == ({"id": 9}, "dropped")
    assert history.writers == 0


def test_a_replay_is_the_servers_work_and_its_summary_is_shown(history, run, make, served) -> None:
    """The server works what is set to be replayed by itself; the command looks on until that run has ended."""
    summary = make.summary(status="success", read=1, sent={"target": 1}, rejected=0, dropped={}, reasons=[])
    set_to = served.amend

    async def amend(where: Where, do: Any, body: Any = None, limit: int = 0) -> int:
        changed = await set_to(where, do, body, limit)
        if do == "replay":
            background.append(asyncio.create_task(work()))
        return changed

    async def work() -> None:
        store = history.state
        (lease,) = await store.acquire("bank-transactions/in/replay", 1, 30.0)
        entries = await store.fetch(lease, 10, 1 << 20)
        row = make.run_row(7, trigger="replay", status="running", finished=None)
        await store.settle(Settlement(new_id(), lease, run=row))
        await asyncio.sleep(0.01)
        ended = row._replace(status="success", finished=row.started, summary=summary)
        await store.settle(Settlement(new_id(), lease, done=[entry.id for entry in entries], run=ended))
        await store.release([lease])

    background: list[Any] = []
    served.amend = amend
    seen = run("dead-letters", "replay", "--all")
    assert seen.code == 0
    assert "sending 1 record again" in seen.err
    assert "success in 41 s" in seen.out
    assert [asked[0] for asked in served.asked] == ["amend"], "no second run gets in its way"


# cursors


def test_a_cursor_is_moved_through_the_server(history, run, served) -> None:
    assert run("cursor", "set", "bank-transactions", "id=3").code == 0
    (lane,) = history.find("lanes", lane="bank-transactions/cursor")
    assert lane.checkpoint == {"cursor": {"updated_at": "a", "id": 3}}
    assert run("cursor", "reset", "bank-transactions").code == 0
    (lane,) = history.find("lanes", lane="bank-transactions/cursor")
    assert lane.checkpoint is None
    assert history.writers == 0


def test_a_cursor_is_not_moved_while_a_run_has_it(history, run, served) -> None:
    async def take() -> Any:
        async with AsyncExitStack() as stack:
            await history.state.open(stack, "run")
            return await history.state.acquire("bank-transactions/cursor", 1, 30)

    asyncio.run(take())
    seen = run("cursor", "reset", "bank-transactions")
    assert seen.code == 3
    assert "bank-transactions is running" in seen.err


# pause, resume


def test_pause_and_resume_through_the_server(world, run, served) -> None:
    seen = run("pause", "bank-transactions", "bank-banks")
    assert "bank-transactions, bank-banks  paused" in seen.out
    assert "engine resume bank-transactions bank-banks" in seen.out
    world.keep(lanes={"*/paused/bank-banks": {"by": "ada", "at": "2026-11-22T09:00:00+00:00"}})
    assert "bank-transactions was not paused" in run("resume", "bank-banks", "bank-transactions").err
    assert [(asked[0], asked[1]) for asked in served.asked] == [
        ("pause", "bank-transactions"),
        ("pause", "bank-banks"),
        ("resume", "bank-banks"),
    ]
    assert all(asked[2] for asked in served.asked), "it is said who"


def test_pause_and_resume_without_one_are_kept_for_the_next(world, run) -> None:
    async def held() -> set[str]:
        async with AsyncExitStack() as stack:
            await world.state.open(stack, "test")
            return set(await paused(world.state))

    assert run("pause", "bank-transactions").code == 0
    assert asyncio.run(held()) == {"bank-transactions"}
    assert run("resume", "bank-transactions").code == 0
    assert asyncio.run(held()) == set()


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_pipeline_that_is_not_there_is_named(world, run, command) -> None:
    seen = run(command, "bank-transaction")
    assert seen.code == 2
    assert "did you mean 'bank-transactions'" in seen.err


def test_one_that_is_gone_can_still_be_resumed(world, run) -> None:
    world.keep(lanes={"*/paused/gone": {"by": "ada", "at": "2026-11-22T09:00:00+00:00"}})
    assert run("resume", "gone").code == 0


# lanes


@pytest.fixture
def lanes(world):
    """Work that waits, for a pipeline that is there and for one that is gone."""

    async def fill() -> None:
        async with AsyncExitStack() as stack:
            await world.state.open(stack, "test")
            await world.state.append(
                [
                    NewEntry("bank-banks/in/0", {"n": 1}),
                    NewEntry("gone/in/0", {"n": 1}),
                    NewEntry("gone/in/0", {"n": 2}),
                    NewEntry("bank-transactions/out/target", {}),
                ]
            )

    asyncio.run(fill())
    return world


def test_lanes_are_listed_and_what_is_orphaned_is_marked(lanes, run) -> None:
    seen = run("lanes", terminal=True).seen
    rows = {line.split()[0]: line for line in seen.splitlines()}
    assert "accepted, to be delivered" in rows["bank-banks/in/0"]
    assert "waits for the target target" in rows["bank-transactions/out/target"]
    assert "no pipeline 'gone'" in rows["gone/in/0"]
    assert rows["gone/in/0"].split()[1] == "2"
    assert "engine lanes drop gone/in/0" in seen
    found = [json.loads(line) for line in run("lanes", "--json").out.splitlines()]
    assert {one["lane"]: one["orphaned"] for one in found} == {
        "bank-banks/in/0": False,
        "bank-transactions/out/target": False,
        "gone/in/0": True,
    }


def test_nothing_waits(world, run) -> None:
    assert run("lanes").err == "nothing waits\n"


def test_an_orphaned_lane_is_moved_or_dropped(lanes, run) -> None:
    assert "moved 2 entries to bank-banks/in/0" in run("lanes", "move", "gone/in/0", "bank-banks").out
    assert [row.entries for row in lanes.find("lanes", lane="bank-banks/in/0")] == [3]
    assert run("lanes", "drop", "gone/in/0", "--yes").code == 2, "nothing is left there"


def test_a_drop_must_be_meant(lanes, run) -> None:
    assert run("lanes", "drop", "gone/in/0").code == 2
    assert [row.entries for row in lanes.find("lanes", lane="gone/in/0")] == [2]
    assert "dropped 2 entries" in run("lanes", "drop", "gone/in/0", "--yes").out


def test_a_lane_of_a_pipeline_that_is_there_is_not_touched(lanes, run) -> None:
    seen = run("lanes", "drop", "bank-banks/in/0", "--yes")
    assert seen.code == 2
    assert "not orphaned" in seen.err
    assert [row.entries for row in lanes.find("lanes", lane="bank-banks/in/0")] == [1]


def test_through_the_server_it_is_the_server_that_does_it(lanes, run, served) -> None:
    assert "dropped 2 entries" in run("lanes", "drop", "gone/in/0", "--yes").out
    assert served.asked == [("orphans", "gone/in/0", "drop", "")]


# backup


def test_a_backup_is_the_servers_and_its_size_is_said(world, run, served, tmp_path) -> None:
    seen = run("backup", "copy.db")
    assert served.asked == [("backup", tmp_path / "copy.db")]
    assert seen.out.startswith("copy.db  2.9 KiB in ")


def test_a_backup_never_writes_over_anything(world, run, served, tmp_path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    assert run("backup", "copy.db").code == 2
    assert (tmp_path / "copy.db").read_text() == "precious"
    assert served.asked == []


def test_nothing_is_restored_under_a_server(world, run, served, tmp_path) -> None:
    (tmp_path / "copy.db").write_text("x")
    seen = run("restore", "copy.db", "--yes")
    assert seen.code == 3
    assert "stop it, restore" in seen.err


# the listings


def test_the_listings_show_who_paused_and_what_comes_next(world, run) -> None:
    row = line_of(run("list").out)
    assert "in " in row
    assert "next" in run("show", "bank-transactions").out
    first = json.loads(run("list", "--json").out.splitlines()[1])
    assert first["paused"] is None
    assert first["next"].endswith("+00:00")
    assert run("pause", "bank-transactions").code == 0
    row = line_of(run("list").out)
    assert "paused by" in row
    assert "just now" in row
    out = run("show", "bank-transactions").out
    assert "engine resume bank-transactions" in out
    assert "  next" not in out
    first = json.loads(run("list", "--json").out.splitlines()[1])
    assert (set(first["paused"]), first["next"]) == ({"by", "at"}, None)


def line_of(out: str) -> str:
    return next(line for line in out.splitlines() if line.startswith("bank-transactions"))


def test_a_trigger_with_a_mistake_does_not_hinder_the_listing(world, run) -> None:
    from dataclasses import replace

    one = replace(world.project.pipelines["bank-transactions"], triggers=({"cron": "99 * * * *"},))
    world.project = replace(world.project, pipelines={one.name: one})
    assert line_of(run("list").out)
    assert run("show", "bank-transactions").code == 0
