"""A call from its head to its answer: found, let in, read, checked, and on disk before anybody says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from engine.errors import StoreError, StoreFailed
from engine.events import WebhookAnswered
from engine.http import answers, challenge
from engine.http.addresses import Network, caller_address, neighbourhood
from engine.http.answers import Answer, Refusal, Reply, Written
from engine.http.arrival import Pace, check_head, headers_of, peer_of, read_body, target_of
from engine.http.auth import Caller, judge
from engine.http.call import Call
from engine.http.entries import Received, accept, received
from engine.http.limits import Load, Rates
from engine.http.routes import RESERVED, Bound, Route, Routes
from engine.store.base import NewEntry, Store

GiveReply = Callable[[Bound, Mapping[str, Any]], Awaitable[Reply]]
"""The webhook and the entry's body → what its run answers; cancelled when it is late."""

_LATE = 30.0
_FULL = 10.0
_LARGE = 64 * 1024
"""Bodies beyond this are parsed in a thread: other callers must not wait for it."""
_HEALTHY = b'{"status": "ok"}'


@dataclass(slots=True)
class Ports:
    """What the webhooks reach outside themselves."""

    store: Store
    tell: Callable[[WebhookAnswered], None]
    reply: GiveReply | None = None
    """Runs a pipeline in memory for ``respond: result``."""
    broken: Callable[[StoreFailed], None] = lambda error: None
    """The store failed for good: the process must end."""
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class _Note:
    """What is known of a call so far, for the log."""

    path: str = ""
    address: str = ""
    pipelines: tuple[str, ...] = ()
    client: str | None = None
    size: int = 0


@dataclass(slots=True)
class Webhooks:
    """Answers every call on the public listener; ``routes`` may be replaced at any moment."""

    ports: Ports
    routes: Routes
    trusted: tuple[Network, ...] = ()
    largest: int | None = None
    """No body beyond this, whatever a webhook allows."""
    pace: Pace = field(default_factory=Pace)
    rates: Rates = field(default_factory=Rates)
    load: Load = field(default_factory=Load)
    closing: bool = False
    """Every answer ends its connection."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse | Written:
        """Answer one call, whatever comes."""
        if request.raw_path == RESERVED and request.method in ("GET", "HEAD"):
            return web.Response(body=_HEALTHY, headers={"Content-Type": "application/json", "Server": "engine"})
        began, note = self.ports.monotonic(), _Note()
        try:
            answer = await self._answer(request, note)
        except Refusal as refusal:
            answer = refusal.answer
        except Exception as error:
            # the last net: a caller is told nothing, the log which fault it was and where
            answer = answers.refuse(500, "failed", _fault(error)).answer
        answer.close = answer.close or self.closing
        self.ports.tell(_event(request, note, answer, self.ports.monotonic() - began))
        return answers.written(answer, request, self.ports.clock()) or answers.response(answer)

    async def answer(self, call: Call) -> Answer:
        """Answer a call whose body is here already: without a wire, as tests make it."""
        try:
            route = self.routes.find(call.path, call.method)
            if len(call.body) > route.max_body:
                raise answers.refuse(413, "too_large", f"more than {route.max_body} bytes")
            heard = self._admit(route, call, _Note())
            return await self._take(route, heard) if isinstance(heard, Received) else heard
        except Refusal as refusal:
            return refusal.answer

    async def _answer(self, request: web.BaseRequest, note: _Note) -> Answer:
        headers = headers_of(request)
        address = caller_address(peer_of(request), headers, self.trusted)
        note.path, note.address = request.raw_path.partition("?")[0], str(address or "unknown")
        path, query = target_of(request)
        if self.load.full:
            raise answers.closing(answers.later(503, "unavailable", "too much waits for the disk", 1.0))
        route = self.routes.find(path, request.method)
        note.pipelines = route.pipelines
        if route.rate_limit is not None:
            self._limit(route, path, neighbourhood(address))
        most = route.max_body if self.largest is None else min(route.max_body, self.largest)
        check_head(request, headers, most)
        size = request.content_length or 0
        self.load.begin(size)
        try:
            body = await read_body(request, most, self.pace, self.ports.monotonic)
            note.size = len(body)
            call = Call(request.method, path, query, headers, body, address)
            heard = self._admit(route, call, note)
            return await self._take(route, heard) if isinstance(heard, Received) else heard
        finally:
            self.load.end(size)

    def _limit(self, route: Route, path: str, who: str) -> None:
        wait = self.rates.wait(route.rate_limit, (path, who), self.ports.monotonic())
        if wait > 0:
            raise answers.closing(answers.later(429, "limited", f"more than the webhook's rate from {who}", wait))

    def _admit(self, route: Route, call: Call, note: _Note) -> Received | Answer:
        if route.challenge is not None and (answer := challenge.before(route, call)) is not None:
            return answer
        now = self.ports.clock()
        verdict = judge(route.door, call, now)
        if not isinstance(verdict, Caller):
            raise answers.unauthorized(route.why or verdict.reason)
        if verdict.name:
            note.client = verdict.name
            self._limit_client(verdict.name)
        return received(call, route.door.credentials, verdict.name, datetime.fromtimestamp(now, UTC))

    def _limit_client(self, name: str) -> None:
        client = self.routes.clients.get(name)
        if client is None:
            return
        wait = self.rates.wait(client.rate_limit, ("client", name), self.ports.monotonic())
        if wait > 0:
            raise answers.later(429, "limited", f"more than the rate of the client {name}", wait)

    async def _take(self, route: Route, heard: Received) -> Answer:
        large = len(heard.call.body) > _LARGE
        prepared = await asyncio.to_thread(_prepare, route, heard) if large else _prepare(route, heard)
        if isinstance(prepared, Answer):
            return prepared
        if route.bounds[0].plan.respond is not None:
            return await self._reply(route.bounds[0], prepared[0])
        return await self._keep(prepared)

    async def _keep(self, prepared: list[NewEntry]) -> Answer:
        try:
            kept = await self.ports.store.append(prepared)
        except StoreFailed as error:
            self.ports.broken(error)
            raise answers.later(503, "unavailable", str(error), _FULL) from None
        except StoreError as error:
            raise answers.later(503, "unavailable", str(error), _FULL) from None
        for _, fresh in kept:
            if fresh:
                return answers.taken("accepted", kept[0][0])
        return answers.taken("duplicate", kept[0][0])

    async def _reply(self, bound: Bound, entry: NewEntry) -> Answer:
        respond = bound.plan.respond or {}
        if self.ports.reply is None:
            raise answers.refuse(503, "unavailable", "nothing here runs pipelines for an answer")
        limit = respond.get("timeout") or _LATE
        try:
            async with asyncio.timeout(limit) as late:
                return answers.replied(await self.ports.reply(bound, entry.body))
        except TimeoutError:
            if not late.expired():
                raise
            raise answers.refuse(504, "late", f"the run took more than {limit:g} s and was cancelled") from None


def _prepare(route: Route, heard: Received) -> list[NewEntry] | Answer:
    """Parse and check, once for all pipelines; what is right for one and wrong for another is wrong."""
    body = heard.parse(optional=route.may_be_empty)
    answer = challenge.after(route, body)
    return answer if answer is not None else [accept(bound, heard, body) for bound in route.bounds]


_LONGEST = 200


def _event(request: web.BaseRequest, note: _Note, answer: Answer, seconds: float) -> WebhookAnswered:
    return WebhookAnswered(
        path=_printable(note.path),
        method=_printable(request.method),
        status=answer.status,
        outcome=answer.outcome,
        address=note.address,
        pipelines=note.pipelines,
        client=note.client,
        reason=_printable(answer.reason, 2 * _LONGEST),
        id=answer.id,
        bytes=note.size,
        seconds=seconds,
    )


def _printable(text: str, most: int = _LONGEST) -> str:
    if len(text) > most:
        text = text[:most]
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)


def _fault(error: Exception) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}{place}"
