"""Connections in use: one client, one breaker and one budget for each, shared by all that call it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from engine.connector import Context
from engine.errors import CircuitOpen, ConnectorError, Disconnected, EngineError, Transient, Uncertain
from engine.events import CallRetried, CircuitChanged, Emit
from engine.pipeline import Remote
from engine.policy import Breaker, Limiter, Resilience
from engine.runtime.decide import decide_read

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[None]]


class Stopped(EngineError):
    """The run was told to stop while it waited for another try."""


@dataclass(slots=True)
class Shared:
    """What all users of one connection have in common."""

    name: str
    client: Any
    breaker: Breaker | None
    limiter: Limiter | None
    paused: float = 0.0
    """Until then, in monotonic seconds, the remote asked for quiet (Retry-After)."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Waiting for a permit is first come, first served."""


@dataclass(slots=True)
class Connections:
    """Opens each connection once, when first used, and closes all with *stack*."""

    stack: AsyncExitStack
    make_context: Callable[[Remote], Context]
    _open: dict[Remote, _Lent] = field(default_factory=dict)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, remote: Remote, user: AsyncExitStack | None = None) -> Shared:
        """Return the open connection; with *user* it is given back when that stack ends. Raises ConnectorError."""
        async with self._opening:
            lent = self._open.get(_key(remote))
            if lent is None:
                lent = self._open[_key(remote)] = await self._opened(remote)
        if user is not None:
            lent.users += 1
            user.push_async_callback(self._back, lent)
        return lent.shared

    def lent(self, user: AsyncExitStack) -> Borrower:
        """Return a view for one run: what it gets counts as used until *user* ends."""
        return Borrower(self, user)

    async def retain(self, remotes: Collection[Remote]) -> list[str]:
        """Close what is not among *remotes*, as soon as nobody uses it: a new revision has its own.

        Returns the names of those whose breaker was not closed: what was known of it is forgotten.
        """
        forgotten = []
        kept = {_key(remote) for remote in remotes}
        for key, lent in list(self._open.items()):
            if key not in kept:
                del self._open[key]
                lent.last = True
                if lent.shared.breaker is not None and lent.shared.breaker.state != "closed":
                    forgotten.append(lent.shared.name)
                if not lent.users:
                    await lent.stack.aclose()
        return forgotten

    async def _opened(self, remote: Remote) -> _Lent:
        stack, client = AsyncExitStack(), None
        try:
            if remote.build is not None:
                client = remote.build(self.make_context(remote))
                await client.open(stack)
        except BaseException:
            await stack.aclose()
            raise
        self.stack.push_async_callback(stack.aclose)  # again is harmless
        shared = Shared(
            remote.name,
            client,
            Breaker(remote.circuit_breaker) if remote.circuit_breaker else None,
            Limiter(remote.rate_limit) if remote.rate_limit else None,
        )
        return _Lent(shared, stack)

    async def _back(self, lent: _Lent) -> None:
        lent.users -= 1
        if lent.last and not lent.users:
            await lent.stack.aclose()


@dataclass(slots=True)
class _Lent:
    """An open connection and who uses it."""

    shared: Shared
    stack: AsyncExitStack
    users: int = 0
    last: bool = False
    """Nobody gets it any more."""


def _key(remote: Remote) -> Remote:
    """Leave out what is made anew with every compilation and is the same where the rest is."""
    return replace(remote, build=None)


@dataclass(frozen=True, slots=True)
class Borrower:
    """One run's way to the connections."""

    connections: Connections
    user: AsyncExitStack

    async def get(self, remote: Remote) -> Shared:
        """Return the open connection. Raises ConnectorError."""
        return await self.connections.get(remote, self.user)


@dataclass(slots=True)
class Line:
    """One user's way to a connection: its own timeout, retry and rate limit beside the shared ones."""

    shared: Shared
    policy: Resilience
    pipeline: str
    run: str
    emit: Emit
    random: Callable[[], float]
    clock: Callable[[], float] = time.monotonic
    sleep: Sleep = asyncio.sleep
    _own: Limiter | None = field(init=False)

    def __post_init__(self) -> None:
        self._own = Limiter(self.policy.rate_limit) if self.policy.rate_limit else None

    async def once(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make one call within the timeout; waiting for a permit is outside it. Raises ConnectorError, CircuitOpen."""
        await self._permit()
        try:
            return await self._guarded(call)
        except ConnectorError as error:
            error.where = error.where or self.shared.name
            raise

    async def _guarded(self, call: Callable[[], Awaitable[T]]) -> T:
        breaker = self.shared.breaker
        if breaker is None:
            return await self._timed(call)
        self._admit(breaker)
        try:
            result = await self._timed(call)
        except (Disconnected, Transient, Uncertain):
            self._moved(breaker, lambda: breaker.failure(self.clock()))
            raise
        except ConnectorError:
            self._moved(breaker, lambda: breaker.success(self.clock()))
            raise
        except BaseException:
            breaker.abandon()
            raise
        self._moved(breaker, lambda: breaker.success(self.clock()))
        return result

    async def repeated(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call that may be repeated (a read) under the retry policy."""
        attempt = 1
        while True:
            try:
                return await self.once(call)
            except ConnectorError as error:
                wait = decide_read(error, attempt, self.policy.retry, self.random())
                if wait is None:
                    raise
                await self.pause(attempt, wait, str(error), getattr(error, "retry_after", None))
                attempt += 1

    async def pause(self, attempt: int, wait: float, why: str, asked: float | None) -> None:
        """Wait before the next try; what the remote *asked* for holds for all users of the connection."""
        if asked:
            self.shared.paused = max(self.shared.paused, self.clock() + asked)
        self.emit(CallRetried(self.pipeline, self.run, self.shared.name, attempt, wait, why))
        await self.sleep(wait)

    async def _timed(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self.policy.timeout) as limit:
                return await call()
        except TimeoutError:
            if not limit.expired():
                raise
            seconds = f"{self.policy.timeout:g} s"
            raise Uncertain(f"{self.shared.name} did not answer within {seconds} (resilience.timeout)") from None

    async def _permit(self) -> None:
        if self._own is not None:
            # before it stands in line for the shared one: its own slowness is not for the others to wait for
            await self._drawn(self._own)
        if self.shared.limiter is None and self.shared.paused <= 0:
            return
        async with self.shared.turn:
            while (wait := self.shared.paused - self.clock()) > 0:
                await self.sleep(wait)
            if self.shared.limiter is not None:
                await self._drawn(self.shared.limiter)

    async def _drawn(self, limiter: Limiter) -> None:
        while (wait := limiter.permit(self.clock())) > 0:
            await self.sleep(wait)

    def _admit(self, breaker: Breaker) -> None:
        until = None

        def ask() -> None:
            nonlocal until
            until = breaker.admit(self.clock())

        self._moved(breaker, ask)
        if until is not None:
            raise CircuitOpen(self.shared.name, until)

    def _moved(self, breaker: Breaker, step: Callable[[], None]) -> None:
        before = breaker.state
        step()
        if breaker.state != before:
            self.emit(CircuitChanged(self.pipeline, self.run, self.shared.name, breaker.state))
