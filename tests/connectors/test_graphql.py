"""The graphql connector against a real GraphQL server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from graphql import GraphQLError, build_schema, graphql_sync

from connectors.graphql import CONNECTOR, GraphqlSource, GraphqlTarget
from engine.connector import Context
from engine.errors import ConnectorError, Disconnected, Misconfigured, Rejected, Transient, Uncertain
from tests.connectors.contract import SchemaContract, SourceCase, SourceContract, TargetCase, TargetContract
from tests.connectors.http_peer import Call, Peer, connect, head, load, ok, raw, serving
from tests.connectors.http_peer import expression as x

SECRET = "sesame-street"
SCHEMA = build_schema("""
    input Row { id: ID!, amount: Float, name: String }
    type Result { success: Boolean!, message: String, id: ID }
    type Import { total: Int!, results: [Result!]! }
    type User { id: ID!, name: String }
    type Page { endCursor: String, hasNextPage: Boolean! }
    type Users { nodes: [User!]!, pageInfo: Page! }
    type Query { users(first: Int, after: String, skip: Int, page: Int): Users!, broken: String }
    type Mutation { load(rows: [Row!]!): Import, one(row: Row!): Result, strict(row: Row!): Result! }
""")
USERS = [{"id": str(number), "name": f"u{number}"} for number in range(5)]


class Root:
    """What the server has, and what it refuses."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def _take(self, row: dict[str, Any]) -> dict[str, Any]:
        if row.get("name") == "bad":
            return {"success": False, "message": "unknown bank", "id": row["id"]}
        self.rows.append(row)
        return {"success": True, "id": row["id"]}

    def load(self, info: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {"total": len(rows), "results": [self._take(row) for row in reversed(rows)]}

    def one(self, info: Any, row: dict[str, Any]) -> dict[str, Any]:
        return self._take(row)

    def strict(self, info: Any, row: dict[str, Any]) -> dict[str, Any]:
        raise GraphQLError(f"no such bank {SECRET}", extensions={"code": "BAD_USER_INPUT"})

    def broken(self, info: Any) -> str:
        raise GraphQLError("half done")

    def users(
        self, info: Any, first: int = 2, after: str | None = None, skip: int = 0, page: int = 1
    ) -> dict[str, Any]:
        start = int(after) + 1 if after else skip or (page - 1) * first
        nodes = USERS[start : start + first]
        more = start + first < len(USERS)
        return {"nodes": nodes, "pageInfo": {"endCursor": nodes[-1]["id"] if nodes else None, "hasNextPage": more}}


@pytest.fixture
async def hub() -> AsyncIterator[Peer]:
    """A GraphQL server; ``hub.root`` is what it has."""
    root = Root()

    def answer(call: Call) -> web.Response:
        if call.path != "/graphql":
            return web.Response(status=404, text="no such page")
        asked = call.json
        result = graphql_sync(SCHEMA, asked["query"], root, variable_values=asked["variables"])
        return ok(result.formatted)

    async with serving(answer) as peer:
        peer.root = root  # type: ignore[attr-defined]
        yield peer


LOAD = "mutation($rows: [Row!]!) { load(rows: $rows) { results { success message id } } }"
ONE = "mutation($row: Row!) { one(row: $row) { success message } }"
RULE = {"at": x("data.load.results"), "failed": x("!success"), "match": x("id"), "reason": x("message")}


async def target(stack: AsyncExitStack, url: str, *, single: bool = False, **options: Any) -> GraphqlTarget:
    connection = await connect(stack, url, auth={"bearer": SECRET})
    context = Context("p", connection=connection, batched=not single, keyed=True)
    rows = (lambda names: {"row": names["record"]}) if single else (lambda names: {"rows": names["records"]})
    made = GraphqlTarget(context, **{"mutation": ONE if single else LOAD, "variables": rows, **options})
    await made.open(stack)
    return made


class TestSchema(SchemaContract):
    connector = CONNECTOR


class TestSourceContract(SourceContract):
    @pytest.fixture
    async def case(self, hub: Peer) -> SourceCase:
        async def make(stack: AsyncExitStack, url: str = hub.url) -> GraphqlSource:
            connection = await connect(stack, url, auth={"bearer": SECRET})
            query = "query($page: Int) { users(page: $page) { nodes { id name } } }"
            paginate = {"page": {"variable": "page"}}
            context = Context("p", connection=connection)
            return GraphqlSource(context, query=query, records=x("data.users.nodes"), paginate=paginate)

        async def broken(stack: AsyncExitStack) -> GraphqlSource:
            hub.answer = lambda call: ok({"errors": [{"message": f"bad token {SECRET}"}]}, 401)
            return await make(stack)

        return SourceCase(make, USERS, checkpoints=False, broken=broken, secrets=[SECRET])


class TestTargetContract(TargetContract):
    @pytest.fixture
    async def case(self, hub: Peer) -> TargetCase:
        async def make(stack: AsyncExitStack) -> GraphqlTarget:
            return await target(stack, hub.url, results=RULE)

        async def broken(stack: AsyncExitStack) -> GraphqlTarget:
            hub.answer = lambda call: ok({"errors": [{"message": f"no {call.headers['authorization']}"}]}, 200)
            return await target(stack, hub.url)

        async def arrived() -> list[Any]:
            return list(hub.root.rows)  # type: ignore[attr-defined]

        good, bad = load({"id": "1", "name": "a"}, key="id"), load({"id": "2", "name": "bad"}, key="id")
        return TargetCase(make, good, arrived, [{"id": "1", "name": "a"}], bad, broken, [SECRET])


# ---- sending


async def test_a_batch_with_results(hub: Peer) -> None:
    """One request; refused records by key in whatever order; credentials and digits arrive."""
    async with AsyncExitStack() as stack:
        made = await target(stack, hub.url, results=RULE)
        rows = [{"id": str(n), "amount": Decimal("1.10"), "name": "bad" if n == 1 else "ok"} for n in range(3)]
        receipt = await made.write(load(*rows, key="id"))
    assert receipt.rejected == {1: "unknown bank"}
    assert not receipt.uncertain
    assert len(hub.calls) == 1
    assert b'"amount":1.10' in hub.calls[0].body
    assert hub.calls[0].headers["authorization"] == f"Bearer {SECRET}"


async def test_one_record_a_mutation(hub: Peer) -> None:
    """Without batch: one object stands for the record."""
    rule = {"at": x("data.one"), "failed": x("!success"), "reason": x("message")}
    async with AsyncExitStack() as stack:
        made = await target(stack, hub.url, single=True, results=rule)
        receipt = await made.write(load({"id": "1"}, {"id": "2", "name": "bad"}, {"id": "3"}, key="id"))
    assert receipt.rejected == {1: "unknown bank"}
    assert len(hub.calls) == 3


async def test_without_results_a_clean_answer_is_taken(hub: Peer) -> None:
    """200, data and no errors."""
    async with AsyncExitStack() as stack:
        receipt = await (await target(stack, hub.url)).write(load({"id": "1"}))
    assert receipt == receipt._replace(rejected={}, retry={}, uncertain={})


async def refusal(hub: Peer, *records: Any, **options: Any) -> ConnectorError:
    async with AsyncExitStack() as stack:
        made = await target(stack, hub.url, **options)
        with pytest.raises(ConnectorError) as caught:
            await made.write(load(*(records or ({"id": "1"}, {"id": "2"}))))
    return caught.value


def errors(*codes: str | None, path: bool = False, **more: Any) -> dict[str, Any]:
    made = [
        {"message": f"m{n}", **({"extensions": {"code": code}} if code else {}), **({"path": ["load"]} if path else {})}
        for n, code in enumerate(codes)
    ]
    return {"errors": made, **more}


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (errors(None), 200, Uncertain),
        (errors(None, data=None), 200, Uncertain),
        (errors(None, data={"load": None}, path=True), 200, Uncertain),
        (errors("INTERNAL_SERVER_ERROR"), 200, Uncertain),
        (errors("INTERNAL_SERVER_ERROR"), 500, Uncertain),
        (errors("UNAUTHENTICATED"), 200, Misconfigured),
        (errors("UNAUTHENTICATED"), 401, Misconfigured),
        (errors("FORBIDDEN", "BAD_USER_INPUT"), 200, Misconfigured),
        (errors("BAD_USER_INPUT"), 200, Rejected),
        (errors("BAD_USER_INPUT"), 400, Rejected),
        (errors("GRAPHQL_VALIDATION_FAILED"), 400, Rejected),
        (errors("BAD_USER_INPUT", path=True, data={"load": None}), 200, Uncertain),
        (errors("BAD_USER_INPUT", None), 200, Uncertain),
        (errors("THROTTLED"), 200, Transient),
        (errors(None), 400, Rejected),
        (errors(None), 401, Misconfigured),
        (errors(None), 429, Transient),
        (errors(None), 502, Transient),
        (errors(None, path=True), 400, Uncertain),
        ({"data": None}, 200, Uncertain),
        ({"data": {"load": {}}}, 503, Transient),
        ({"message": "hello"}, 200, Misconfigured),
        ([1], 200, Misconfigured),
        ({"message": "gone"}, 404, Misconfigured),
        ({"message": "slow down"}, 429, Transient),
        ({"message": "oops"}, 500, Transient),
        ({"message": "bad"}, 400, Rejected),
        ({"message": "who"}, 403, Misconfigured),
    ],
)
async def test_what_an_answer_means(hub: Peer, body: Any, status: int, kind: type) -> None:
    """Errors at the top never count as delivered; codes decide, then the status."""
    hub.answer = lambda call: ok(body, status, Retry_After="4")
    error = await refusal(hub)
    assert type(error) is kind
    if kind is Transient:
        assert error.retry_after == 4.0  # type: ignore[attr-defined]


async def test_a_page_instead_of_graphql(hub: Peer) -> None:
    """A wrong address says so."""
    assert "404" in str(await refusal(hub, path="/grafql"))
    hub.answer = lambda call: web.Response(text="<html>", content_type="text/html")
    assert "not with GraphQL" in str(await refusal(hub))


async def test_results_speak_although_there_are_errors(hub: Peer) -> None:
    """Items that came count; without them the errors do."""
    body = errors(None, path=True, data={"load": {"results": [{"id": "1", "success": True}]}})
    hub.answer = lambda call: ok(body)
    async with AsyncExitStack() as stack:
        made = await target(stack, hub.url, results=RULE)
        receipt = await made.write(load({"id": "1"}, {"id": "2"}, key="id"))
        assert list(receipt.uncertain) == [1]
        hub.answer = lambda call: ok(errors(None, path=True, data={"load": None}))
        with pytest.raises(Uncertain, match="m0"):
            await made.write(load({"id": "1"}, {"id": "2"}, key="id"))


async def test_a_reason_does_not_repeat_the_token(hub: Peer) -> None:
    """What the system says of a record is for people, the token is not."""
    item = {"id": "1", "success": False, "message": f"token {SECRET} may not"}
    hub.answer = lambda call: ok({"data": {"load": {"results": [item]}}})
    async with AsyncExitStack() as stack:
        receipt = await (await target(stack, hub.url, results=RULE)).write(load({"id": "1"}, key="id"))
    assert receipt.rejected == {0: "token *** may not"}


async def test_nothing_at_results_is_uncertain(hub: Peer) -> None:
    """A misspelt `at` never counts as delivered."""
    async with AsyncExitStack() as stack:
        made = await target(stack, hub.url, results={**RULE, "at": x("data.laod.results")})
        receipt = await made.write(load({"id": "1"}, {"id": "2"}, key="id"))
    assert set(receipt.uncertain) == {0, 1}


async def test_a_record_refused_while_it_ran_is_refused_alone(hub: Peer) -> None:
    """A code with a path counts for one record; of several nobody knows which ran."""
    strict = "mutation($row: Row!) { strict(row: $row) { success } }"
    async with AsyncExitStack() as stack:
        made = await target(stack, hub.url, single=True, mutation=strict)
        receipt = await made.write(load({"id": "1"}))
    assert "no such bank" in receipt.rejected[0]
    assert "BAD_USER_INPUT" in receipt.rejected[0]
    assert SECRET not in receipt.rejected[0]


async def test_a_real_server_that_cannot_read_it_says_uncertain(hub: Peer) -> None:
    """Errors without a code, as graphql-core gives them, do not say what became of the batch."""
    error = await refusal(hub, {"amount": 1})
    assert type(error) is Uncertain
    assert "required field 'id'" in str(error)


async def test_a_lost_answer_is_uncertain_and_nobody_there_is_not() -> None:
    """After sending, and before."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)

    async with raw(cut) as url, AsyncExitStack() as stack:
        with pytest.raises(Uncertain):
            await (await target(stack, url)).write(load({"id": "1"}))
    async with AsyncExitStack() as stack:
        with pytest.raises(Disconnected):
            await (await target(stack, "http://127.0.0.1:1")).write(load({"id": "1"}))


# ---- reading


async def read(hub: Peer, **options: Any) -> list[Any]:
    async with AsyncExitStack() as stack:
        context = Context("p", connection=await connect(stack, hub.url), names=options.pop("names", {}))
        source = GraphqlSource(context, **{"records": x("data.users.nodes"), **options})
        await source.open(stack)
        return [record async for batch in source.read(None) for record in batch.records]


@pytest.mark.parametrize(
    ("variables", "paginate", "requests"),
    [
        (
            "$after: String",
            {
                "cursor": {
                    "variable": "after",
                    "from": x("data.users.pageInfo.endCursor"),
                    "has_next": x("data.users.pageInfo.hasNextPage"),
                }
            },
            3,
        ),
        ("$skip: Int", {"offset": {"variable": "skip"}}, 4),
        ("$page: Int", {"page": {"variable": "page"}}, 4),
    ],
)
async def test_every_kind_of_paging(hub: Peer, variables: str, paginate: Any, requests: int) -> None:
    """All pages through variables."""
    name = variables.split(":")[0]
    fields = "nodes { id name } pageInfo { endCursor hasNextPage }"
    query = f"query({variables}) {{ users({name[1:]}: {name}) {{ {fields} }} }}"
    assert await read(hub, query=query, paginate=paginate) == USERS
    assert len(hub.calls) == requests


async def test_variables_see_the_cursor(hub: Peer) -> None:
    """And paging is put beside them."""
    query = "query($after: String, $n: Int) { users(first: $n, after: $after) { nodes { id name } } }"
    rows = await read(
        hub,
        query=query,
        variables=lambda names: {"n": 2, "after": names["cursor"]["id"]},
        names={"cursor": {"id": "1"}},
    )
    assert rows == USERS[2:4]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (errors(None, data={"users": None}), 200, Transient),
        (errors("UNAUTHENTICATED"), 200, Misconfigured),
        (errors("BAD_USER_INPUT"), 200, Misconfigured),
        (errors("GRAPHQL_VALIDATION_FAILED"), 400, Misconfigured),
        ({"message": "x"}, 200, Misconfigured),
        ({"message": "x"}, 503, Transient),
        ({"data": {"users": None}}, 200, Misconfigured),
    ],
)
async def test_half_an_answer_is_none(hub: Peer, body: Any, status: int, kind: type) -> None:
    """Errors beside data fail the read."""
    hub.answer = lambda call: ok(body, status)
    with pytest.raises(ConnectorError) as caught:
        await read(hub, query="{ users { nodes { id } } }")
    assert type(caught.value) is kind


async def test_a_real_partial_answer_fails(hub: Peer) -> None:
    """Data for one field, an error for another."""
    with pytest.raises(Transient, match="half done"):
        await read(hub, query="{ users { nodes { id } } broken }")
