"""HTTP: reads pages of records from an API, sends records to one, and holds the connection both share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from engine.connector import BaseSource, Connector, Context, Expression, Names, Template
from engine.errors import ConnectorError, Misconfigured, RecordError, Rejected, Uncertain
from engine.net.answers import judge
from engine.net.asking import Asking
from engine.net.auth import credentials
from engine.net.client import MAX_RESPONSE, Access, Answer, Client
from engine.net.egress import Egress
from engine.net.jsontext import NotJson, decode
from engine.net.operation import RequestOperation
from engine.net.paging import Page, Paging, Turn
from engine.net.reading import lines, rows
from engine.net.request import Request, json_body, path_text, query_pairs
from engine.net.results import Results
from engine.net.stream import Stream
from engine.net.target import Keys, RequestTarget, session
from engine.net.tls import context as tls_context
from engine.record import NO_META, TAKEN, Batch, Checkpoint, Receipt

_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_EXCERPT = 1200
_NOTHING = frozenset({204, 404, 410})
"""Answers that have no records: of the last two only those to a question about one record come so far."""


class HttpConnection:
    """One system's address, credentials and session; ``client`` is what sources and targets use."""

    def __init__(
        self,
        context: Context,
        *,
        base_url: str,
        auth: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        tls: Mapping[str, Any] | None = None,
        proxy: str | None = None,
        max_response: int = MAX_RESPONSE,
        verify: Mapping[str, Any] | None = None,
    ) -> None:
        self.context = context
        self._access = partial(
            Access,
            context.name,
            base_url,
            exchange=context.exchange,
            credentials=credentials(auth, headers),
            proxy=proxy,
            max_response=int(max_response),
            egress=Egress.of(context.egress),
        )
        self._tls = tls
        self._verify = verify or {}

    def __repr__(self) -> str:
        return f"HttpConnection({self.context.name!r})"

    async def open(self, stack: AsyncExitStack) -> None:
        """Make the session; nothing is reached yet."""
        context = self.context
        offline = context.exchange is not None and context.exchange.offline
        trust = None if offline else tls_context(context.name, self._tls, context.project)
        self.client = Client(self._access(tls=trust))
        if (self._tls or {}).get("verify") is False:
            # said in the log of every run that uses it: see engine.net.target.session
            self.client.warning = f"{context.name}: tls.verify is false, so anybody may pretend to be it"
        await self.client.open(stack)

    async def check(self) -> str:
        """Send ``verify``, or ask for the base address, and say what came back."""
        asked = self._verify
        body = json_body(asked["json"]) if "json" in asked else None
        method = str(asked.get("method", "GET"))
        request = Request(
            method,
            path_text(asked.get("path", "")),
            headers={"Content-Type": "application/json"} if body else {},
            body=body,
            reads=True,
            timeout=self.context.timeout,
        )
        begun = self.context.clock()
        answer = await self.client.send(request)
        took = f"{(self.context.clock() - begun) * 1000:.0f} ms"
        if asked.get("expect"):
            self._expect(asked["expect"], answer)
        else:
            failure = judge(answer.status, answer.headers, answer.what)
            # an address without `verify` may well have nothing at its root
            if failure is not None and (asked or answer.status not in (404, 405)):
                raise failure
        warning = "; tls.verify is false" if self.client.warning else ""
        return f"{answer.what.partition(': ')[0]} in {took}{warning}"

    def _expect(self, expect: Expression, answer: Answer) -> None:
        try:
            body = decode(answer.body)
        except NotJson:
            body = answer.body.decode("utf-8", "replace")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        found = expect({"status": answer.status, "headers": headers, "body": body})
        if found is True:
            return
        why = "does not hold"
        if found is not False:
            why = f"gave {found!r}, which is neither true nor false; mind that !a.b means (!a).b, so write !(a.b)"
        raise judge(answer.status, answer.headers, answer.what) or Misconfigured(
            f"{answer.what}, but verify.expect {why}"
        )


class HttpSource(BaseSource):
    """Reads an API, one request a page."""

    def __init__(
        self,
        context: Context,
        *,
        url: str | None = None,
        method: str = "GET",
        path: Template | None = None,
        query: Template | None = None,
        headers: Template | None = None,
        json: Template | None = None,
        form: Template | None = None,
        text: Template | None = None,
        records: Expression | None = None,
        format: str = "json",
        paginate: Mapping[str, Any] | None = None,
        numbers: str = "fast",
        redirects: int = 0,
    ) -> None:
        self.context = context
        self._url = url
        self._asking = Asking(method, path, query, headers).carrying(json=json, form=form, text=text)
        self._records = records
        self._streams = format == "jsonl"
        self._paging = Paging.of(paginate, context.name)
        self._exact = numbers == "exact"
        self._redirects = redirects
        if self._streams and records is not None:
            raise Misconfigured(f"{context.name}: with format jsonl every line is a record; leave `records` out")
        if self._streams and self._paging.needs_document:
            raise Misconfigured(
                f"{context.name}: with format jsonl the next page can only be found by page, offset or link"
            )

    async def open(self, stack: AsyncExitStack) -> None:
        """Use the connection's session, or make one for ``url``."""
        self._client = await _session(self.context, self._url, stack)

    async def read(self, after: Checkpoint | None) -> AsyncIterator[Batch]:
        """Yield one batch a page, or several of a page of lines; where it resumes is the pipeline's cursor."""
        turn: Turn | None = self._paging.start()
        left = self.context.limit
        while turn is not None and (left is None or left > 0):
            page = Page()
            async with aclosing((self._lines if self._streams else self._whole)(self._page(turn), page)) as batches:
                async for records in batches:
                    yield Batch(records, [NO_META] * len(records))
            if left is not None:
                left -= page.count
            turn = self._paging.after(turn, page)
        if self._paging.cut:
            self.context.note("warning", "max-pages", self._paging.cut)

    def _page(self, turn: Turn) -> Request:
        names, limit = self.context.names, self.context.timeout
        request = self._asking.request(names, reads=True, timeout=limit, redirects=self._redirects)
        return replace(request, query=[*request.query, *query_pairs(turn.params)], url=turn.url)

    async def _whole(self, request: Request, page: Page) -> AsyncGenerator[list[Any], None]:
        answer, document = await self.context.call(partial(self._ask, request))
        records = [] if answer.status in _NOTHING else rows(self._records, document, answer.what)
        page.document, page.headers, page.url = document, answer.headers, answer.url
        page.add(records)
        yield records

    async def _lines(self, request: Request, page: Page) -> AsyncGenerator[list[Any], None]:
        stream = await self.context.call(partial(self._begin, request))
        page.headers, page.url = stream.headers, stream.url
        try:
            async for records in lines(stream, self._client.access.max_response, exact=self._exact):
                page.add(records)
                yield records
        finally:
            stream.close()

    async def _ask(self, request: Request) -> tuple[Answer, Any]:
        answer = await self._client.send(request)
        over_record = _over_record(self._asking.path, self.context.names)
        failure = judge(answer.status, answer.headers, answer.what, path_from_record=over_record)
        if answer.status in _NOTHING and (failure is None or isinstance(failure, Rejected)):
            return answer, None
        _readable(failure, of_record="record" in self.context.names)
        try:
            return answer, decode(answer.body, exact=self._exact)
        except NotJson as error:
            excerpt = self._client.excerpt(answer.body)
            raise Misconfigured(f"{answer.what}, but not with JSON ({error}){excerpt}") from None

    async def _begin(self, request: Request) -> Stream:
        stream = await self._client.begin(request)
        if 200 <= stream.status < 300:
            return stream
        try:
            what = stream.what + self._client.excerpt(await stream.read(_EXCERPT))
            _readable(judge(stream.status, stream.headers, what))
        finally:
            stream.close()
        return stream


class HttpTarget(RequestTarget):
    """Sends records to an API: one request a batch, else one a record."""

    def __init__(
        self,
        context: Context,
        *,
        url: str | None = None,
        method: str = "POST",
        path: Template | None = None,
        query: Template | None = None,
        headers: Template | None = None,
        json: Template | None = None,
        form: Template | None = None,
        text: Template | None = None,
        results: Mapping[str, Expression] | None = None,
        idempotency: Mapping[str, str] | None = None,
        atomic: bool = False,
    ) -> None:
        super().__init__(context)
        self.atomic = atomic
        self._url = url
        self._asking = Asking(method, path, query, headers).carrying(json=json, form=form, text=text)
        self._results = Results.of(results, keyed=context.keyed)
        self._once = (idempotency or {}).get("header")
        self._default = "" if method in _BODILESS else "records" if context.batched else "record"
        if self._once and (context.batched or not context.keyed):
            raise Misconfigured("idempotency marks each request with its record's key: it needs `key` and no `batch`")

    async def open(self, stack: AsyncExitStack) -> None:
        """Use the connection's session, or make one for ``url``."""
        self.client = await _session(self.context, self._url, stack)
        self._names_record = not self.context.batched and _needs_record(self._asking.path, self.context.names)

    def request(self, names: Names, keys: Keys) -> Request:
        """Build the request, marked with its idempotency key."""
        request = self._asking.request(names, self._default, timeout=self.context.timeout)
        if not self._once:
            return request
        context = self.context
        pipeline = context.pipeline or context.names.get("run", {}).get("pipeline") or context.name
        identity = "\0".join((pipeline, context.target, str(keys[0])))
        return replace(request, headers={**request.headers, self._once: sha256(identity.encode()).hexdigest()})

    def outcome(self, answer: Answer, keys: Keys) -> Receipt:
        """Judge the status, then read ``results``."""
        failure = judge(answer.status, answer.headers, answer.what, path_from_record=self._names_record)
        if failure is not None:
            raise failure
        if self._results is None:
            return TAKEN
        try:
            document = decode(answer.body)
        except NotJson as error:
            raise Uncertain(f"{answer.what}, but not with JSON, so `results` cannot be read: {error}") from None
        return self._results.read(document, keys)


class HttpCall(RequestOperation):
    """Sends one request for one record, for its effect and its answer."""

    def __init__(
        self,
        context: Context,
        *,
        url: str | None = None,
        method: str = "POST",
        path: Template | None = None,
        query: Template | None = None,
        headers: Template | None = None,
        json: Template | None = None,
        form: Template | None = None,
        text: Template | None = None,
        results: Mapping[str, Expression] | None = None,
        idempotency: Mapping[str, str] | None = None,
    ) -> None:
        bodies = {"json": json, "form": form, "text": text}
        asked = {"url": url, "method": method, "path": path, "query": query, "headers": headers, **bodies}
        super().__init__(HttpTarget(context, **asked, results=results, idempotency=idempotency))  # type: ignore[arg-type]


async def _session(context: Context, url: str | None, stack: AsyncExitStack) -> Client:
    """Return the connection's session, or a new one for a bare *url*."""
    if url is None:
        return session(context)
    host = urlsplit(url).hostname or context.name
    exchange = context.exchange
    trust = None if exchange is not None and exchange.offline else tls_context(host, None, context.project)
    client = Client(Access(host, url, tls=trust, egress=Egress.of(context.egress), exchange=exchange))
    await client.open(stack)
    return client


def _readable(failure: ConnectorError | None, *, of_record: bool = False) -> None:
    """Raise what went wrong with a read. A refusal is a mistake in the pipeline, or *of_record* of that one."""
    if isinstance(failure, Rejected) and not of_record:
        raise Misconfigured(str(failure))
    if failure is not None:
        raise failure


def _over_record(path: Template | None, names: Names) -> bool:
    """Whether a lookup's path is written over the record it asks for."""
    return "record" in names and _needs_record(
        path, {name: value for name, value in names.items() if name not in ("record", "input", "meta")}
    )


def _needs_record(path: Template | None, names: Names) -> bool:
    """Whether a path is written over the record: then it cannot be rendered without one."""
    if path is None:
        return False
    try:
        path(names)
    except (RecordError, LookupError):
        return True
    return False


CONNECTOR = Connector("http", HttpSource, HttpTarget, HttpConnection, HttpCall, ("http",), replaceable=True)
