"""What the http source reads, from a real server."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from connectors.http import HttpSource
from engine.connector import Context
from engine.errors import ConnectorError, Disconnected, Misconfigured, RecordError, Transient
from tests.connectors.http_peer import Call, Peer, connect, fixed, head, ok, raw, serving
from tests.connectors.http_peer import expression as x


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
