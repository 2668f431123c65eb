"""The control socket: what is asked arrives exactly, what is answered comes back exactly, and only to whom it may."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.errors import (
    DefinitionError,
    EngineError,
    LeaseLost,
    Misconfigured,
    Problem,
    StoreFull,
    Unavailable,
)
from engine.events import BatchRead, Emit, Noted, RunFinished, RunStarted, Settled
from engine.ids import new_id
from engine.runtime.request import Request
from engine.service import sockets, wire
from engine.service.client import Client, connect
from engine.service.control import Control
from engine.service.cursors import Move, stands
from engine.store.base import Settlement, Where
from engine.store.memory import MemoryStore

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
STARTED = RunStarted("orders", "01RUN", "manual", "shop-db", ("hub", "lake"), False)
SUMMARY = {"run": "01RUN", "pipeline": "orders", "status": "success", "cursor": {"at": AT, "id": Decimal("7.10")}}


class Answering:
    """Commands that note what was asked and answer as the test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.holds = False
        """A run goes on until it is cancelled."""
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.ended = asyncio.Event()

    def _note(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.error is not None:
            raise self.error

    async def run(self, pipeline: str, request: Request, watch: Emit) -> Mapping[str, Any]:
        self._note("run", pipeline, request)
        watch(STARTED)
        self.begun.set()
        if self.holds:
            await self.cancelled.wait()
        watch(BatchRead("orders", "01RUN", 3, {"filters[0]": 1}, 0))
        watch(Settled("orders", "01RUN", {"cursor": {"id": Decimal("7.10")}}, 0))
        self.ended.set()
        return {**SUMMARY, "status": "cancelled" if self.holds else "success"}

    async def cancel(self, run: str) -> bool:
        self._note("cancel", run)
        self.cancelled.set()
        return run == "01RUN"

    async def rerun(self, run: str) -> str:
        self._note("rerun", run)
        return "0000000000000001"

    async def amend(self, where: Where, do: Any, body: Any = None, limit: int = 0) -> int:
        self._note("amend", where, do, body, limit)
        return 3

    async def pause(self, pipeline: str, by: str) -> None:
        self._note("pause", pipeline, by)

    async def resume(self, pipeline: str, by: str) -> None:
        self._note("resume", pipeline, by)

    async def backup(self, path: Path) -> None:
        self._note("backup", path)

    async def reload(self) -> bool:
        self._note("reload")
        return False

    async def orphans(self, lane: str, do: Any, to: str = "") -> int:
        self._note("orphans", lane, do, to)
        return 12


@pytest.fixture
async def stack():
    async with AsyncExitStack() as made:
        yield made


@pytest.fixture
def commands():
    return Answering()


@pytest.fixture
async def store(stack):
    made = MemoryStore()
    await made.open(stack, "test")
    return made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "engine.db"


@pytest.fixture
async def client(stack, commands, store, path):
    await Control(commands, store).open(stack, path)
    found = await connect(path)
    assert found is not None
    return found


async def raw(path: Path, data: bytes) -> list[dict[str, Any]]:
    """Send bytes and return every line of the answer."""
    reader, writer = await asyncio.open_unix_connection(sockets.beside(path))
    writer.write(data)
    writer.write_eof()
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    return [wire.read(line) for line in said.splitlines()]


def question(do: str, **given: Any) -> bytes:
    from engine import __version__

    return wire.write({"engine": __version__, "do": do, "with": given})


# what goes over it


async def test_a_run_is_asked_for_exactly_and_its_events_and_summary_come_back_exactly(client, commands) -> None:
    """Decimals, dates and tuples are what they were."""
    seen: list[Any] = []
    asked = Request(
        {"since": AT, "price": Decimal("1.50")}, limit=5, fresh=True, rerun_of="01OLD", around={"type": "x"}
    )
    summary = await client.run("orders", asked, seen.append)
    assert commands.asked == [("run", "orders", asked)]
    assert summary == SUMMARY
    assert seen == [
        STARTED,
        BatchRead("orders", "01RUN", 3, {"filters[0]": 1}, 0),
        Settled("orders", "01RUN", {"cursor": {"id": Decimal("7.10")}}, 0),
    ]


async def test_every_other_command_arrives_and_answers(client, commands, tmp_path) -> None:
    where = Where(pipeline="orders", since="2026-11-22T00:00:00+00:00")
    record = {"id": 7, "amount": Decimal("1.10"), "at": AT, "raw": b"\0\xff", "lone": "\ud800"}
    assert await client.cancel("01RUN") is True
    assert await client.cancel("01OTHER") is False
    assert await client.rerun("01RUN") == "0000000000000001"
    assert await client.amend(where, "edit", record, 4) == 3
    await client.pause("orders", "ada")
    await client.resume("orders", "ada")
    await client.backup(tmp_path / "copy.db")
    assert await client.reload() is False
    assert await client.orphans("old/in/0", "move", "orders") == 12
    assert commands.asked == [
        ("cancel", "01RUN"),
        ("cancel", "01OTHER"),
        ("rerun", "01RUN"),
        ("amend", where, "edit", record, 4),
        ("pause", "orders", "ada"),
        ("resume", "orders", "ada"),
        ("backup", tmp_path / "copy.db"),
        ("reload",),
        ("orphans", "old/in/0", "move", "orders"),
    ]


async def test_a_relative_path_is_the_callers(client, commands, tmp_path, monkeypatch) -> None:
    """The server stands somewhere else."""
    monkeypatch.chdir(tmp_path)
    await client.backup(Path("copy.db"))
    assert commands.asked == [("backup", tmp_path / "copy.db")]


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("orders is running already"),
        StoreFull("no space"),
        LeaseLost("gone"),
        Misconfigured("no such table"),
        EngineError("something else"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_refusal_comes_back_as_the_same_kind(client, commands, error) -> None:
    """The kind decides the exit code."""
    commands.error = error
    with pytest.raises(EngineError) as raised:
        await client.pause("orders", "ada")
    assert type(raised.value) is type(error)
    assert str(raised.value) == str(error)


async def test_problems_come_back_with_their_places(client, commands) -> None:
    problem = Problem("pipelines/a.yaml", 3, 5, "params", "error", "params.full", "must be true or false", "write true")
    commands.error = DefinitionError([problem])
    with pytest.raises(DefinitionError) as raised:
        await client.run("orders", Request(), lambda event: None)
    assert raised.value.problems == (problem,)


async def test_a_kind_of_error_the_wire_does_not_know_is_its_nearest_parent(client, commands) -> None:
    class Locked(Unavailable):
        """New."""

    commands.error = Locked("in use")
    with pytest.raises(Unavailable, match="in use"):
        await client.reload()


async def test_a_mistake_of_ours_is_told_on_both_sides(stack, commands, store, path) -> None:
    """It neither ends the server nor leaves the caller waiting."""
    told: list[Any] = []
    await Control(commands, store, told.append).open(stack, path)
    client = await connect(path)
    assert client is not None
    commands.error = KeyError("lost")
    with pytest.raises(EngineError, match="the server made a mistake: KeyError"):
        await client.reload()
    assert [(type(one), one.level) for one in told] == [(Noted, "error")]
    commands.error = None
    assert await client.reload() is False


# cursors


async def test_a_cursor_is_moved_under_its_lease(client, store) -> None:
    await client.move(Move("orders", None, {"at": AT, "id": 7}, "ada"))
    assert await stands(store, "orders") == {"cursor": {"at": AT, "id": 7}}
    await client.move(Move("orders", {"at": AT, "id": 7}, None, "ada"))
    assert await stands(store, "orders") == {}
    logs, _ = await store.find("logs", Where(run="orders/cursor"))
    assert [line.message for line in logs] == [
        "moved by hand from the beginning to 2026-11-22 09:30:00+00:00, 7, by ada",
        "moved by hand from 2026-11-22 09:30:00+00:00, 7 to the beginning, by ada",
    ]


async def test_a_cursor_that_a_run_holds_is_not_moved(client, store) -> None:
    held = await store.acquire("orders/cursor", 1, 30.0)
    with pytest.raises(Unavailable, match="orders is running"):
        await client.move(Move("orders", None, {"id": 1}, "ada"))
    assert await stands(store, "orders") == {}
    await store.release(held)
    await client.move(Move("orders", None, {"id": 1}, "ada"))
    assert await stands(store, "orders") == {"cursor": {"id": 1}}


async def test_a_cursor_that_moved_meanwhile_is_not_moved_and_the_targets_stay(client, store) -> None:
    (lease,) = await store.acquire("orders/cursor", 1, 30.0)
    await store.settle(Settlement(new_id(), lease, {"cursor": {"id": 9}, "targets": {"t": 1}, "source": 5}))
    await store.release([lease])
    with pytest.raises(Unavailable, match="moved meanwhile"):
        await client.move(Move("orders", {"id": 8}, {"id": 1}, "ada"))
    await client.move(Move("orders", {"id": 9}, {"id": 1}, "ada"))
    assert await stands(store, "orders") == {"cursor": {"id": 1}, "targets": {"t": 1}}


# callers that go


async def test_the_word_to_stop_cancels_the_run_and_its_summary_still_comes(client, commands) -> None:
    commands.holds = True
    stop = asyncio.Event()
    running = asyncio.create_task(client.run("orders", Request(), lambda event: stop.set(), stop))
    assert (await running)["status"] == "cancelled"
    assert ("cancel", "01RUN") in commands.asked


async def test_who_watches_a_run_and_goes_away_cancels_it(client, commands) -> None:
    """As Ctrl-C does in the foreground: at its next batch boundary, by ``cancel``, never by force."""
    commands.holds = True
    running = asyncio.create_task(client.run("orders", Request(), lambda event: None))
    await commands.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(10):
        await commands.ended.wait()
    assert ("cancel", "01RUN") in commands.asked


async def test_who_asks_for_something_else_and_goes_away_undoes_nothing(stack, commands, store, path) -> None:
    gate, done = asyncio.Event(), asyncio.Event()

    async def slow(pipeline: str, by: str) -> None:
        commands.begun.set()
        await gate.wait()
        done.set()

    commands.pause = slow
    await Control(commands, store).open(stack, path)
    client = await connect(path)
    assert client is not None
    asking = asyncio.create_task(client.pause("orders", "ada"))
    await commands.begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    gate.set()
    async with asyncio.timeout(10):
        await done.wait()


async def test_a_run_that_cannot_be_cancelled_yet_is_cancelled_as_soon_as_it_can(stack, commands, store, path) -> None:
    """The word may come before the run has begun."""
    tries: list[str] = []
    tried = asyncio.Event()
    commands.holds = True

    async def cancel(run: str) -> bool:
        tries.append(run)
        tried.set()
        if len(tries) == 2:
            commands.cancelled.set()
        return len(tries) == 2

    async def run(pipeline: str, request: Request, watch: Emit) -> Mapping[str, Any]:
        watch(STARTED)
        await tried.wait()
        watch(Noted("orders", "01RUN", "info", "x", "goes on"))
        await commands.cancelled.wait()
        return SUMMARY

    commands.cancel, commands.run = cancel, run
    await Control(commands, store).open(stack, path)
    client = await connect(path)
    assert client is not None
    stop = asyncio.Event()
    stop.set()
    assert await client.run("orders", Request(), lambda event: None, stop) == SUMMARY
    assert tries == ["01RUN", "01RUN"]


async def test_a_server_that_ends_leaves_nobody_waiting(commands, store, path) -> None:
    commands.holds = True
    async with AsyncExitStack() as stack:
        await Control(commands, store, linger=0.01).open(stack, path)
        client = await connect(path)
        assert client is not None
        running = asyncio.create_task(client.run("orders", Request(), lambda event: None))
        await commands.begun.wait()
    with pytest.raises(EngineError, match="the server ended before it answered"):
        await running
    assert not sockets.beside(path).exists()
    assert await connect(path) is None
    with pytest.raises(Unavailable, match="does not answer"):
        await client.reload()


async def test_a_run_that_was_told_to_end_is_seen_to_its_end(commands, store, path) -> None:
    """The server ends its runs before it closes its socket."""
    commands.holds = True
    async with AsyncExitStack() as stack:
        await Control(commands, store).open(stack, path)
        client = await connect(path)
        assert client is not None
        running = asyncio.create_task(client.run("orders", Request(), lambda event: None))
        await commands.begun.wait()
        asyncio.get_running_loop().call_later(0.01, commands.cancelled.set)
    assert (await running)["status"] == "cancelled"


async def test_a_server_that_is_stopping_takes_no_more_commands(stack, commands, store, path) -> None:
    control = Control(commands, store)
    await control.open(stack, path)
    client = await connect(path)
    assert client is not None
    commands.holds = True
    running = asyncio.create_task(client.run("orders", Request(), lambda event: None))
    await commands.begun.wait()
    finishing = asyncio.create_task(control.finish(10.0))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="is stopping"):
        await client.pause("orders", "ada")
    assert not finishing.done(), "the run is waited for"
    commands.cancelled.set()
    await finishing
    assert (await running)["status"] == "cancelled"
    assert [asked[0] for asked in commands.asked] == ["run"]


# who may call


async def test_another_user_is_refused_and_nothing_is_done(stack, commands, store, path) -> None:
    told: list[Any] = []
    stranger = os.geteuid() + 1
    await Control(commands, store, told.append, caller=lambda connection: stranger).open(stack, path)
    client = await connect(path)
    assert client is not None
    with pytest.raises(Unavailable, match=f"takes no commands of user {stranger}"):
        await client.pause("orders", "eve")
    assert commands.asked == []
    assert {one.level for one in told} == {"warning"}


@pytest.mark.parametrize(
    ("uid", "own", "may"), [(1000, 1000, True), (0, 1000, True), (1001, 1000, False), (1000, 0, False)]
)
def test_the_same_user_and_root_are_admitted(uid, own, may) -> None:
    assert sockets.admitted(uid, own) is may


def test_the_kernel_says_who_calls() -> None:
    """The control: the real question, asked of a real pair."""
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        assert sockets.caller(here) == os.geteuid()


async def test_the_socket_is_for_its_owner_alone(client, path) -> None:
    mode = sockets.beside(path).lstat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


# what may be in the way


async def test_a_socket_that_a_dead_process_left_is_replaced(commands, store, path) -> None:
    left = sockets.beside(path)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    assert await connect(path) is None, "nobody answers there"
    async with AsyncExitStack() as stack:
        await Control(commands, store).open(stack, path)
        client = await connect(path)
        assert client is not None
        assert await client.reload() is False


async def test_a_socket_that_answers_is_not_replaced(client, store, path) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(Unavailable, match="another `engine serve`"):
            await Control(Answering(), store).open(stack, path)
    assert await client.reload() is False, "the first one is not disturbed"


async def test_a_file_that_is_no_socket_is_left_alone(commands, store, path) -> None:
    sockets.beside(path).write_text("precious")
    async with AsyncExitStack() as stack:
        with pytest.raises(Unavailable, match="in the way"):
            await Control(commands, store).open(stack, path)
    assert sockets.beside(path).read_text() == "precious"


async def test_the_end_does_not_remove_a_successors_socket(commands, store, path) -> None:
    async with AsyncExitStack() as stack:
        await Control(commands, store).open(stack, path)
        sockets.beside(path).unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(sockets.beside(path)))
            other.listen()
            await stack.aclose()
            assert sockets.beside(path).exists()


async def test_a_path_too_long_for_an_address_works(commands, store, tmp_path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    with pytest.raises(OSError, match="too long"), socket.socket(socket.AF_UNIX) as control:
        control.bind(str(folder / "engine.sock"))
    async with AsyncExitStack() as stack:
        await Control(commands, store).open(stack, folder / "engine.db")
        client = await connect(folder / "engine.db")
        assert client is not None
        assert await client.run("orders", Request(), lambda event: None) == SUMMARY
    assert list(folder.iterdir()) == []


async def test_a_name_too_long_for_an_address_is_said(commands, store, tmp_path) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(Unavailable, match="shorter"):
            await Control(commands, store).open(stack, tmp_path / ("x" * 200 + ".db"))


async def test_without_a_server_there_is_no_client(tmp_path) -> None:
    assert await connect(tmp_path / "engine.db") is None
    assert await connect(tmp_path / "not" / "there" / "engine.db") is None


# what is no request


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{not json\n", "not readable"),
        (b"[1, 2]\n", "not readable: not an object"),
        (b"[" * 100_000 + b"\n", "not readable: too deep"),
        (b"\xff\xfe\n", "not readable"),
        (question("format-the-disk"), "does not know the command 'format-the-disk'"),
        (wire.write({"engine": "0.0.9", "do": "reload", "with": {}}), "this command is 0.0.9"),
    ],
    ids=["json", "list", "deep", "utf8", "command", "version"],
)
async def test_what_is_no_request_is_refused_with_a_reason(client, path, commands, line, says) -> None:
    (answer,) = await raw(path, line)
    assert says in answer["error"]["message"]
    assert commands.asked == []
    assert await client.reload() is False


async def test_a_request_with_something_missing_is_answered(client, path, commands) -> None:
    (answer,) = await raw(path, question("pause", pipeline="orders"))
    assert "KeyError" in answer["error"]["message"]
    (answer,) = await raw(path, question("run", pipeline="orders", request={"colour": "red"}))
    assert "colour" in answer["error"]["message"]


async def test_a_line_without_an_end_is_not_kept_for_ever(client, path, monkeypatch) -> None:
    async def flood() -> list[dict[str, Any]]:
        reader, writer = await asyncio.open_unix_connection(sockets.beside(path), limit=wire.ANSWER)
        writer.transport.set_write_buffer_limits(0)
        try:
            for _ in range(2 * wire.REQUEST // (1 << 20) + 4):
                writer.write(b"x" * (1 << 20))
                await writer.drain()
        except ConnectionError:
            pass
        line = await reader.readline()
        writer.close()
        return [wire.read(line)]

    try:
        (answer,) = await flood()
    except ConnectionError:  # it was hung up on before the answer was read
        return
    assert "16 MiB" in answer["error"]["message"]


async def test_a_caller_that_says_nothing_is_hung_up_on(stack, commands, store, path) -> None:
    await Control(commands, store, patience=0.01).open(stack, path)
    reader, writer = await asyncio.open_unix_connection(sockets.beside(path))
    answer = wire.read(await reader.readline())
    assert "no request came" in answer["error"]["message"]
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


def test_events_of_every_kind_go_over_the_wire() -> None:
    """A new kind of event must be known to the wire, else nobody sees it."""
    from engine import events

    kinds = [
        one
        for one in vars(events).values()
        if isinstance(one, type) and issubclass(one, events.Event) and one is not events.Event
    ]
    assert {one.__name__ for one in kinds} == set(wire._EVENTS)
    ended = RunFinished("orders", "01RUN", "success", 0.5, SUMMARY)
    assert wire.event_in(wire.read(wire.write(wire.event_out(ended)))) == ended
    assert wire.event_in({"event": "FromTheFuture", "of": {}}) is None


async def test_an_event_that_cannot_be_written_is_said_and_the_run_goes_on(stack, commands, store, path) -> None:
    async def run(pipeline: str, request: Request, watch: Emit) -> Mapping[str, Any]:
        watch(Settled("orders", "01RUN", {"cursor": {"x": object()}}, 0))
        return SUMMARY

    commands.run = run
    await Control(commands, store).open(stack, path)
    client = await connect(path)
    assert isinstance(client, Client)
    seen: list[Any] = []
    assert await client.run("orders", Request(), seen.append) == SUMMARY
    assert [(one.level, one.code) for one in seen] == [("warning", "control")]


async def heard_late(path: Path, ended: asyncio.Event) -> bytes:
    """Ask for a run and read only when it has ended."""
    reader, writer = await asyncio.open_unix_connection(sockets.beside(path), limit=1 << 10)
    asked = {"pipeline": "orders", "request": {}}
    writer.write(question("run", **asked))
    await writer.drain()
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    await ended.wait()
    reader._transport.resume_reading()  # type: ignore[attr-defined]
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    return said


@pytest.mark.parametrize(("behind", "bounded"), [(None, True), (1 << 30, False)], ids=["as it is", "control"])
async def test_who_does_not_read_costs_no_memory(stack, commands, store, path, monkeypatch, behind, bounded) -> None:
    """What happens with every batch is left out, the end is not."""
    from engine.service import control

    if behind is not None:
        monkeypatch.setattr(control, "_BEHIND", behind)
    ended = asyncio.Event()

    async def run(pipeline: str, request: Request, watch: Emit) -> Mapping[str, Any]:
        for _ in range(80_000):
            watch(BatchRead("orders", "01RUN", 3, {"filters[0]": 1}, 0))
        ended.set()
        return SUMMARY

    commands.run = run
    await Control(commands, store).open(stack, path)
    said = await heard_late(path, ended)
    assert wire.read(said.splitlines()[-1])["result"] == SUMMARY
    assert (len(said) < 6 << 20) is bounded
