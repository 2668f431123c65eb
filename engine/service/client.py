"""Asks the server that works with a store: the same methods as ``Commands``, over its control socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import engine
from engine.errors import EngineError, Unavailable
from engine.events import Emit
from engine.runtime.request import Request
from engine.service import sockets, wire
from engine.service.cursors import Move
from engine.store.base import Where


async def connect(store: Path) -> Client | None:
    """Find the server that works with *store*; None when there is none. Raises Unavailable when it may not be asked."""
    path = sockets.beside(store)
    return Client(path) if await asyncio.to_thread(sockets.answers, path) else None


class Client:
    """A server, as a command sees it: a connection a request. Errors are those the server raised."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def run(
        self, pipeline: str, request: Request, watch: Emit, stop: asyncio.Event | None = None
    ) -> Mapping[str, Any]:
        """See ``Commands.run``; *stop* ends it at the next batch boundary, and so does cancelling this call."""
        asked = {one.name: getattr(request, one.name) for one in fields(request)}
        summary: Mapping[str, Any] = await self._ask("run", {"pipeline": pipeline, "request": asked}, watch, stop)
        return summary

    async def cancel(self, run: str) -> bool:
        """See ``Commands.cancel``."""
        return bool(await self._ask("cancel", {"run": run}))

    async def rerun(self, run: str) -> str:
        """See ``Commands.rerun``."""
        return str(await self._ask("rerun", {"run": run}))

    async def amend(self, where: Where, do: Literal["replay", "edit", "drop"], body: Any = None, limit: int = 0) -> int:
        """See ``Commands.amend``."""
        given = {"where": where._asdict(), "action": do, "body": body, "limit": limit}
        return int(await self._ask("amend", given))

    async def pause(self, pipeline: str, by: str) -> None:
        """See ``Commands.pause``."""
        await self._ask("pause", {"pipeline": pipeline, "by": by})

    async def resume(self, pipeline: str, by: str) -> None:
        """See ``Commands.resume``."""
        await self._ask("resume", {"pipeline": pipeline, "by": by})

    async def backup(self, path: Path) -> None:
        """See ``Commands.backup``; a relative path is this process's."""
        await self._ask("backup", {"path": str(path.absolute())})

    async def reload(self) -> bool:
        """See ``Commands.reload``."""
        return bool(await self._ask("reload", {}))

    async def orphans(self, lane: str, do: Literal["drop", "move"], to: str = "") -> int:
        """See ``Commands.orphans``."""
        return int(await self._ask("orphans", {"lane": lane, "action": do, "to": to}))

    async def move(self, move: Move) -> None:
        """Move a cursor by hand; see ``cursors.put``."""
        await self._ask("cursor", move._asdict())

    async def _ask(
        self, do: str, given: Mapping[str, Any], watch: Emit | None = None, stop: asyncio.Event | None = None
    ) -> Any:
        try:
            question = wire.write({"engine": engine.__version__, "do": do, "with": given})
        except (TypeError, ValueError) as error:
            raise EngineError(f"this cannot be sent to the server: {error}") from error
        reader, writer = await self._dial()
        stopper = asyncio.create_task(_word(stop, writer)) if stop is not None else None
        try:
            with suppress(ConnectionError):  # it answered before it read it all; the answer tells why
                writer.write(question)
                await writer.drain()
            return await self._answer(reader, watch)
        finally:
            if stopper is not None:
                stopper.cancel()
                await asyncio.gather(stopper, return_exceptions=True)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            with sockets.reachable(self._path) as address:
                return await asyncio.open_unix_connection(address, limit=wire.ANSWER)
        except OSError as error:
            raise Unavailable(f"{self._path}: the server does not answer ({error.strerror})") from error

    async def _answer(self, reader: asyncio.StreamReader, watch: Emit | None) -> Any:
        while True:
            try:
                line = await reader.readline()
            except (ConnectionError, ValueError):
                line = b""
            if not line.endswith(b"\n"):
                raise EngineError("the server ended before it answered; `engine runs` shows what became of it")
            message = wire.read(line)
            if "error" in message:
                raise wire.error_in(message["error"])
            if "event" not in message:
                return message.get("result")
            event = wire.event_in(message)
            if event is not None and watch is not None:
                watch(event)


async def _word(stop: asyncio.Event, writer: asyncio.StreamWriter) -> None:
    """Pass the word to stop on; the answer still comes."""
    await stop.wait()
    writer.write(wire.write({"do": "stop"}))
