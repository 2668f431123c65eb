"""The server's local socket: a request a connection, answered for by the ``Commands``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from socket import socket
from typing import Any, Final

import engine
from engine.errors import EngineError, Unavailable
from engine.events import BatchDelivered, BatchRead, Event, Noted, Settled, Tell
from engine.runtime.request import Request
from engine.service import cursors, sockets, wire
from engine.service.commands import Commands
from engine.store.base import Store, Where

PATIENCE: Final = 10.0
"""Seconds a caller has for its request's line."""
CALLERS: Final = 64
LINGER: Final = 2.0
"""Seconds that watched runs have for their end when the server ends."""
_BEHIND: Final = 4 << 20
"""Bytes that wait for a caller who does not read; then what happens with every batch is left out."""

Answer = Callable[[Mapping[str, Any]], Awaitable[Any]]


class Control:
    """Answers callers beside the store at *store_path*.

    A caller that goes away undoes nothing; only a run it watched ends at its next batch boundary, as with Ctrl-C.
    """

    def __init__(
        self,
        commands: Commands,
        store: Store,
        tell: Tell = lambda told: None,
        *,
        caller: Callable[[socket], int] = sockets.caller,
        patience: float = PATIENCE,
        linger: float = LINGER,
    ) -> None:
        self._commands = commands
        self._store = store
        self._tell = tell
        self._caller = caller
        self._patience = patience
        self._linger = linger
        self._stopping = False
        self._calls: set[asyncio.Task[None]] = set()
        self._runs: set[asyncio.Task[Any]] = set()
        self._answers: dict[str, Answer] = {
            "cancel": lambda given: commands.cancel(given["run"]),
            "rerun": lambda given: commands.rerun(given["run"]),
            "amend": lambda given: commands.amend(
                Where(**given["where"]), given["action"], given["body"], given["limit"]
            ),
            "pause": lambda given: commands.pause(given["pipeline"], given["by"]),
            "resume": lambda given: commands.resume(given["pipeline"], given["by"]),
            "backup": lambda given: commands.backup(Path(given["path"])),
            "reload": lambda given: commands.reload(),
            "orphans": lambda given: commands.orphans(given["lane"], given["action"], given["to"]),
            "cursor": self._cursor,
        }

    async def open(self, stack: AsyncExitStack, store_path: Path) -> None:
        """Listen from now on; push the cleanup on *stack*. Raises Unavailable when another server answers here."""
        path = sockets.beside(store_path)
        bound = sockets.listening(path)
        mine = path.lstat()
        stack.callback(sockets.remove, path, mine)
        server = await asyncio.start_unix_server(self._called, sock=bound, limit=wire.REQUEST)
        stack.push_async_callback(self._close, server)

    async def finish(self, seconds: float) -> None:
        """Take no more commands, and wait for the ends of the watched runs: they were told to end."""
        self._stopping = True
        if self._runs:
            await asyncio.wait(self._runs, timeout=seconds)

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        await self.finish(self._linger)
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await server.wait_closed()

    def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # a task of our own: asyncio takes one of its own that is cancelled for a mistake, and logs it
        call = asyncio.create_task(self._call(reader, writer), name="control")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):  # it has gone: what it asked for is done all the same
                await self._answer(reader, writer)
                await writer.drain()
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self._admit(writer)
            asked = await self._request(reader)
            if asked is None:
                return
            result = await self._do(asked, reader, writer)
            answer = wire.write({"result": result})
        except EngineError as error:
            answer = wire.write(wire.error_out(error))
        except Exception as error:  # a mistake of ours must be seen, and must not end the server
            fact = f"the server made a mistake: {type(error).__name__}: {error}"
            self._tell(Noted("", "", "error", "control", fact))
            answer = wire.write(wire.error_out(EngineError(fact)))
        writer.write(answer)

    def _admit(self, writer: asyncio.StreamWriter) -> None:
        uid, own = self._caller(writer.get_extra_info("socket")), os.geteuid()
        if not sockets.admitted(uid, own):
            self._tell(Noted("", "", "warning", "control", f"user {uid} was refused at the control socket"))
            raise Unavailable(f"the server runs as user {own} and takes no commands of user {uid}")
        if len(self._calls) > CALLERS:
            raise Unavailable(f"the server has {CALLERS} callers already; try again in a moment")

    async def _request(self, reader: asyncio.StreamReader) -> Mapping[str, Any] | None:
        """Read the request; None when the caller only looked whether somebody is there."""
        try:
            async with asyncio.timeout(self._patience):
                line = await reader.readline()
        except TimeoutError:
            raise Unavailable(f"no request came within {self._patience:g} s") from None
        except ValueError:
            raise Unavailable(f"a request may have {wire.REQUEST >> 20} MiB; this one is longer") from None
        if not line:
            return None
        try:
            asked = wire.read(line)
        except ValueError as error:
            raise Unavailable(f"the request is not readable: {error}") from None
        if asked.get("engine") != engine.__version__:
            raise Unavailable(
                f"the server is engine {engine.__version__}, this command is {asked.get('engine')}: start the server "
                "again, or use its own command"
            )
        if self._stopping:
            raise Unavailable("the server is stopping; wait for its end, or start it again")
        return asked

    async def _do(self, asked: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
        do, given = asked.get("do"), asked.get("with")
        if do == "run":
            return await self._run(dict(given or {}), reader, writer)
        answer = self._answers.get(str(do))
        if answer is None or not isinstance(given, dict):
            raise Unavailable(f"the server does not know the command {do!r}")
        return await answer(given)

    async def _run(self, given: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
        watched = _Watched(self._commands, writer)
        call = asyncio.current_task()
        assert call is not None
        self._runs.add(call)
        try:
            return await watched.run(given["pipeline"], Request(**given["request"]), reader)
        finally:
            self._runs.discard(call)

    async def _cursor(self, given: Mapping[str, Any]) -> None:
        await cursors.put(self._store, cursors.Move(**given))


class _Watched:
    """A run whose events go to a caller; it ends early when the caller says so, or has gone."""

    def __init__(self, commands: Commands, writer: asyncio.StreamWriter) -> None:
        self._commands = commands
        self._writer = writer
        self._run = ""
        self._news = asyncio.Event()

    async def run(self, pipeline: str, request: Request, reader: asyncio.StreamReader) -> Mapping[str, Any]:
        """Run it and give its summary."""
        stopper = asyncio.create_task(self._stop(reader), name="control-stop")
        try:
            return await self._commands.run(pipeline, request, self._emit)
        finally:
            stopper.cancel()
            await asyncio.gather(stopper, return_exceptions=True)

    def _emit(self, event: Event) -> None:
        self._run = self._run or event.run
        self._news.set()
        transport = self._writer.transport
        if transport.is_closing():
            return
        each = isinstance(event, BatchRead | BatchDelivered | Settled)
        if each and transport.get_write_buffer_size() > _BEHIND:
            return
        self._writer.write(_event_line(event))

    async def _stop(self, reader: asyncio.StreamReader) -> None:
        """Wait for the word to stop, or the end of the connection; then cancel the run as soon as it can be."""
        with suppress(ConnectionError, ValueError):
            await reader.readline()
        while not (self._run and await self._commands.cancel(self._run)):
            self._news.clear()
            await self._news.wait()


def _event_line(event: Event) -> bytes:
    try:
        return wire.write(wire.event_out(event))
    except (TypeError, ValueError) as error:
        kind = type(event).__name__
        return wire.write(
            wire.event_out(Noted(event.pipeline, event.run, "warning", "control", f"{kind} cannot be shown: {error}"))
        )
