"""Fetches the key sets that tokens are judged by, ahead of time and in the background: no caller waits for it.

A set that cannot be fetched anew stays as it was; one that was never fetched lets nobody in. Callers with unknown keys
make it fetch at most once a minute.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from engine.errors import ConnectorError
from engine.events import Noted, Tell
from engine.http.keysets import KeySet, KeySets
from engine.net.client import Access, Client
from engine.net.egress import Egress
from engine.net.request import Request

SHORTEST, SILENT, LONGEST = 300.0, 3600.0, 86400.0
"""Seconds that a set counts as new: at least, where the answer does not say, and at most."""
DOUBT = 60.0
"""Between two fetches that unknown keys ask for."""
FIRST, SLOWEST = 1.0, 60.0
"""Between tries while it fails: doubled from the first."""
_LIMIT = 256 * 1024
_TIMEOUT = 10.0
_MAX_AGE = re.compile(r'(?:^|[\s,])max-age\s*=\s*"?(\d{1,10})', re.IGNORECASE)
_NOT_KEPT = re.compile(r"(?:^|[\s,])(?:no-store|no-cache)\b", re.IGNORECASE)

Fetch = Callable[[str], Awaitable[tuple[Any, float]]]
"""address → the document, and for how many seconds it counts as new. Raises ConnectorError, ValueError."""


@dataclass(slots=True)
class _Turn:
    """When a set is fetched."""

    due: float = 0.0
    tried: float = float("-inf")
    failures: int = 0


class Keys:
    """Keeps ``sets`` fetched."""

    def __init__(self, tell: Tell, fetch: Fetch, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._fetch, self._ticks = tell, fetch, ticks
        self._wake = asyncio.Event()
        self._turns: dict[str, _Turn] = {}
        self.sets = KeySets(self._wake.set)

    async def work(self) -> None:
        """Fetch, each when it is due, until cancelled."""
        while True:
            rest = await self.look()
            try:
                async with asyncio.timeout(rest):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def look(self) -> float | None:
        """Fetch what is due, and return the seconds until the next is; None: nothing will be."""
        sets = dict(self.sets.sets)
        self._turns = {url: self._turns.get(url) or _Turn() for url in sets}
        now = self._ticks()
        due = [one for one in sets.values() if self._due(one) <= now]
        await asyncio.gather(*(self._refresh(one) for one in due))
        rest = min((self._due(one) for one in sets.values()), default=None)
        return None if rest is None else max(0.05, rest - self._ticks())

    def _due(self, one: KeySet) -> float:
        turn = self._turns[one.url]
        return min(turn.due, turn.tried + DOUBT) if one.doubted and not turn.failures else turn.due

    async def _refresh(self, one: KeySet) -> None:
        turn = self._turns[one.url]
        turn.tried, one.doubted = self._ticks(), False
        try:
            document, fresh = await self._fetch(one.url)
            one.take(document)
        except Exception as error:  # whatever it is: one provider's trouble is not the engine's end
            self._failed(one, turn, error)
            return
        if turn.failures:
            self._tell(Noted("", "", "info", "key-set", f"the key set of {one.url} can be fetched again"))
        turn.failures, turn.due = 0, self._ticks() + fresh

    def _failed(self, one: KeySet, turn: _Turn, error: Exception) -> None:
        turn.failures += 1
        turn.due = self._ticks() + min(FIRST * 2.0 ** min(turn.failures - 1, 20), SLOWEST)
        if turn.failures == 1:
            kept = "the last one stays in use" if one.document else "until it is there, its tokens are refused"
            known = isinstance(error, ConnectorError | ValueError)
            why = str(error) if known else f"{type(error).__name__}: {error}"
            fact = f"the key set of {one.url} cannot be fetched: {why}; {kept}"
            self._tell(Noted("", "", "warning" if one.document else "error", "key-set", fact))


def fetcher(egress: Callable[[], Egress], tls: ssl.SSLContext | None = None) -> Fetch:
    """Return what fetches a set over the network; *egress* gives the policy of now."""

    async def fetch(url: str) -> tuple[Any, float]:
        async with AsyncExitStack() as stack:
            name = f"key set of {urlsplit(url).hostname}"
            client = Client(Access(name, url, tls=tls, max_response=_LIMIT, egress=egress()))
            await client.open(stack)
            wanted = {"Accept": "application/jwk-set+json, application/json"}
            answer = await client.send(Request(headers=wanted, reads=True, timeout=_TIMEOUT))
        if answer.status != 200:
            raise ValueError(f"it answers {answer.status}")
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise ValueError("what it answers is not JSON") from None
        return document, fresh_for(_header(answer.headers, "cache-control"))

    return fetch


def fresh_for(control: str) -> float:
    """Return for how long an answer with this Cache-Control counts as new. Pure."""
    found = _MAX_AGE.search(control)
    if _NOT_KEPT.search(control):
        return SHORTEST
    return min(LONGEST, max(SHORTEST, float(found[1]))) if found else SILENT


def _header(headers: Any, name: str) -> str:
    return next((str(value) for key, value in headers.items() if key.lower() == name), "")
