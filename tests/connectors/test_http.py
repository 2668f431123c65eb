"""The http connector's contracts, and its connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from connectors.http import CONNECTOR, HttpConnection, HttpSource, HttpTarget
from engine.connector import Context
from engine.errors import Misconfigured, Transient
from tests.connectors.contract import (
    ConnectionCase,
    ConnectionContract,
    SchemaContract,
    SourceCase,
    SourceContract,
    TargetCase,
    TargetContract,
)
from tests.connectors.http_peer import Call, connect, load, ok, serving
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
