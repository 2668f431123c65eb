"""Key sets from an address: fetched over TLS, kept through an outage, and never fetched as often as callers like."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import AsyncExitStack
from typing import Any

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from engine.errors import ConnectorError, Misconfigured
from engine.events import Noted
from engine.http.call import Call
from engine.http.tokens import token_check
from engine.net.egress import Egress
from engine.service.keys import DOUBT, LONGEST, SHORTEST, SILENT, Keys, fetcher, fresh_for

NOW = 1_800_000_000
OLD = rsa.generate_private_key(65537, 2048)
NEW = rsa.generate_private_key(65537, 2048)


def public(name: str, key: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    return {**found, "kid": name, "use": "sig"}


def token(name: str | None, key: Any) -> str:
    headers = None if name is None else {"kid": name}
    return jwt.encode({"exp": NOW + 60}, key, algorithm="RS256", headers=headers)


class Provider:
    """An identity provider on this machine, over TLS."""

    def __init__(self) -> None:
        self.authority = trustme.CA()
        self.document: Any = {"keys": [public("old", OLD)]}
        self.status, self.headers, self.body = 200, "", b""
        self.asked: list[str] = []

    async def open(self, stack: AsyncExitStack) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost").configure_cert(context)
        self.server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=context)
        stack.push_async_callback(self.close)
        self.url = f"https://localhost:{self.server.sockets[0].getsockname()[1]}/keys"

    async def close(self) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head.split("\r\n")[0])
            body = self.body or json.dumps(self.document).encode()
            lines = (
                f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{self.headers}\r\n"
            )
            writer.write(lines.encode() + body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @property
    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


class Desk:
    """Keys with a clock that stands, over a real server."""

    def __init__(self, provider: Provider, trust: ssl.SSLContext | None = None) -> None:
        self.provider, self.now, self.told = provider, 0.0, list[Noted]()
        fetch = fetcher(Egress, trust or provider.trust)
        self.keys = Keys(self.told.append, fetch, ticks=lambda: self.now)  # type: ignore[arg-type]
        self.check = token_check({"algorithms": ["RS256"], "jwks": provider.url}, self.keys.sets)

    def why(self, name: str | None = "old", key: Any = OLD) -> str:
        headers = {"authorization": (f"Bearer {token(name, key)}",)}
        return self.check(Call("POST", "/", (), headers, b"", None), NOW)

    async def look(self, after: float = 0.0) -> float | None:
        self.now += after
        return await self.keys.look()


@pytest.fixture
async def provider():
    async with AsyncExitStack() as stack:
        one = Provider()
        await one.open(stack)
        yield one


@pytest.fixture
def desk(provider: Provider) -> Desk:
    return Desk(provider)


UNKNOWN = "the token is not signed with a key that is known here"


async def test_until_it_is_fetched_nobody_comes_in_and_then_those_with_its_keys(desk: Desk) -> None:
    assert desk.why() == "the key set is not fetched yet, so no token can be judged"
    assert await desk.look() == SILENT
    assert desk.why() == ""
    assert desk.why(None) == ""
    assert desk.why("old", NEW) == UNKNOWN
    assert desk.told == []


async def test_a_new_key_is_known_a_moment_after_its_first_token(desk: Desk) -> None:
    await desk.look()
    desk.provider.document = {"keys": [public("old", OLD), public("new", NEW)]}
    assert desk.why("new", NEW) == UNKNOWN
    await desk.look(after=DOUBT)
    assert desk.why("new", NEW) == desk.why() == ""
    desk.provider.document = {"keys": [public("new", NEW)]}
    await desk.look(after=SILENT)
    assert desk.why() == UNKNOWN, "a key that was taken out is refused"


async def test_a_flood_of_unknown_keys_fetches_once_a_minute(desk: Desk) -> None:
    await desk.look()
    for second in range(121):
        for number in range(20):
            assert desk.why(f"made-up-{number}", NEW) == UNKNOWN
        if second:
            await desk.look(after=1)
    assert len(desk.provider.asked) == 3
    assert desk.why() == ""


async def test_in_an_outage_the_last_set_stays_and_is_told_once(desk: Desk) -> None:
    await desk.look()
    desk.provider.status = 503
    for _ in range(20):
        await desk.look(after=SILENT)
        assert desk.why() == ""
    (told,) = desk.told
    assert (told.level, told.code) == ("warning", "key-set")
    assert told.message.endswith("it answers 503; the last one stays in use")
    desk.provider.status = 200
    await desk.look(after=60)
    assert [one.level for one in desk.told] == ["warning", "info"]


async def test_an_outage_at_the_start_is_an_error_and_ends_by_itself(desk: Desk) -> None:
    desk.provider.status = 500
    assert await desk.look() == 1.0
    assert await desk.look(after=1) == 2.0
    assert [one.level for one in desk.told] == ["error"]
    assert desk.why().startswith("the key set is not fetched yet")
    desk.provider.status = 200
    await desk.look(after=2)
    assert desk.why() == ""


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"keys": []}', b"[]", b'"x"', b'{"keys": "x"}', b'{"keys":["' + b"x" * 300_000 + b'"]}']
)
async def test_what_is_no_key_set_replaces_nothing(desk: Desk, body: bytes) -> None:
    await desk.look()
    desk.provider.body = body
    await desk.look(after=SILENT)
    assert desk.why() == ""
    assert [one.level for one in desk.told] == ["warning"]


async def test_keys_that_cannot_be_read_do_not_hide_the_others_and_no_secret_is_taken(desk: Desk) -> None:
    shared = {"kty": "oct", "kid": "s", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
    broken = {"kty": "RSA", "kid": "b", "n": "!", "e": "AQAB"}
    desk.provider.document = {"keys": [broken, shared, 7, public("old", OLD)]}
    await desk.look()
    assert desk.why() == ""


async def test_a_server_that_nobody_vouches_for_is_not_believed(provider: Provider) -> None:
    """The control of all the others: with the right authority the same set is taken."""
    desk = Desk(provider, ssl.create_default_context())
    await desk.look()
    assert desk.why().startswith("the key set is not fetched yet")
    assert [one.level for one in desk.told] == ["error"]


async def test_it_is_not_sent_on_to_another_address(desk: Desk) -> None:
    desk.provider.status, desk.provider.headers = 302, f"Location: {desk.provider.url}\r\n"
    await desk.look()
    assert len(desk.provider.asked) == 1
    assert desk.told[0].message.endswith("it answers 302; until it is there, its tokens are refused")


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "100.100.100.200"])
async def test_an_address_of_cloud_metadata_is_never_called(host: str) -> None:
    with pytest.raises(Misconfigured, match="metadata"):
        await fetcher(lambda: Egress("allow"))(f"https://{host}/keys")


async def test_a_mistake_in_the_fetching_is_told_and_does_not_end_the_engine() -> None:
    async def fetch(url: str) -> Any:
        raise RuntimeError("a mistake")

    told: list[Any] = []
    keys = Keys(told.append, fetch)
    keys.sets.of("https://idp.example/keys")
    await keys.look()
    assert "RuntimeError: a mistake" in told[0].message


async def test_a_dead_address_is_said(desk: Desk) -> None:
    await desk.provider.close()
    with pytest.raises(ConnectorError):
        await fetcher(Egress, desk.provider.trust)(desk.provider.url)


@pytest.mark.parametrize(
    ("control", "seconds"),
    [
        ("", SILENT), ("public, max-age=600", 600.0), ("max-age=1", SHORTEST), ("max-age=99999999", LONGEST),
        ("no-store", SHORTEST), ("max-age=600, no-cache", SHORTEST), ("s-maxage=7", SILENT), ("max-age=x", SILENT),
        ('MAX-AGE="900"', 900.0),
    ],
)  # fmt: skip
def test_how_long_a_set_counts_as_new(control: str, seconds: float) -> None:
    assert fresh_for(control) == seconds


async def test_cache_control_of_the_answer_counts(desk: Desk) -> None:
    desk.provider.headers = "Cache-Control: max-age=1200\r\n"
    assert await desk.look() == 1200.0


async def test_sets_follow_the_files_and_what_stays_is_not_fetched_again(desk: Desk) -> None:
    await desk.look()
    desk.keys.sets.retain([desk.provider.url])
    await desk.look(after=1)
    assert (len(desk.provider.asked), desk.why()) == (1, "")
    desk.keys.sets.retain([])
    assert await desk.look() is None


async def test_work_fetches_by_itself_when_a_token_asks(provider: Provider) -> None:
    keys = Keys([].append, fetcher(Egress, provider.trust))
    check = token_check({"algorithms": ["RS256"], "jwks": provider.url}, keys.sets)
    call = Call("POST", "/", (), {"authorization": (f"Bearer {token('old', OLD)}",)}, b"", None)
    task = asyncio.create_task(keys.work())
    try:
        async with asyncio.timeout(10):
            while check(call, NOW):  # noqa: ASYNC110 (it is what the test waits for)
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
