"""S1: whatever bytes come, the answer is a 2xx or a 4xx, and what was accepted reads back."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.bodies import parse
from engine.http.routes import Bound, Routes
from engine.http.webhooks import Ports, Webhooks
from engine.pipeline import WebhookPlan
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore
from tests.integration.webhook_rig import Rig, listening, loaded, write_project

WEBHOOK = (
    "{path: /sales, auth: none, event_id: {value: id},"
    " schema: {type: object, required: [id], properties: {n: {type: number, maximum: 10}}}}"
)
CORPUS: list[tuple[bytes, str]] = [
    (b"[" * 100_000, "application/json"),
    (b'{"a":' * 50_000, "application/json"),
    (b'{"id": 1, "n": 1e999}', "application/json"),
    (b'{"id": 1, "n": -1e99999999999999999999}', "application/json"),
    (b'{"id": NaN}', "application/json"),
    (b'{"id": ' + b"9" * 5000 + b"}", "application/json"),
    (b'{"id": ' + b"9" * 4000 + b"}", "application/json"),
    (b'{"id": "\\ud800"}', "application/json"),
    (b'{"id": "\\udc00\\ud800"}', "application/json"),
    (b'{"id": "\xed\xa0\x80"}', "application/json"),
    (b'{"id": 1, "id": 2}', "application/json"),
    (b'\xef\xbb\xbf{"id": 3}', "application/json"),
    ('{"id": 4}'.encode("utf-16"), "application/json"),
    ('{"id": 4}'.encode("utf-32"), "application/json; charset=utf-32"),
    (b'{"id": 5', "application/json"),
    (b'{"id": "a\x00b"}', "application/json"),
    (b'{"id": "a\\u0000b"}', "application/json"),
    (b"\x00" * 1000, "application/json"),
    (b'{"id": ""}', "application/json"),
    (b'{"id": true}', "application/json"),
    (b'{"id": {"a": 1}}', "application/json"),
    (b'{"id": "' + b"x" * 100_000 + b'"}', "application/json"),
    (b'{"id": 6, "__proto__": {"x": 1}, "$engine": "decimal", "value": "x"}', "application/json"),
    (b'{"id": 8, "x": "{{ 7 * 7 }}${HOME}"}', "application/json"),
    (b"id=%ff%fe", "application/x-www-form-urlencoded"),
    (b"&".join(b"a=1" for _ in range(5000)), "application/x-www-form-urlencoded"),
    (b"id=9&id=10", "application/x-www-form-urlencoded"),
    (b"=&=&&;=", "application/x-www-form-urlencoded"),
    (b"\xff", "text/plain"),
    (b"\x81\x8d", "text/plain; charset=windows-1252"),
    (b"\x00\xff", "text/plain; charset=iso-8859-1"),
    (gzip.compress(b"\0" * 10_000_000), "application/json"),
    (b"{}", "application/json; charset=rot13"),
    (b"{}", "application/json; charset="),
    (b"{}", ";;;"),
    (b"{}", "\xff\xfe"),
    (b"{}", "multipart/form-data; boundary=" + "x" * 500),
]


def routes_of(folder: Path, webhook: str = WEBHOOK) -> Routes:
    write_project(folder, webhook)
    routes, problems = loaded(folder)
    assert problems == []
    return routes


async def test_the_corpus(tmp_path: Path) -> None:
    """Over the wire into SQLite, with and without a schema: no 5xx, and every accepted body can be parsed again."""
    for number, webhook in enumerate((WEBHOOK, "{path: /sales, auth: none}")):
        folder = tmp_path / str(number)
        store = SqliteStore(folder / "engine.db", min_free=0, reserve=0)
        async with listening(routes_of(folder, webhook), store) as rig:
            statuses = [(await rig.send("/sales", body, {"Content-Type": kind})).status for body, kind in CORPUS]
            assert {status // 100 for status in statuses} == {2, 4}
            await _reads_back(rig)
            assert [told for told in rig.told if told.outcome == "failed"] == []


async def _reads_back(rig: Rig) -> None:
    for entry in await rig.entries():
        parse(entry.body["media"], entry.body["raw"])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["NaN", 1e308, -0.0, 10**400, "\ud800", "\x00"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8) | st.just("id"), inner, max_size=5),
    max_leaves=25,
)
TYPES = st.sampled_from(
    ["application/json", "application/x-www-form-urlencoded", "text/plain", "text/plain; charset=windows-1252", ""]
) | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


BODIES = st.binary(max_size=300) | JSON.map(_bytes) | st.text(max_size=100).map(lambda text: text.encode())
HEADERS = st.dictionaries(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12),
    st.text(max_size=40),
    max_size=6,
)


class _Wire:
    """As much of aiohttp's request as the webhooks read, without a socket in between."""

    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        from multidict import CIMultiDict

        self.headers = CIMultiDict(headers)
        self.raw_path, self.method = "/sales", "POST"
        self.content_length, self.transport, self.protocol = len(body), None, None
        self.version, self.keep_alive = (1, 1), True
        self.content = self
        self._body: bytes | None = body

    def at_eof(self) -> bool:
        return self._body is None

    def is_eof(self) -> bool:
        return True

    def read_nowait(self) -> bytes:
        body, self._body = self._body or b"", None
        return body


async def _answered(routes: Routes, wire: Any, told: list[Any]) -> tuple[int, list[Any]]:
    async with AsyncExitStack() as stack:
        store = MemoryStore()
        await store.open(stack, "test")
        answer: Any = await Webhooks(Ports(store, told.append), routes).handle(wire)
        rows, _ = await store.find("entries")
        return int(answer.status), [row.body for row in rows]


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODIES, TYPES)
def test_any_bytes_are_a_2xx_or_a_4xx(tmp_path: Path, body: bytes, kind: str) -> None:
    told: list[Any] = []
    wire = _Wire(body, {"Content-Type": kind})
    status, kept = asyncio.run(_answered(_shared(tmp_path), wire, told))
    assert status // 100 in (2, 4), told
    assert (status == 202) is bool(kept)
    for one in kept:
        parse(one["media"], one["raw"])


_routes: list[Routes] = []


def _shared(folder: Path) -> Routes:
    if not _routes:
        _routes.append(routes_of(folder))
    return _routes[0]


def _as_it_arrives(value: str) -> str:
    return value.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


SHUT = (
    {"hmac": {"preset": "stripe", "secret": "s"}},
    {"jwt": {"algorithms": ["HS256"], "key": "k" * 32}},
    {"basic": {"username": "u", "password": "p"}},
)


@settings(max_examples=500, deadline=None)
@given(HEADERS)
def test_any_headers_are_a_2xx_or_a_4xx(headers: dict[str, str]) -> None:
    """Also bytes that are no UTF-8, which arrive as surrogates; what is kept can be stored."""
    for auth, expected in ((SHUT, {401, 415}), (None, {202, 415})):
        plan = WebhookPlan("x", "/sales", frozenset(["POST"]), auth, params=lambda names: {})
        escaped = {name: _as_it_arrives(value) for name, value in headers.items()}
        wire = _Wire(b"{}", {"Content-Type": "application/json", **escaped})
        status, kept = asyncio.run(_answered(Routes([Bound("p", plan)]), wire, []))
        assert status in expected
        json.dumps(kept, ensure_ascii=False).encode()


async def test_a_large_body_keeps_nobody_waiting() -> None:
    """It is parsed and checked beside the loop, a small one in it."""
    where: list[int] = []

    def check(body: Any) -> list[Any]:
        where.append(threading.get_ident())
        return []

    plan = WebhookPlan("x", "/sales", frozenset(["POST"]), None, validate=check)
    async with listening(Routes([Bound("p", plan)]), MemoryStore()) as rig:
        assert (await rig.send("/sales", b"[" + b"1," * 100_000 + b"1]", {})).status == 202
        assert (await rig.send("/sales", b"[1]", {})).status == 202
    assert [one == threading.get_ident() for one in where] == [False, True]
