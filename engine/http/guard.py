"""A connection that does not wait for ever: late heads, too many from one place, and what is not HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from engine.http.addresses import Network, address_of, inside, neighbourhood
from engine.http.answers import Written, refuse, response
from engine.http.limits import Crowd


@dataclass(frozen=True, slots=True)
class Watch:
    """What every connection is held to."""

    crowd: Crowd
    trusted: tuple[Network, ...]
    head: float
    """Seconds for the head of a request, from the connection's opening or from its first byte."""
    complain: Callable[[str, str, int], None]
    """address, reason, status: something that is not even a call."""


class Guarded(RequestHandler):
    """aiohttp's connection with a clock for the head, and a count of connections by address."""

    def __init__(self, watch: Watch, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._watch = watch
        self._who = ""
        self._head: asyncio.TimerHandle | None = None
        self._seen = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it, and give it until the deadline to ask something."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        address = address_of(str(peer[0])) if isinstance(peer, tuple) else None
        # a proxy speaks for many
        self._who = "" if inside(address, self._watch.trusted) else neighbourhood(address)
        if self._who and not self._watch.crowd.enter(self._who):
            self._watch.complain(self._who, "too many connections", 0)
            self.force_close()
            return
        self._arm()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count it no more."""
        self._disarm()
        if self._who:
            self._watch.crowd.leave(self._who)
            self._who = ""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Start the clock with the first byte of a head, stop it with the last."""
        super().data_received(data)
        if self._request_count != self._seen:
            self._seen = self._request_count
            self._disarm()
        elif self._head is None and self._waits:
            self._arm()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on reading; where it never paused there is nothing to parse again, which aiohttp would try."""
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)

    async def finish_response(
        self, request: web.BaseRequest, resp: Any, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send what is written already as it is; anything else as aiohttp does."""
        if not isinstance(resp, Written):
            return await super().finish_response(request, resp, start_time)
        sent: Any = resp
        if self.transport is None:
            return sent, True
        self.transport.write(resp.wire)
        if self._paused:
            await self._drain_helper()
        return sent, False

    @property
    def _waits(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _arm(self) -> None:
        self._head = asyncio.get_running_loop().call_later(self._watch.head, self._late)

    def _disarm(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _late(self) -> None:
        self._head = None
        self._watch.complain(self._who, f"no request within {self._watch.head:g} s", 0)
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP in our words: nothing of what came is repeated."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        reason = f"not HTTP: {type(exc).__name__}"
        self._watch.complain(self._who, reason, status)
        answer = refuse(status, "unreadable" if status < 500 else "failed", reason).answer
        answer.close = True
        return response(answer)


class Server(web.Server):
    """Makes guarded connections."""

    def __init__(self, handler: Any, watch: Watch, **options: Any) -> None:
        super().__init__(handler, **options)
        self._watch = watch

    def __call__(self) -> RequestHandler:
        """Make a connection."""
        return Guarded(self._watch, self, loop=self._loop, **self._kwargs)
