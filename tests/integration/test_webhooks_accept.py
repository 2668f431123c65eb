"""Calls over a real socket, through a real listener, into real stores: what is accepted is there, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.errors import StoreFailed, StoreFull
from engine.http.answers import Reply
from engine.http.listener import ListenSettings
from engine.http.routes import Bound, Routes
from engine.http.signatures import sign
from engine.store.base import NewEntry, Store
from engine.store.memory import MemoryStore
from tests.integration.webhook_rig import NOW, listening, loaded, stores, write_project

KEY = {"X-API-Key": "key-123"}
SALES = (
    '{path: /sales, auth: [{api_key: {value: "${K}"}}], event_id: {value: id},'
    " schema: {type: object, required: [id], properties: {amount: {type: number}}}}"
)


def routes_of(folder: Path, webhook: str = SALES, **more: Any) -> Routes:
    write_project(folder, webhook, **more)
    routes, problems = loaded(folder, {"K": "key-123", "ENGINE_SECRET_S": "s3cret", "ENGINE_SECRET_T": "t0ken"})
    assert problems == []
    return routes


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return stores(tmp_path)[request.param]


async def test_what_is_answered_202_is_in_the_store(tmp_path: Path, store: Store) -> None:
    async with listening(routes_of(tmp_path), store) as rig:
        answer = await rig.send("/sales", '{"id": 7, "amount": 1.50}', KEY)
        assert (answer.status, answer.json()) == (202, {"accepted": 1, "id": answer.json()["id"]})
        [entry] = await rig.entries()
        assert entry.id == answer.json()["id"]
        assert entry.lane == "sales/in/0"
        assert {**entry.body, "headers": {}} == {
            "trigger": "/sales",
            "path": "/sales",
            "method": "POST",
            "headers": {},
            "query": {},
            "client": None,
            "received": "2027-01-15T08:00:00.000+00:00",
            "event": "7",
            "media": "json",
            "raw": '{"id": 7, "amount": 1.50}',
        }
        assert "x-api-key" not in entry.body["headers"]
        assert entry.body["headers"]["content-type"] == "application/json"
        [told] = rig.told
        assert (told.outcome, told.status, told.pipelines, told.id) == ("accepted", 202, ("sales",), entry.id)
        assert "key-123" not in str(told)
        assert "1.50" not in str(told)


async def test_a_repeated_event_is_taken_once(tmp_path: Path, store: Store) -> None:
    async with listening(routes_of(tmp_path), store) as rig:
        first = await rig.send("/sales", '{"id": 7}', KEY)
        again = await rig.send("/sales", '{"id": 7, "amount": 3}', KEY)
        assert (again.status, again.json()) == (200, {"duplicate": True, "id": first.json()["id"]})
        assert len(await rig.entries()) == 1
        assert [told.outcome for told in rig.told] == ["accepted", "duplicate"]


@pytest.mark.parametrize("preset", ["standard_webhooks", "slack", "generic"])
async def test_replays(tmp_path: Path, store: Store, preset: str) -> None:
    """S13: a thousand times inside the window is once; outside of it 401; fifty at once are one."""
    options = {
        "standard_webhooks": "preset: standard_webhooks, secret: whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0",
        "slack": "preset: slack, secret: s3",
        "generic": 'header: X-Sig, secret: s3, signed: "{timestamp}.{body}", timestamp_header: X-At',
    }[preset]
    event = ", event_id: {value: event_id}" if preset == "generic" else ""
    routes = routes_of(tmp_path, f"{{path: /sales, auth: [{{hmac: {{{options}}}}}]{event}}}")
    [(_, _, route)] = [one for one in routes if one[1] == "POST"]
    signed = route.bounds[0].plan.auth
    assert signed is not None
    async with listening(routes, store) as rig:
        body = b'{"event_id": "e1"}'
        headers = _signed(signed[0]["hmac"], body, NOW)
        answers = await asyncio.gather(*(rig.send("/sales", body, headers) for _ in range(50)))
        assert sorted(answer.status for answer in answers) == [200] * 49 + [202]
        for _ in range(19):
            answers += await asyncio.gather(*(rig.send("/sales", body, headers) for _ in range(50)))
        assert [answer.status for answer in answers].count(202) == 1
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert len(await rig.entries()) == 1
        for age in (301, -301, 86400 * 8):
            rig.clock.now = NOW + age
            assert (await rig.send("/sales", body, headers)).status == 401
        for age in (300, -300):
            rig.clock.now = NOW + age
            assert (await rig.send("/sales", body, headers)).status == 200
        assert len(await rig.entries()) == 1


def _signed(options: Mapping[str, Any], body: bytes, now: float) -> dict[str, str]:
    from engine.http.call import Call

    return sign(options, Call("POST", "/sales", (), {}, body, None), int(now), "e1")


async def test_an_id_is_not_burnt_by_whoever_may_not_come_in(tmp_path: Path, store: Store) -> None:
    async with listening(routes_of(tmp_path), store) as rig:
        assert (await rig.send("/sales", '{"id": 7}', {"X-API-Key": "wrong"})).status == 401
        assert (await rig.send("/sales", '{"id": 7}', KEY)).status == 202


async def test_one_client_cannot_use_up_anothers_ids(tmp_path: Path, store: Store) -> None:
    clients = "clients: {one: {api_keys: [key-1]}, two: {api_keys: [key-2, key-3]}}\n"
    routes = routes_of(tmp_path, "{path: /sales, clients: [one, two], event_id: {value: id}}", settings=clients)
    async with listening(routes, store) as rig:
        assert (await rig.send("/sales", '{"id": 7}', {"X-API-Key": "key-1"})).status == 202
        assert (await rig.send("/sales", '{"id": 7}', {"X-API-Key": "key-2"})).status == 202
        assert (await rig.send("/sales", '{"id": 7}', {"X-API-Key": "key-3"})).status == 200
        assert [entry.body["client"] for entry in await rig.entries()] == ["one", "two"]
        assert [told.client for told in rig.told] == ["one", "two", "two"]


async def test_one_path_feeds_several_pipelines_at_once(tmp_path: Path, store: Store) -> None:
    """Each has its own entry, its own schema and its own ids; wrong for one is wrong for all."""
    text = "triggers:\n  - webhook: {{path: /sales, auth: none{}}}\ntarget: {{console: {{}}}}\n"
    pipelines = {
        "a": text.format(", event_id: {value: id}"),
        "b": text.format(", schema: {type: object}, event_id: {value: id}"),
    }
    async with listening(routes_of(tmp_path, pipelines=pipelines), store) as rig:
        first = await rig.send("/sales", '{"id": 1}', {})
        assert first.status == 202
        assert [len(await rig.entries(name)) for name in "ab"] == [1, 1]
        assert (await rig.send("/sales", '{"id": 1}', {})).json() == {"duplicate": True, "id": first.json()["id"]}
        assert (await rig.send("/sales", "[1]", {})).status == 422
        assert [len(await rig.entries(name)) for name in "ab"] == [1, 1]
        assert rig.told[0].pipelines == ("a", "b")


async def test_a_webhook_before_a_source_fires_a_run(tmp_path: Path, store: Store) -> None:
    text = (
        "params: {day: {type: string}, full: {type: boolean}}\n"
        "triggers:\n  - id: now\n    webhook: {path: /run, auth: none, event_id: {header: X-Id}}\n"
        '    params: {day: "{{ trigger.body.day }}", full: true}\n'
        "source: {inline: {rows: []}}\ntarget: {console: {}}\n"
    )
    async with listening(routes_of(tmp_path, pipelines={"sync": text}), store) as rig:
        assert (await rig.send("/run", '{"day": "2026-01-02", "n": 1.10}', {"X-Id": "a"})).status == 202
        assert (await rig.send("/run", '{"day": "2026-01-02"}', {"X-Id": "a"})).status == 200
        assert (await rig.send("/run", '{"day": "2026-01-02"}', {})).status == 422
        assert (await rig.send("/run", '{"other": 1}', {"X-Id": "b"})).status == 422, "a template that fails"
        [entry] = await rig.entries("sync")
        assert entry.lane == "sync/fire"
        assert {key: entry.body[key] for key in ("trigger", "type", "slot", "params")} == {
            "trigger": "now",
            "type": "webhook",
            "slot": None,
            "params": {"day": "2026-01-02", "full": True},
        }
        assert str(entry.body["body"]["n"]) == "1.10"


async def test_a_call_without_a_body_may_start_a_run(tmp_path: Path, store: Store) -> None:
    text = "triggers:\n  - webhook: {path: /run, auth: none}\nsource: {inline: {rows: []}}\ntarget: {console: {}}\n"
    async with listening(routes_of(tmp_path, pipelines={"sync": text}), store) as rig:
        assert (await rig.send("/run?day=1", b"", {})).status == 202
        [entry] = await rig.entries("sync")
        assert entry.body["body"] == {"day": "1"}
    assert [told.status for told in rig.told] == [202]


@pytest.mark.parametrize(
    ("kind", "body", "media", "raw"),
    [
        ("application/json; charset=utf-8", b'\xef\xbb\xbf{"a": 1}', "json", '{"a": 1}'),
        ("application/vnd.x+json", b"[1]", "json", "[1]"),
        ("application/x-www-form-urlencoded", b"a=1&b=%C3%A9", "form", "a=1&b=%C3%A9"),
        ("text/plain", "é".encode(), "text", "é"),
        ("text/csv; charset=ISO-8859-1", b"pre\xe7o;1", "text", "preço;1"),
        ('application/xml; charset="utf8"', b"<a/>", "text", "<a/>"),
    ],
)
async def test_bodies_are_kept_as_they_came(tmp_path: Path, kind: str, body: bytes, media: str, raw: str) -> None:
    async with listening(routes_of(tmp_path, "{path: /sales, auth: none}"), MemoryStore()) as rig:
        assert (await rig.send("/sales", body, {"Content-Type": kind})).status == 202
        [entry] = await rig.entries()
        assert (entry.body["media"], entry.body["raw"]) == (media, raw)


async def test_a_get_is_its_query_without_the_key(tmp_path: Path, store: Store) -> None:
    webhook = "{path: /sales, methods: [GET], auth: [{api_key: {query: key, value: k-1}}], event_id: {value: id}}"
    async with listening(routes_of(tmp_path, webhook), store) as rig:
        assert (await rig.send("/sales?id=7&key=k-1&x=%C3%A9", b"", {}, "GET")).status == 202
        assert (await rig.send("/sales?id=7&key=k-2", b"", {}, "GET")).status == 401
        assert (await rig.send("/sales?id=7&key=k-1&key=k-1", b"", {}, "GET")).status == 401, "said twice is not said"
        [entry] = await rig.entries()
        assert (entry.body["media"], entry.body["raw"]) == ("form", "id=7&x=%C3%A9")
        assert entry.body["query"] == {"id": "7", "x": "é"}
        assert "k-1" not in str(entry) + str(rig.told)


@pytest.mark.parametrize(
    ("body", "headers", "status", "outcome"),
    [
        (b"{", {}, 400, "unreadable"),
        (b"", {}, 400, "unreadable"),
        (b"\xff\xfe{\x00", {}, 400, "unreadable"),
        (b'{"id": NaN}', {}, 400, "unreadable"),
        (b'{"id": 1, "id": 2}', {}, 400, "unreadable"),
        (b"[" * 5000, {}, 400, "unreadable"),
        (b'{"a": 1}', {}, 422, "rejected"),
        (b'{"id": 1, "amount": "x"}', {}, 422, "rejected"),
        (b'{"id": null}', {}, 422, "rejected"),
        (b'{"id": [1]}', {}, 422, "rejected"),
        (b"x", {"Content-Type": "image/png"}, 415, "unsupported"),
        (b"x", {"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported"),
        (b"x", {"Content-Type": "text/plain; charset=utf-16"}, 415, "unsupported"),
        (b"x", {"Content-Encoding": "gzip"}, 415, "unsupported"),
        (b"x", {"Content-Encoding": "identity, br"}, 415, "unsupported"),
        (b"x" * (1 << 20) + b"x", {}, 413, "too_large"),
    ],
)
async def test_what_is_not_taken_is_told_why(
    tmp_path: Path, body: bytes, headers: dict[str, str], status: int, outcome: str
) -> None:
    async with listening(routes_of(tmp_path), MemoryStore()) as rig:
        answer = await rig.send("/sales", body, {**KEY, **headers})
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert [told.outcome for told in rig.told] == [outcome]
        assert rig.told[0].reason
        assert await rig.entries() == []


async def test_a_schemas_mistakes_are_told_with_their_places(tmp_path: Path) -> None:
    async with listening(routes_of(tmp_path), MemoryStore()) as rig:
        answer = await rig.send("/sales", '{"id": 1, "amount": "x"}', KEY)
        assert answer.json()["errors"] == [{"at": "amount", "message": '"x" is not of type "number"'}]


async def test_metas_question_is_answered_with_its_token_only(tmp_path: Path) -> None:
    webhook = (
        '{path: /meta, auth: [{hmac: {preset: meta, secret: "${secret:s}"}}],'
        ' challenge: {meta: {verify_token: "${secret:t}"}}}'
    )
    async with listening(routes_of(tmp_path, webhook), MemoryStore()) as rig:
        asked = "/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
        answer = await rig.send(asked + "t0ken", b"", {}, "GET")
        assert (answer.status, answer.body) == (200, b"1158201444")
        assert answer.headers["Content-Type"].startswith("text/plain")
        nobody = await rig.send("/nothing", b"", {}, "GET")
        for path in (asked + "other", asked, "/meta", "/meta?hub.mode=subscribe"):
            refused = await rig.send(path, b"", {}, "GET")
            assert (refused.status, refused.body) == (401, nobody.body)
        assert (await rig.send("/meta", b"{}", {})).status == 401
        assert [told.outcome for told in rig.told][:1] == ["challenge"]


async def test_slacks_question_is_answered_after_its_signature(tmp_path: Path) -> None:
    webhook = '{path: /slack, auth: [{hmac: {preset: slack, secret: "${secret:s}"}}]}'
    async with listening(routes_of(tmp_path, webhook), MemoryStore()) as rig:
        body = b'{"type": "url_verification", "challenge": "3eZbrw1a"}'
        headers = _signed({"preset": "slack", "secret": "s3cret"}, body, NOW)
        answer = await rig.send("/slack", body, headers)
        assert (answer.status, answer.json()) == (200, {"challenge": "3eZbrw1a"})
        assert (await rig.send("/slack", body, {})).status == 401
        assert await rig.entries() == []


async def test_a_result_is_the_answer(tmp_path: Path, store: Store) -> None:
    webhook = "{path: /price, auth: none, respond: {with: result, timeout: 50ms}}"
    asked: list[Mapping[str, Any]] = []

    async def reply(bound: Bound, body: Mapping[str, Any]) -> Reply:
        asked.append(body)
        if body["raw"] == '"slow"':
            await asyncio.Event().wait()
        return Reply(201, {"X-Price": "7\r\nX-Evil: 1"}, {"price": 7})

    async with listening(routes_of(tmp_path, webhook), store, reply=reply) as rig:
        answer = await rig.send("/price", '{"sku": "a"}', {})
        assert (answer.status, answer.json()) == (201, {"price": 7})
        assert "X-Evil" not in answer.headers
        assert asked[0]["raw"] == '{"sku": "a"}'
        late = await rig.send("/price", '"slow"', {})
        assert (late.status, late.json()["title"]) == (504, "Gateway Timeout")
        assert [told.outcome for told in rig.told] == ["replied", "late"]
        assert await rig.entries() == []


class Refusing(MemoryStore):
    error: Exception

    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        raise self.error


async def test_a_full_store_is_said_and_a_broken_one_ends_the_process(tmp_path: Path) -> None:
    store = Refusing()
    store.error = StoreFull("no space")
    async with listening(routes_of(tmp_path), store) as rig:
        answer = await rig.send("/sales", '{"id": 1}', KEY)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
        assert rig.broken == []
        store.error = StoreFailed("the disk failed")
        assert (await rig.send("/sales", '{"id": 1}', KEY)).status == 503
        assert rig.broken == [store.error]
        store.error = ValueError("an engine's own mistake key-123")
        answer = await rig.send("/sales", '{"id": 1}', KEY)
        assert (answer.status, answer.json()) == (
            500,
            {"type": "about:blank", "title": "Internal Server Error", "status": 500},
        )
        assert "ValueError at test_webhooks_accept.py" in rig.told[-1].reason
        assert "key-123" not in rig.told[-1].reason


async def test_routes_are_exchanged_between_two_calls(tmp_path: Path, store: Store) -> None:
    routes = routes_of(tmp_path / "a")
    async with listening(routes, store) as rig:
        assert (await rig.send("/sales", '{"id": 1}', KEY)).status == 202
        rig.listener.routes = routes_of(tmp_path / "b", "{path: /other, auth: none}")
        assert (await rig.send("/sales", '{"id": 2}', KEY)).status == 401
        assert (await rig.send("/other", '{"id": 2}', {})).status == 202


async def test_it_lives(tmp_path: Path) -> None:
    async with listening(Routes(), MemoryStore()) as rig:
        for path, method, status in (("/healthz", "GET", 200), ("/healthz", "POST", 401), ("/healthz/", "GET", 401)):
            assert (await rig.send(path, b"", {}, method)).status == status
        assert len(rig.told) == 2, "probes are not worth a line"


async def test_a_free_port_is_taken_and_told_and_a_taken_one_is_refused(tmp_path: Path) -> None:
    from engine.errors import Unavailable

    async with listening(Routes(), MemoryStore()) as rig:
        port = int(rig.url.rpartition(":")[2])
        assert port > 0
        with pytest.raises(Unavailable, match=f"cannot listen for webhooks on 127.0.0.1:{port}"):
            async with listening(Routes(), MemoryStore(), settings=ListenSettings(port=port)):
                pass


async def test_closing_answers_what_has_come_and_refuses_what_comes(tmp_path: Path) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStore):
        async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
            began.set()
            await go.wait()
            return await super().append(entries)

    async with listening(routes_of(tmp_path), Slow()) as rig:
        url = rig.url
        call = asyncio.create_task(rig.send("/sales", '{"id": 1}', KEY))
        await began.wait()
        closing = asyncio.create_task(rig.listener.close())
        await asyncio.sleep(0)
        with pytest.raises(aiohttp.ClientConnectionError):
            await rig.client.post(url + "/sales", data=b"{}")
        go.set()
        answer = await call
        assert (answer.status, answer.headers["Connection"]) == (202, "close")
        await closing


class Watched(MemoryStore):
    """Notes what is written, which takes a while."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: set[str] = set()

    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        for _ in range(3):
            await asyncio.sleep(0)
        given = await super().append(entries)
        self.stored |= {identity for identity, _ in given}
        return given


class Hasty(Watched):
    """The control: answers first and never writes."""

    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        return [("0000000000000001", True)]


@pytest.mark.parametrize("kind", [Watched, Hasty])
async def test_no_answer_before_it_is_stored(tmp_path: Path, kind: type[Watched]) -> None:
    """R3 at the listener: whoever holds a 2xx finds its entry written; a store that answers first is caught."""
    store = kind()
    async with listening(routes_of(tmp_path), store) as rig:

        async def one(number: int) -> bool:
            answer = await rig.send("/sales", f'{{"id": {number}}}', KEY)
            assert answer.status == 202
            return answer.json()["id"] in store.stored

        found = await asyncio.gather(*(one(number) for number in range(30)))
    assert all(found) is (kind is Watched)
