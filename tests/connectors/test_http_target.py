"""What the http target sends, and what it makes of the answers of a real server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from connectors.http import HttpTarget
from engine.connector import Context
from engine.errors import ConnectorError, Misconfigured, Rejected, Transient, Uncertain
from tests.connectors.http_peer import Peer, connect, fixed, head, load, ok, raw, serving
from tests.connectors.http_peer import expression as x


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
