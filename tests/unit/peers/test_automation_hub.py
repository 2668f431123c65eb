"""The stand-in for the hub takes what the real one takes, refuses what it refuses, and fails on command."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from graphql import get_introspection_query

from tests.peers.automation_hub import AutomationHub
from tests.peers.hub_client import ROOT, Hub
from tests.peers.hub_faults import Fault
from tests.peers.hub_store import Refusal

USER = "mutation ($data: ImportUserInput!) { importUser(data: $data) { success message internal_id external_id } }"
BANK = "mutation ($data: ImportBankInput!) { importBank(data: $data) { success message internal_id external_id } }"
TRANSACTIONS = """mutation ($transactions: [ImportTransactionInput!]!) {
  importTransactions(transactions: $transactions) { successful failed total results { success message external_id } }
}"""

Answer = tuple[int, dict[str, Any]]


def user(id: str = "1", **more: Any) -> dict[str, Any]:
    return {"external_id": id, "name": "Ana Sá", "email": "ana@exemplo.com.br", "metadata": {"source": "test"}, **more}


def bank(id: str = "1", owner: str = "1", **more: Any) -> dict[str, Any]:
    return {"external_id": id, "user_external_id": owner, "name": "Sicoob", "is_active": True, **more}


def transaction(id: str, bank: str = "1", **more: Any) -> dict[str, Any]:
    date = "2026-01-02T03:04:05-03:00"
    return {"external_id": id, "bank_external_id": bank, "amount": 12.5, "transaction_date": date, **more}


class Caller:
    """A client with its session."""

    def __init__(self, session: aiohttp.ClientSession, hub: AutomationHub) -> None:
        self.session = session
        self.hub = hub

    async def post(self, query: str, variables: Any = None, headers: dict[str, str] | None = None) -> Answer:
        body = {"query": query, "variables": variables}
        async with self.session.post(f"{self.hub.url}/graphql", json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def user(self, **more: Any) -> Answer:
        return await self.post(USER, {"data": user(**more)})

    async def transactions(self, *items: dict[str, Any]) -> Answer:
        return await self.post(TRANSACTIONS, {"transactions": list(items)})

    async def family(self) -> None:
        await self.user()
        await self.post(BANK, {"data": bank()})


@pytest.fixture
async def peer() -> AsyncIterator[AutomationHub]:
    async with AutomationHub() as hub:
        yield hub


@pytest.fixture
async def call(peer: AutomationHub) -> AsyncIterator[Caller]:
    # a new connection a call: what a call meets is the hub as it is now
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield Caller(session, peer)


def results(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer[1]["data"]["importTransactions"]["results"]
    return found


class TestImports:
    async def test_a_user_is_created_then_updated_in_place(self, call: Caller) -> None:
        first = await call.user(name="Ana")
        second = await call.user(name="Ana Sá")
        assert first == (200, {"data": {"importUser": {
            "success": True, "message": "created", "internal_id": "1", "external_id": "1"}}})  # fmt: skip
        assert second[1]["data"]["importUser"]["message"] == "updated"
        [row] = call.hub.store.read("users")
        assert (row["name"], row["writes"], row["metadata"]) == ("Ana Sá", 2, {"source": "test"})

    async def test_a_bank_needs_its_user(self, call: Caller) -> None:
        status, body = await call.post(BANK, {"data": bank(owner="9")})
        assert (status, body["data"]["importBank"]["success"]) == (200, False)
        assert body["data"]["importBank"]["message"] == "unknown user 9"

    async def test_a_batch_is_taken_in_part(self, call: Caller) -> None:
        await call.family()
        status, body = await call.transactions(transaction("1"), transaction("2", bank="7"), transaction("3"))
        batch = body["data"]["importTransactions"]
        assert (status, batch["successful"], batch["failed"], batch["total"]) == (200, 2, 1, 3)
        assert batch["results"][1] == {"success": False, "message": "unknown bank 7", "external_id": "2"}
        assert call.hub.counts()["rows"] == {"users": 1, "banks": 1, "transactions": 2}

    async def test_texts_arrive_as_sent(self, call: Caller) -> None:
        await call.family()
        ugly = " \n'\"; drop table {{ 7 }} שלום ☕ \u2028"
        await call.transactions(transaction("1", description=ugly, amount=-0.1, metadata={"a": [1, None, {"b": "ç"}]}))
        [row] = call.hub.store.read("transactions", ["1"])
        assert (row["description"], row["amount"], row["metadata"]) == (ugly, -0.1, {"a": [1, None, {"b": "ç"}]})

    async def test_what_does_not_fit_the_input_type_refuses_the_whole_request(self, call: Caller) -> None:
        await call.family()
        status, body = await call.transactions(transaction("1"), transaction("2", amount="12,50"))
        assert status == 200
        assert "data" not in body
        assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
        assert "at [1].amount" in body["errors"][0]["message"]
        assert call.hub.counts()["rows"]["transactions"] == 0

    @pytest.mark.parametrize(
        ("query", "code"),
        [("mutation {", "GRAPHQL_PARSE_FAILED"), ("{ importUsr { success } }", "GRAPHQL_VALIDATION_FAILED")],
    )
    async def test_a_query_the_schema_does_not_know_is_400(self, call: Caller, query: str, code: str) -> None:
        status, body = await call.post(query)
        assert (status, body["errors"][0]["extensions"]["code"]) == (400, code)

    async def test_a_body_that_is_no_request_is_400(self, call: Caller) -> None:
        async with call.session.post(f"{call.hub.url}/graphql", data=b"[1") as answer:
            assert answer.status == 400

    async def test_health_is_one_scalar(self, call: Caller) -> None:
        status, body = await call.post("{ getImportHealth }")
        assert (status, body["data"]["getImportHealth"]["status"]) == (200, "ok")

    async def test_it_describes_itself(self, call: Caller) -> None:
        _, body = await call.post(get_introspection_query())
        names = {kind["name"] for kind in body["data"]["__schema"]["types"]}
        assert {"ImportUserInput", "ImportBankInput", "ImportTransactionInput", "JSON"} <= names

    async def test_deliveries_beyond_the_first_are_extra(self, call: Caller) -> None:
        await call.family()
        for _ in range(3):
            await call.transactions(transaction("1"), transaction("2"))
        counts = call.hub.counts()
        assert (counts["rows"]["transactions"], counts["delivered"]["transactions"]) == (2, 6)
        assert counts["extra"] == {"users": 0, "banks": 0, "transactions": 4}


class TestKey:
    async def test_without_the_key_nobody_gets_in(self, call: Caller) -> None:
        call.hub.api_key = "k1"
        for headers in (None, {"Authorization": "Bearer k2"}):
            status, body = await call.post("{ getImportHealth }", headers=headers)
            assert (status, body["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")
        status, _ = await call.post("{ getImportHealth }", headers={"Authorization": "Bearer k1"})
        assert status == 200


class TestRefusal:
    async def test_the_same_share_is_refused_every_time(self, call: Caller) -> None:
        await call.family()
        call.hub.store.refusal = Refusal(percent=10, message="not today")
        items = [transaction(str(id)) for id in range(1000)]
        first, second = await call.transactions(*items), await call.transactions(*items)
        refused = [result["external_id"] for result in results(first) if not result["success"]]
        assert 60 < len(refused) < 140
        assert results(first)[int(refused[0])]["message"] == "not today"
        assert [result["external_id"] for result in results(second) if not result["success"]] == refused
        assert refused == [str(id) for id in range(1000) if call.hub.store.refusal.takes(str(id))]
        assert call.hub.counts()["refused"]["transactions"] == 2 * len(refused)

    async def test_those_named_are_refused(self, call: Caller) -> None:
        await call.family()
        call.hub.store.refusal = Refusal(external_ids={"2"})
        answer = await call.transactions(transaction("1"), transaction("2"))
        assert [result["success"] for result in results(answer)] == [True, False]


class TestFaults:
    @pytest.mark.parametrize("code", [None, "UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT"])
    async def test_errors_with_status_200(self, call: Caller, code: str | None) -> None:
        call.hub.fail(Fault("errors", code=code, message="no"))
        status, body = await call.user()
        assert (status, body["errors"][0]["message"]) == (200, "no")
        assert body["errors"][0].get("extensions", {}).get("code") == code
        assert call.hub.counts()["rows"]["users"] == 0
        assert "data" in (await call.user())[1]

    @pytest.mark.parametrize("applied", [False, True])
    async def test_a_status_before_or_after_writing(self, call: Caller, applied: bool) -> None:
        call.hub.fail(Fault("status", status=500, applied=applied))
        assert (await call.user())[0] == 500
        assert call.hub.counts()["rows"]["users"] == int(applied)

    async def test_429_says_how_long_to_wait(self, call: Caller) -> None:
        call.hub.fail(Fault("status", status=429, retry_after=7))
        async with call.session.post(f"{call.hub.url}/graphql", json={"query": "{ getImportHealth }"}) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "7")

    @pytest.mark.parametrize("at", ["start", "middle"])
    @pytest.mark.parametrize("applied", [False, True])
    async def test_the_connection_is_cut(self, call: Caller, at: Any, applied: bool) -> None:
        call.hub.fail(Fault("cut", at=at, applied=applied))
        with pytest.raises(
            (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)
        ) as caught:
            await call.user()
        assert isinstance(caught.value, aiohttp.ClientPayloadError) == (at == "middle")
        assert call.hub.counts()["rows"]["users"] == int(applied)

    async def test_it_hangs_until_it_is_well_again(self, call: Caller) -> None:
        call.hub.fail(Fault("hang"))
        waiting = asyncio.create_task(call.user())
        await call.hub.heard.wait()
        assert not waiting.done()
        call.hub.fail()
        with pytest.raises(aiohttp.ClientError):
            await waiting
        assert (await call.user())[0] == 200

    async def test_it_is_slow_and_right(self, call: Caller) -> None:
        call.hub.fail(Fault("slow", seconds=0.05))
        started = asyncio.get_running_loop().time()
        status, _ = await call.user()
        assert status == 200
        assert asyncio.get_running_loop().time() - started >= 0.05

    async def test_a_page_of_html_in_place_of_json(self, call: Caller) -> None:
        call.hub.fail(Fault("not_json"))
        with pytest.raises(aiohttp.ContentTypeError):
            await call.user()

    async def test_no_data(self, call: Caller) -> None:
        call.hub.fail(Fault("no_data"))
        assert await call.user() == (200, {"data": None})

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [("omit", ["1"]), ("duplicate", ["1", "2", "1"]), ("unknown", ["1", "2", "stranger-0"])],
    )
    async def test_results_are_missing_doubled_or_strange(self, call: Caller, kind: Any, expected: list[str]) -> None:
        await call.family()
        call.hub.fail(Fault(kind))
        answer = await call.transactions(transaction("1"), transaction("2"))
        assert [result["external_id"] for result in results(answer)] == expected
        assert call.hub.counts()["rows"]["transactions"] == 2

    async def test_faults_wait_for_their_request(self, call: Caller) -> None:
        """``skip`` lets requests through, ``operation`` looks only at its own, ``times`` counts; then all is well."""
        await call.family()
        call.hub.fail(Fault("status", operation="importTransactions", skip=1, times=2))
        statuses = []
        for id in range(5):
            statuses.append((await call.transactions(transaction(str(id))))[0])
            assert (await call.user())[0] == 200
        assert statuses == [200, 500, 500, 200, 200]

    async def test_without_an_end_it_fails_for_ever(self, call: Caller) -> None:
        call.hub.fail(Fault("status", times=None))
        assert [(await call.user())[0] for _ in range(4)] == [500] * 4


class TestDown:
    async def test_while_down_nothing_listens_and_the_address_stays(self, call: Caller) -> None:
        url = call.hub.url
        await call.user()
        await call.hub.down()
        with pytest.raises(aiohttp.ClientConnectorError):
            await call.user()
        await call.hub.up()
        assert (await call.user())[0] == 200
        assert call.hub.url == url

    async def test_it_comes_back_by_itself(self, call: Caller) -> None:
        await call.hub.down(0.01)
        for _ in range(500):
            try:
                assert (await call.user())[0] == 200
                return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.01)
        pytest.fail("the hub did not come back")

    async def test_going_down_cuts_what_hangs(self, call: Caller) -> None:
        call.hub.fail(Fault("hang"))
        waiting = asyncio.create_task(call.user())
        await call.hub.heard.wait()
        await call.hub.down()
        with pytest.raises(aiohttp.ClientError):
            await waiting


class TestProcess:
    """The same through the process and its control API."""

    async def test_switches_and_counts_work_from_outside(self, hub: Hub) -> None:
        async with aiohttp.ClientSession() as session:

            async def send(id: str) -> tuple[int, Any]:
                body = {"query": USER, "variables": {"data": user(id)}}
                async with session.post(f"{hub.url}/graphql", json=body) as answer:
                    return answer.status, await answer.json()

            hub.refuse(external_ids=["2"])
            hub.fail(Fault("status", status=503, skip=1))
            statuses = [(await send(id))[0] for id in ("1", "1", "1", "2")]
        assert statuses == [200, 503, 200, 200]
        counts = hub.counts()
        assert counts["requests"] == 4
        assert (counts["rows"]["users"], counts["extra"]["users"], counts["refused"]["users"]) == (1, 1, 1)
        assert hub.deliveries("users") == {"1": 2}
        assert [asked["fault"] for asked in hub.requests()] == [None, "status", None, None]
        assert [row["external_id"] for row in hub.rows("users", "1", "2")] == ["1"]

    async def test_it_goes_down_and_up_from_outside(self, hub: Hub) -> None:
        async def health() -> int:
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{hub.url}/graphql", json={"query": "{ getImportHealth }"}) as answer,
            ):
                return answer.status

        hub.down()
        with pytest.raises(aiohttp.ClientConnectorError):
            await health()
        hub.up()
        assert await health() == 200
        hub.require_key("k")
        assert await health() == 401
        hub.reset()
        assert await health() == 200

    def test_every_test_gets_it_as_new(self, hub: Hub) -> None:
        assert hub.counts()["requests"] == 0
        assert set(hub.counts()["rows"].values()) == {0}

    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
        started: list[subprocess.Popen[str]] = []

        def run(*options: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "tests.peers.automation_hub", "--db", str(tmp_path / "hub.db"), *options]
            pipe = subprocess.PIPE
            started.append(subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True))
            return started[-1]

        yield run
        for process in started:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()

    def test_it_ends_with_its_parent(self, start: Callable[..., subprocess.Popen[str]]) -> None:
        process = start("--with-parent")
        assert process.stdout
        assert process.stdin
        assert list(json.loads(process.stdout.readline())) == ["url"]
        process.stdin.close()
        assert process.wait(timeout=20) == 0

    def test_it_ends_with_sigterm(self, start: Callable[..., subprocess.Popen[str]]) -> None:
        process = start("--control")
        assert process.stdout
        assert list(json.loads(process.stdout.readline())) == ["url", "control"]
        process.terminate()
        assert process.wait(timeout=20) == 0
