"""One guarded HTTP session: says what became of a request, and never sends it twice by itself."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from engine.connector import Exchange, Told
from engine.errors import Misconfigured
from engine.net import proxy
from engine.net.auth import Credentials
from engine.net.egress import Egress, Guard, literal, origin
from engine.net.inflate import ACCEPTED
from engine.net.lost import Trip
from engine.net.played import Played
from engine.net.request import Request, valid
from engine.net.stream import Stream

MAX_RESPONSE = 64 * 1024 * 1024
_FOLLOWED = frozenset({301, 302, 303, 307, 308})
_EXCERPT = 300


@dataclass(frozen=True, slots=True)
class Access:
    """How a system is reached."""

    name: str
    base: str
    credentials: Credentials = field(default_factory=Credentials)
    tls: ssl.SSLContext | None = None
    proxy: str | None = field(default=None, repr=False)
    """None: the environment's; ``none``: never one."""
    max_response: int = MAX_RESPONSE
    """The most bytes of one answer that are kept in memory, unpacked."""
    egress: Egress = field(default_factory=Egress)
    exchange: Exchange | None = None
    """Asked in place of the system."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)
    what: str
    """For messages: ``crm answered 422 to POST /orders``, with the begin of the body unless it succeeded."""
    hide: Callable[[str], str] = field(default=str, repr=False)
    """Masks the connection's secrets in a text out of the body."""
    taken: bool = False
    """Nobody answered, and all that was sent counts as taken: in tests that do not say otherwise."""


class Client:
    """Sends requests to one system. Raises only ConnectorError: see ``Request.reads`` for lost answers."""

    def __init__(self, access: Access, *, resolver: AbstractResolver | None = None, guarded: bool = True) -> None:
        self.access = access
        self.warning = ""
        """What the log of every run that uses it should say."""
        self.origin = _checked_origin(access)
        self._proxies = proxy.environment()
        hosts = [access.base, access.proxy or "", *(url for name, url in self._proxies.items() if name != "no")]
        own = frozenset((urlsplit(url).hostname or "").rstrip(".") for url in hosts) - {""}
        self._guard = Guard(access.egress, own, access.name, guarded)
        self._resolver = _GuardedResolver(resolver, self._guard)
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Client({self.access.name!r}, {self.access.base!r})"

    async def open(self, stack: AsyncExitStack) -> None:
        """Make the session; nothing is reached yet."""
        if self._offline:
            return
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_mark)
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            socket_factory=self._guard.socket,
            ssl=self.access.tls or True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "integration-engine", "Accept-Encoding": ACCEPTED, "Accept": "*/*"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trace_configs=[trace],
            max_field_size=32 * 1024,
            max_line_size=32 * 1024,
        )
        # left to itself aiohttp sends GET, PUT and DELETE a second time; whether to is not for the client to decide
        self._session._retry_connection = False
        stack.push_async_callback(self._session.close)

    async def send(self, request: Request) -> Answer:
        """Send and read the whole answer, within the request's timeout."""
        trip = self._trip(request)

        async def call() -> Answer:
            stream = await self._begin(trip)
            try:
                body = await stream.read(self.access.max_response)
            finally:
                stream.close()
            what = stream.what if stream.status < 300 else f"{stream.what}{self.excerpt(body)}"
            hide = self.access.credentials.redact.text
            return Answer(stream.status, stream.headers, body, stream.url, what, hide, stream.taken)

        return await trip.keep(call)

    async def begin(self, request: Request) -> Stream:
        """Send and read the head of the answer; the caller reads the body and closes."""
        trip = self._trip(request)
        return await trip.keep(lambda: self._begin(trip))

    def _trip(self, request: Request) -> Trip:
        path = self.access.credentials.redact.text(urlsplit(self._url(request)).path)
        where = f"{self.origin[1]}:{self.origin[2]}"
        return Trip(self.access.name, where, request, f"{request.method} {path}")

    async def _begin(self, trip: Trip) -> Stream:
        request, url = trip.request, self._url(trip.request)
        for left in range(request.redirects, -1, -1):
            through = self._through(url)
            own = origin(url) == self.origin
            response = await self._respond(trip, url, own, through)
            target = response.headers.get("Location")
            if not (left and target and response.status in _FOLLOWED and request.method in ("GET", "HEAD")):
                break
            response.close()
            url = urljoin(url, target)
        return Stream(trip, response, url)

    async def _respond(self, trip: Trip, url: str, own: bool, through: str | None) -> aiohttp.ClientResponse | Played:
        request, exchange = trip.request, self.access.exchange

        async def ask() -> aiohttp.ClientResponse:
            assert self._session is not None, "open() first"
            return await self._session.request(
                request.method,
                URL(self._with_key(url) if own else url, encoded=True),
                headers=self._headers(request, own),
                data=request.body,
                allow_redirects=False,
                proxy=through,
                trace_request_ctx=trip,
            )

        if exchange is None:
            return await ask()

        async def proceed() -> Told:
            trip.sent = False
            stream = Stream(trip, await ask(), url)
            try:
                body = await stream.read(self.access.max_response)
            finally:
                stream.close()
            return {"status": stream.status, "headers": dict(stream.headers), "body": body}

        asked = {"method": request.method, "url": url, "headers": dict(request.headers), "body": request.body}
        trip.sent = True
        try:
            return Played(await exchange(self.access.name, asked, proceed))
        except ConnectionRefusedError:
            trip.sent = False
            raise

    @property
    def _offline(self) -> bool:
        return self.access.exchange is not None and self.access.exchange.offline

    def _url(self, request: Request) -> str:
        if request.url:
            found = urlsplit(urljoin(self.access.base, request.url))
            return urlunsplit((found.scheme, found.netloc, valid(found.path) or "/", valid(found.query), ""))
        parts = urlsplit(self.access.base)
        path, _, inline = request.path.partition("?")
        if path:
            path = parts.path.rstrip("/") + "/" + path.removeprefix("/")
        query = "&".join(part for part in (parts.query, inline, urlencode(request.query)) if part)
        return urlunsplit((parts.scheme, parts.netloc, path or parts.path or "/", query, ""))

    def _with_key(self, url: str) -> str:
        key = urlencode(self.access.credentials.query)
        return f"{url}{'&' if '?' in url else '?'}{key}" if key else url

    def _headers(self, request: Request, own: bool) -> dict[str, str]:
        """Give credentials and the author's headers to the connection's own host only."""
        if not own:
            return {name: value for name, value in request.headers.items() if name.lower() == "accept"}
        named = {name.lower() for name in request.headers}
        fixed = {name: text for name, text in self.access.credentials.headers.items() if name.lower() not in named}
        return {**fixed, **request.headers}

    def _through(self, url: str) -> str | None:
        """Check the address and return the proxy to take."""
        self._guard.check_url(url)
        through = proxy.choose(url, self.access.proxy, self._proxies)
        if through:
            self._guard.approve(origin(through)[1])
        host = origin(url)[1]
        if through and self._guard.enabled and host not in self._guard.own and literal(host) is None:
            egress = self.access.egress
            if egress.private != "allow" and not egress.lists(host, None):
                # the proxy would look the name up, so nobody here could see where it leads
                raise Misconfigured(
                    f"{self.access.name}: {host} comes from an answer and would be called through a proxy; "
                    f"if that is right, add {host} to egress.allow in engine.yaml"
                )
        return through

    def excerpt(self, body: bytes) -> str:
        """Return the begin of a body as people may see it: ``: text…``, or nothing."""
        text = " ".join(body[: 4 * _EXCERPT].decode("utf-8", "replace").split())
        text = self.access.credentials.redact.text(text)
        return f": {text[:_EXCERPT]}{'…' if len(text) > _EXCERPT else ''}" if text else ""


class _GuardedResolver(AbstractResolver):
    """Looks names up and keeps only the addresses that may be reached."""

    def __init__(self, inner: AbstractResolver | None, guard: Guard) -> None:
        self._inner = inner
        self._guard = guard

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        if self._inner is None:
            self._inner = ThreadedResolver()
        found = await self._inner.resolve(host, port, family)
        allowed = set(self._guard.choose(host, [one["host"] for one in found]))
        return [one for one in found if one["host"] in allowed]

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()


async def _mark(session: aiohttp.ClientSession, context: SimpleNamespace, _: Any) -> None:
    context.trace_request_ctx.sent = True


def _checked_origin(access: Access) -> tuple[str, str, int]:
    """Return where the base address leads; refuse one that cannot be used. Raises Misconfigured."""
    parts = urlsplit(access.base)
    if parts.username is not None or parts.password is not None:
        raise Misconfigured(f"{access.name}: the address has a user name or password in it; write them as auth.basic")
    try:
        found = origin(access.base)
    except ValueError:
        found = ("", "", 0)
    if found[0] not in ("http", "https") or not found[1]:
        raise Misconfigured(f"{access.name}: {access.base!r} is not an address such as https://crm.example.com/api")
    return found
