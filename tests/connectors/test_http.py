"""The http connector against a real server."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from connectors.http import CONNECTOR, HttpConnection, HttpSource, HttpTarget
from engine.connector import Context
from engine.errors import ConnectorError, Disconnected, Misconfigured, RecordError, Rejected, Transient, Uncertain
from tests.connectors.contract import (
    ConnectionCase,
    ConnectionContract,
    SchemaContract,
    SourceCase,
    SourceContract,
    TargetCase,
    TargetContract,
)
from tests.connectors.http_peer import Call, Peer, connect, fixed, head, load, ok, raw, serving
from tests.connectors.http_peer import expression as x

SECRET = "sesame-street"


class TestSchema(SchemaContract):
    connector = CONNECTOR


class TestSourceContract(SourceContract):
    @pytest.fixture
    async def case(self) -> AsyncIterator[SourceCase]:
        pages = {"1": [{"id": 1}, {"id": 2}], "2": [{"id": 3}], "3": []}
        async with serving(lambda call: ok(pages[call.query["p"]])) as peer:

            async def make(stack: AsyncExitStack) -> HttpSource:
                connection = await connect(stack, peer.url, auth={"bearer": SECRET})
                return HttpSource(Context("p", connection=connection), paginate={"page": {"param": "p"}})

            async def broken(stack: AsyncExitStack) -> HttpSource:
                connection = await connect(stack, "http://127.0.0.1:1", auth={"bearer": SECRET})
                return HttpSource(Context("p", connection=connection))

            records = [{"id": 1}, {"id": 2}, {"id": 3}]
            yield SourceCase(make, records, checkpoints=False, broken=broken, secrets=[SECRET])


class TestTargetContract(TargetContract):
    @pytest.fixture
    async def case(self) -> AsyncIterator[TargetCase]:
        def answer(call: Call) -> web.Response:
            return ok({"why": call.headers["authorization"]}, 422 if call.json.get("bad") else 200)

        async with serving(answer) as peer:

            async def make(stack: AsyncExitStack) -> HttpTarget:
                return HttpTarget(Context("p", connection=await connect(stack, peer.url, auth={"bearer": SECRET})))

            async def broken(stack: AsyncExitStack) -> HttpTarget:
                connection = await connect(stack, peer.url + "/{x}", auth={"api_key": {"query": "k", "value": SECRET}})
                peer.answer = lambda call: ok(status=401)
                return HttpTarget(Context("p", connection=connection))

            async def arrived() -> list[Any]:
                return [call.json for call in peer.calls]

            yield TargetCase(
                make, load({"id": 1}), arrived, [{"id": 1}], load({"id": 2, "bad": True}), broken, [SECRET]
            )


class TestConnectionContract(ConnectionContract):
    @pytest.fixture
    async def case(self) -> AsyncIterator[ConnectionCase]:
        async with serving(
            lambda call: ok({"you": "sent " + str(call.headers)}, 500 if call.path == "/no" else 200)
        ) as peer:

            async def make(stack: AsyncExitStack) -> HttpConnection:
                return HttpConnection(Context("hub"), base_url=peer.url, auth={"bearer": SECRET})

            async def broken(stack: AsyncExitStack) -> HttpConnection:
                return HttpConnection(
                    Context("hub"), base_url=peer.url, auth={"bearer": SECRET}, verify={"path": "/no"}
                )

            yield ConnectionCase(make, broken, [SECRET], "hub answered 200 to GET /")


# ---- reading


async def read(peer: Peer | str, *, context: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    url = peer if isinstance(peer, str) else peer.url
    async with AsyncExitStack() as stack:
        connection = await connect(stack, url, **options.pop("connection", {}))
        source = HttpSource(Context("p", connection=connection, **(context or {})), **options)
        await source.open(stack)
        return [record async for batch in source.read(None) for record in batch.records]


async def fails(peer: Peer | str, **options: Any) -> ConnectorError | RecordError:
    with pytest.raises((ConnectorError, RecordError)) as caught:
        await read(peer, **options)
    return caught.value


PAGES = {"a": ([{"id": 1}, {"id": 2}], "b"), "b": ([{"id": 3}], "c"), "c": ([{"id": 4}], None)}
ALL = [{"id": number} for number in (1, 2, 3, 4)]


def _paged(call: Call) -> web.Response:
    """One API that can do every kind of paging."""
    query = call.query
    if "page" in query:
        rows = {"1": PAGES["a"][0], "2": PAGES["b"][0], "3": PAGES["c"][0]}.get(query["page"], [])
        return ok({"rows": rows})
    if "skip" in query:
        skip = int(query["skip"])
        return ok({"rows": ALL[skip : skip + 2]})
    rows, following = PAGES[query.get("after", "a")]
    link = f'</list?after={following}>; rel="next"' if following else '</list>; rel="first"'
    return ok(
        {"rows": rows, "next": following, "url": following and f"?after={following}", "more": bool(following)},
        Link=link,
    )


@pytest.mark.parametrize(
    ("paginate", "requests"),
    [
        ({"page": {"param": "page"}}, 4),
        ({"offset": {"param": "skip", "size": 2, "size_param": "n"}}, 3),
        ({"cursor": {"param": "after", "from": x("next")}}, 3),
        ({"cursor": {"param": "after", "from": x("next"), "has_next": x("more")}}, 3),
        ({"link": True}, 3),
        ({"next_url": x("url")}, 3),
    ],
)
async def test_every_kind_of_paging_reads_all(paginate: dict[str, Any], requests: int) -> None:
    """All pages, once, one request each."""
    async with serving(_paged) as peer:
        assert await read(peer, path=fixed("/list"), records=x("rows"), paginate=paginate) == ALL
    assert len(peer.calls) == requests
    assert {call.path for call in peer.calls} == {"/list"}


async def test_a_system_that_ignores_the_page_is_found_out() -> None:
    """The same page twice fails, it is not read for ever."""
    async with serving(lambda call: ok([{"id": 1}])) as peer:
        error = await fails(peer, paginate={"page": {"param": "page"}})
    assert isinstance(error, Misconfigured)
    assert len(peer.calls) == 2


async def test_the_next_page_may_not_lead_inside() -> None:
    """An address out of an answer is under the egress rules."""
    async with serving(lambda call: ok({"rows": [1], "url": "http://127.0.0.1:1/"})) as peer:
        error = await fails(peer, records=x("rows"), paginate={"next_url": x("url")})
    assert isinstance(error, Misconfigured)
    assert "egress.allow" in str(error)


async def test_a_limit_stops_asking() -> None:
    """With enough records no further page is asked for."""
    async with serving(_paged) as peer:
        options = {"records": x("rows"), "paginate": {"link": True}, "context": {"limit": 2}}
        assert await read(peer, **options) == ALL[:2]
    assert len(peer.calls) == 1


async def test_max_pages_is_said() -> None:
    """The run's log tells that there was more."""
    notes: list[str] = []
    context = {"note": lambda level, code, message: notes.append(code)}
    async with serving(_paged) as peer:
        paginate = {"link": True, "max_pages": 2}
        assert await read(peer, records=x("rows"), paginate=paginate, context=context) == ALL[:3]
    assert notes == ["max-pages"]


async def test_the_cursor_goes_into_the_request() -> None:
    """Templates see it, in query, headers and body."""
    names = {"cursor": {"at": "2026-01-02"}, "params": {"plant": "a/b"}}
    async with serving(lambda call: ok([])) as peer:
        await read(
            peer,
            context={"names": names},
            method="POST",
            path=lambda names: f"/p/{quote(names['params']['plant'], safe='')}",
            query=lambda names: {"since": names["cursor"]["at"], "none": None},
            headers=lambda names: {"X-Since": names["cursor"]["at"]},
            json=lambda names: {"since": names["cursor"]["at"]},
        )
    call = peer.calls[0]
    assert (call.method, call.path, call.query) == ("POST", "/p/a%2Fb", {"since": "2026-01-02"})
    assert call.headers["x-since"] == "2026-01-02"
    assert call.json == {"since": "2026-01-02"}
    assert call.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "records", "expected"),
    [
        ([1, 2], None, [1, 2]),
        ({"a": 1}, None, [{"a": 1}]),
        ({"data": {"items": [3]}}, "data.items", [3]),
        ({"data": {}}, "data.items || `[]`", []),
        ([], None, []),
    ],
)
async def test_where_records_are(body: Any, records: str | None, expected: list[Any]) -> None:
    """A list, one object, a path."""
    async with serving(lambda call: ok(body)) as peer:
        assert await read(peer, records=x(records) if records else None) == expected


@pytest.mark.parametrize(("body", "records"), [({"data": {}}, "data.items"), ({"data": 5}, "data"), ("x", None)])
async def test_no_records_where_they_should_be_is_a_mistake(body: Any, records: str | None) -> None:
    """A misspelt path must not look like an empty system."""
    async with serving(lambda call: ok(body)) as peer:
        assert isinstance(await fails(peer, records=x(records) if records else None), Misconfigured)


async def test_no_content_is_no_records() -> None:
    """204 is an empty answer."""
    async with serving(lambda call: web.Response(status=204)) as peer:
        assert await read(peer, records=x("data")) == []


async def test_numbers_exact() -> None:
    """Digits survive when asked for."""
    text = '[{"a": 0.10, "b": 12345678901234567890123}]'
    async with serving(lambda call: web.Response(text=text)) as peer:
        exact = (await read(peer, numbers="exact"))[0]
        assert (str(exact["a"]), exact["b"]) == ("0.10", 12345678901234567890123)
        assert isinstance((await read(peer))[0]["a"], float)


@pytest.mark.parametrize(
    ("status", "kind"),
    [*((status, Misconfigured) for status in (302, 400, 401, 404, 422, 501)), (429, Transient), (500, Transient)],
)
async def test_what_a_status_means_for_reading(status: int, kind: type) -> None:
    """A refused question is a mistake in the pipeline; whole or streamed."""
    async with serving(lambda call: ok({"error": "why"}, status, Retry_After="7")) as peer:
        for format in ("json", "jsonl"):
            error = await fails(peer, format=format)
            assert type(error) is kind
            assert f"answered {status} to GET /" in str(error)
            if kind is not Misconfigured:
                assert error.retry_after == 7.0  # type: ignore[union-attr]
                assert "why" in str(error)


async def test_html_instead_of_json_is_shown() -> None:
    """A login page says what it is."""
    async with serving(lambda call: web.Response(text="<html>please log in")) as peer:
        error = await fails(peer)
    assert isinstance(error, Misconfigured)
    assert "<html>please log in" in str(error)


async def test_each_page_is_asked_for_within_call() -> None:
    """What may be repeated is repeated by the engine, page by page."""
    answers = iter([ok(status=503), ok([1]), ok(status=503), ok([2]), ok([])])
    tries: list[str] = []

    async def call(ask: Any) -> Any:
        while True:
            try:
                return await ask()
            except Transient:
                tries.append("again")

    async with serving(lambda call: next(answers)) as peer:
        assert await read(peer, paginate={"page": {"param": "p"}}, context={"call": call}) == [1, 2]
    assert tries == ["again", "again"]
    assert [call.query["p"] for call in peer.calls] == ["1", "1", "2", "2", "3"]


async def test_pages_of_lines() -> None:
    """Paging and lines together; what needs a whole document is refused."""
    lines = {"1": '{"id":1}\n{"id":2}\n', "2": '{"id":3}', "3": ""}
    async with serving(lambda call: web.Response(text=lines[call.query["p"]])) as peer:
        assert await read(peer, format="jsonl", paginate={"page": {"param": "p"}}) == ALL[:3]
    for options in ({"records": x("a")}, {"paginate": {"next_url": x("a")}}):
        with pytest.raises(Misconfigured, match="jsonl"):
            HttpSource(Context("p"), format="jsonl", **options)  # type: ignore[arg-type]


async def test_an_address_from_an_answer_is_made_valid() -> None:
    """Letters beyond ASCII and spaces in the next address are encoded."""
    pages = {"/list": {"rows": [1], "url": "/ação list?q=á b"}, "/a%C3%A7%C3%A3o%20list": {"rows": [2]}}
    async with serving(lambda call: ok(pages[call.path])) as peer:
        paginate = {"next_url": x("url")}
        assert await read(peer, path=fixed("/list"), records=x("rows"), paginate=paginate) == [1, 2]
    assert peer.calls[1].query == {"q": "á b"}


async def test_lines_stream() -> None:
    """JSON Lines in any cut, blank lines, no line end at the end, packed."""
    rows = [{"n": number, "text": "á\\n" * (number % 7)} for number in range(1000)]
    text = "\n".join(json.dumps(row, ensure_ascii=False) + ("\n\r" if row["n"] % 50 == 0 else "") for row in rows)
    body = gzip.compress(text.encode())

    async def answer(call: Call) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    async with serving(answer) as peer:
        assert await read(peer, format="jsonl") == rows


async def test_a_large_stream_needs_little_memory() -> None:
    """60 MB of lines pass through a few MB."""
    line = json.dumps({"id": 1, "text": "x" * 1000}).encode() + b"\n"

    async def many(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(600):
            writer.write(line * 100)
            await writer.drain()

    async with raw(many) as url, AsyncExitStack() as stack:
        source = HttpSource(Context("p", connection=await connect(stack, url)), format="jsonl")
        await source.open(stack)
        tracemalloc.start()
        try:
            count = 0
            async for batch in source.read(None):
                count += len(batch.records)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == 60_000
    assert peak < 8_000_000, peak


async def test_a_line_without_end_is_refused() -> None:
    """The cap holds for one line."""
    options = {"format": "jsonl", "connection": {"max_response": 100_000}}
    async with serving(lambda call: web.Response(body=b"x" * 2_000_000)) as peer:
        error = await fails(peer, **options)
        assert isinstance(error, Misconfigured)
        assert "line" in str(error)


async def test_a_stream_that_is_cut_fails() -> None:
    """What came before is given, and the end is not mistaken for the end."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b'{"a":1}\n' * 5)
        await writer.drain()

    async with raw(cut) as url:
        assert type(await fails(url, format="jsonl")) is Disconnected


async def test_a_stream_that_falls_silent_fails() -> None:
    """Each piece must come within the timeout."""
    stay = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"a":1}\n')
        await stay.wait()

    async with raw(silent) as url:
        assert type(await fails(url, format="jsonl", context={"timeout": 0.1})) is Disconnected
        stay.set()


async def test_a_bad_line_says_which() -> None:
    """The line's number, not a guess."""
    async with serving(lambda call: web.Response(text='{"a":1}\n{"a":\n')) as peer:
        assert "line 2 is not JSON" in str(await fails(peer, format="jsonl"))


async def test_a_bare_address_needs_no_connection() -> None:
    """``url`` in place of a connection."""
    async with serving(lambda call: ok([1])) as peer, AsyncExitStack() as stack:
        source = HttpSource(Context("p"), url=peer.url + "/v1", path=fixed("/rates"))
        await source.open(stack)
        assert [batch.records async for batch in source.read(None)] == [[1]]
    assert peer.calls[0].path == "/v1/rates"


async def test_without_connection_and_address_it_says_so() -> None:
    """Neither was given."""
    async with AsyncExitStack() as stack:
        with pytest.raises(Misconfigured, match="connection"):
            await HttpSource(Context("p")).open(stack)


# ---- sending


async def target(
    stack: AsyncExitStack, peer: Peer | str, context: dict[str, Any] | None = None, **options: Any
) -> HttpTarget:
    url = peer if isinstance(peer, str) else peer.url
    made = HttpTarget(Context("p", connection=await connect(stack, url), **(context or {})), **options)
    await made.open(stack)
    return made


async def test_one_request_a_record() -> None:
    """The record itself is the body; decimals keep their digits."""
    async with serving(lambda call: ok()) as peer, AsyncExitStack() as stack:
        made = await target(stack, peer, path=fixed("/orders"))
        await made.write(load({"id": 1, "sum": Decimal("1.50")}, {"id": 2}))
    assert [call.body for call in peer.calls] == [b'{"id":1,"sum":1.50}', b'{"id":2}']
    assert {(call.method, call.path) for call in peer.calls} == {("POST", "/orders")}


async def test_one_request_a_batch() -> None:
    """With batch: all records, and templates see ``records``."""
    async with serving(lambda call: ok()) as peer, AsyncExitStack() as stack:
        made = await target(stack, peer, {"batched": True})
        assert not (await made.write(load({"id": 1}, {"id": 2}))).rejected
        shaped = await target(stack, peer, {"batched": True}, json=lambda names: {"rows": names["records"]})
        await shaped.write(load({"id": 3}))
    assert [call.json for call in peer.calls] == [[{"id": 1}, {"id": 2}], {"rows": [{"id": 3}]}]


async def test_form_and_text_bodies() -> None:
    """Each with its content type, which the author may change."""
    async with serving(lambda call: ok()) as peer, AsyncExitStack() as stack:
        form = await target(stack, peer, form=lambda names: {"a": names["record"]["a"], "b": None, "c": [1, 2]})
        await form.write(load({"a": "ç&"}))
        own = {"content-type": "text/xml"}
        text = await target(stack, peer, text=lambda names: f"<a>{names['record']['a']}</a>", headers=fixed(own))
        await text.write(load({"a": "ç"}))
    assert (peer.calls[0].body, peer.calls[0].headers["content-type"]) == (
        b"a=%C3%A7%26&c=1&c=2",
        "application/x-www-form-urlencoded",
    )
    assert (peer.calls[1].body.decode(), peer.calls[1].headers["content-type"]) == ("<a>ç</a>", "text/xml")


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
async def test_no_body_where_none_belongs(method: str) -> None:
    """GET and DELETE send nothing unless it is written."""
    async with serving(lambda call: ok()) as peer, AsyncExitStack() as stack:
        made = await target(stack, peer, method=method, path=lambda names: f"/c/{names['record']['id']}")
        await made.write(load({"id": 7}))
    assert (peer.calls[0].method, peer.calls[0].path, peer.calls[0].body) == (method, "/c/7", b"")


@pytest.mark.parametrize("value", ["a/b", "../x", "..", "a?admin=1", "a#b", "a\\b", "a\r\nHost: x"])
async def test_a_record_cannot_lead_to_another_place(value: str) -> None:
    """With or without encoding by the engine, a value adds no part to the path."""
    async with serving(lambda call: ok()) as peer, AsyncExitStack() as stack:
        bare = await target(stack, peer, path=lambda names: f"/c/{names['record']['id']}/x")
        encoded = await target(stack, peer, path=lambda names: f"/c/{quote(names['record']['id'], safe='')}/x")
        refused = await bare.write(load({"id": value}))
        assert refused.rejected[0]
        assert peer.calls == []
        receipt = await encoded.write(load({"id": value}))
        if not receipt.rejected:
            assert [call.path for call in peer.calls] == [f"/c/{quote(value, safe='')}/x"]
        ordinary = await bare.write(load({"id": "São 1:2@x"}))
        assert not ordinary.rejected
        assert peer.calls[-1].path == "/c/S%C3%A3o%201:2@x/x"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, None) for status in (200, 201, 202, 204)),
        *((status, Rejected) for status in (400, 409, 412, 413, 415, 422, 418)),
        *((status, Misconfigured) for status in (401, 403, 405, 407, 301, 302, 303, 307, 308, 404, 410, 501, 505)),
        *((status, Transient) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
async def test_every_answer_means_what_the_language_says(status: int, kind: type | None) -> None:
    """The table, for a batch; a record alone has its refusal in the receipt."""
    headers = {"Location": "http://elsewhere.example/", "Retry_After": "3"}
    async with serving(lambda call: ok({"why": "no"} if status != 204 else None, status, **headers)) as peer:
        async with AsyncExitStack() as stack:
            batch = await target(stack, peer, {"batched": True})
            single = await target(stack, peer, path=fixed("/x"))
            if kind is None:
                assert await batch.write(load({"a": 1}, {"a": 2})) == await single.write(load({"a": 1}))
                return
            with pytest.raises(ConnectorError) as caught:
                await batch.write(load({"a": 1}, {"a": 2}))
            assert type(caught.value) is kind
            if kind is Transient:
                assert caught.value.retry_after == 3.0  # type: ignore[attr-defined]
            if kind is Rejected:
                assert "why" in (await single.write(load({"a": 1}))).rejected[0]
            else:
                with pytest.raises(kind):
                    await single.write(load({"a": 1}))
        assert len(peer.calls) == 2, "nothing is sent twice"


@pytest.mark.parametrize("status", [404, 410])
async def test_a_path_over_the_record_makes_not_found_its_own(status: int) -> None:
    """404 and 410 refuse the record, where the path is written over it."""
    async with serving(lambda call: ok(status=status)) as peer, AsyncExitStack() as stack:
        over = await target(stack, peer, path=lambda names: f"/c/{names['record']['id']}")
        assert (await over.write(load({"id": 1}))).rejected
        with pytest.raises(Misconfigured):
            await (await target(stack, peer, path=fixed("/c"))).write(load({"id": 1}))


async def test_a_lost_answer_is_uncertain() -> None:
    """Cut in the middle, and the engine decides what follows."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
        await writer.drain()

    async with raw(cut) as url, AsyncExitStack() as stack:
        made = await target(stack, url, {"batched": True})
        with pytest.raises(Uncertain):
            await made.write(load({"a": 1}))


async def test_results_tell_record_by_record() -> None:
    """The rule of the language, over a real answer."""
    rows = [{"id": 2, "ok": False, "msg": "closed"}, {"id": 1, "ok": True}, {"id": 9, "ok": True}]
    rule = {"at": x("rows"), "failed": x("!ok"), "match": x("id"), "reason": x("msg")}
    async with serving(lambda call: ok({"rows": rows})) as peer, AsyncExitStack() as stack:
        made = await target(stack, peer, {"batched": True, "keyed": True}, results=rule)
        receipt = await made.write(load({"id": 1}, {"id": 2}, {"id": 3}, key="id"))
        assert receipt.rejected == {1: "closed"}
        assert set(receipt.uncertain) == {2}
        assert "9" in receipt.warnings[0]
        peer.answer = lambda call: web.Response(text="fine")
        with pytest.raises(Uncertain, match="not with JSON"):
            await made.write(load({"id": 1}, key="id"))


async def test_a_record_that_cannot_be_written_does_not_stop_the_others() -> None:
    """NaN in one of three: it is refused, the two go out."""
    async with serving(lambda call: ok()) as peer, AsyncExitStack() as stack:
        made = await target(stack, peer, {"batched": True})
        receipt = await made.write(load({"n": 1}, {"n": float("nan")}, {"n": 3}))
        assert list(receipt.rejected) == [1]
        assert "nan is not a JSON number" in receipt.rejected[1]
        single = await target(stack, peer)
        assert list((await single.write(load({"n": float("inf")}))).rejected) == [0]
    assert [call.json for call in peer.calls] == [[{"n": 1}, {"n": 3}]]


async def test_several_single_records_stop_at_the_first_trouble() -> None:
    """What was taken stays taken; the rest is to be tried again, in order."""
    answers = iter([ok(), ok(status=422), ok(status=503, Retry_After="9")])
    async with serving(lambda call: next(answers)) as peer, AsyncExitStack() as stack:
        receipt = await (await target(stack, peer)).write(load(*({"n": n} for n in range(5))))
    assert list(receipt.rejected) == [1]
    assert list(receipt.retry) == [2, 3, 4]
    assert receipt.retry_after == 9.0
    assert len(peer.calls) == 3


async def test_a_repeat_is_marked() -> None:
    """The same key gives the same mark, in every process; another pipeline, target or key another."""
    async with serving(lambda call: ok()) as peer, AsyncExitStack() as stack:
        mark = {"header": "Idempotency-Key"}
        for context in (
            {"pipeline": "a", "target": "t"},
            {"pipeline": "a", "target": "u"},
            {"pipeline": "b", "target": "t"},
        ):
            made = await target(stack, peer, {"keyed": True, **context}, idempotency=mark)
            await made.write(load({"id": 1}, {"id": 2}, key="id"))
            await made.write(load({"id": 1}, key="id"))
    marks = [call.headers["idempotency-key"] for call in peer.calls]
    assert marks[0] == marks[2] == sha256(b"a\0t\x001").hexdigest()
    assert len(set(marks)) == 6


@pytest.mark.parametrize("context", [{"keyed": True, "batched": True}, {"keyed": False}])
def test_a_mark_needs_a_key_and_single_records(context: dict[str, Any]) -> None:
    """Said when the target is made."""
    with pytest.raises(Misconfigured, match="key"):
        HttpTarget(Context("p", **context), idempotency={"header": "K"})


def test_only_one_body() -> None:
    """json and form at once say nothing clear."""
    with pytest.raises(Misconfigured, match="one of"):
        HttpTarget(Context("p"), json=fixed(1), form=fixed({}))


# ---- the connection


async def test_check_asks_what_verify_says() -> None:
    """Method, path, body and the condition over status, headers and body."""
    verify = {
        "method": "POST",
        "path": "/graphql",
        "json": {"query": "{ health }"},
        "expect": x("status == `200` && body.ok && headers.\"content-type\" != 'x'"),
    }
    async with serving(lambda call: ok({"ok": call.json["query"] == "{ health }"})) as peer, AsyncExitStack() as stack:
        connection = await connect(stack, peer.url, verify=verify)
        assert (await connection.check()).startswith("hub answered 200 to POST /graphql in ")
        peer.answer = lambda call: ok({"ok": False})
        with pytest.raises(Misconfigured, match=r"verify\.expect does not hold"):
            await connection.check()
        peer.answer = lambda call: ok(status=503)
        with pytest.raises(Transient):
            await connection.check()
        peer.answer = lambda call: web.Response(text="hello")
        with pytest.raises(Misconfigured, match=r"gave None, .* write !\(a\.b\)"):
            await connection.check()


async def test_check_without_verify() -> None:
    """Any answer at the root will do, but refused credentials will not."""
    async with serving(lambda call: ok(status=404)) as peer, AsyncExitStack() as stack:
        connection = await connect(stack, peer.url)
        assert "404" in await connection.check()
        peer.answer = lambda call: ok(status=401)
        with pytest.raises(Misconfigured):
            await connection.check()


async def test_unchecked_tls_is_loud() -> None:
    """Every run that uses it says so, and the check does."""
    notes: list[str] = []
    async with AsyncExitStack() as stack:
        connection = await connect(stack, "https://localhost:1", tls={"verify": False})
        source = HttpSource(
            Context("p", connection=connection, note=lambda level, code, message: notes.append(f"{level} {code}"))
        )
        await source.open(stack)
    assert notes == ["warning tls-not-verified"]
