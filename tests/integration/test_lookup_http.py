"""The step ``lookup`` over HTTP and GraphQL, against real servers: what each answer means for one record."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.acceptance.web_peer import Reply, WebPeer, serving
from tests.peers.hub_client import Hub
from tests.peers.hub_faults import Fault

from .asking_rig import shop

LOOKUP = """
- lookup:
    from: {http: {connection: web, path: "/customers/{{ record.customer }}"}}
    into: details
"""
QUICK = "resilience: {timeout: 300ms, retry: {attempts: 2, initial: 0s}}\n"
ROWS = [{"id": 1, "customer": "a"}, {"id": 2, "customer": "b"}, {"id": 3, "customer": "a"}]


@pytest.fixture
def web() -> Iterator[WebPeer]:
    with serving() as peer:
        yield peer


@pytest.fixture
async def bench(tmp_path, web):
    async with shop(tmp_path) as made:
        made.web = web.url
        yield made


def by_path(**replies: Reply):
    return lambda call: replies.get(call.path.rsplit("/", 1)[-1], Reply(200, json.dumps({"path": call.path})))


async def test_a_question_for_each_customer_and_one_request_for_each_question(bench, web):
    web.decide = by_path()
    await bench.run(bench.pipeline(ROWS, LOOKUP))
    assert [one["details"]["path"] for one in bench.sent] == ["/customers/a", "/customers/b", "/customers/a"]
    assert sorted(call.path for call in web.calls) == ["/customers/a", "/customers/b"]


@pytest.mark.parametrize("status", [404, 410, 204])
async def test_not_there_is_not_found(bench, web, status):
    web.decide = by_path(b=Reply(status, ""))
    await bench.run(bench.pipeline(ROWS, LOOKUP))
    assert [letter.code for letter in await bench.letters()] == ["not-found"]
    await bench.run(bench.pipeline(ROWS, LOOKUP + "    missing: null\n"))
    assert [bool(one["details"]) for one in bench.sent] == [True, True, True, False, True]


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_a_refused_question_rejects_its_record_only(bench, web, status):
    web.decide = by_path(b=Reply(status, '{"error": "bad"}'))
    result = await bench.run(bench.pipeline(ROWS, LOOKUP))
    assert (result.summary["status"], result.summary["rejected"]) == ("partial", 1)
    [letter] = await bench.letters()
    assert (letter.code, letter.entry, letter.record) == ("refused", "steps[0].lookup", ROWS[1])


@pytest.mark.parametrize(
    ("reply", "code", "requests"),
    [
        (Reply(500), "transient", 2),
        (Reply(429, "{}", {"Retry-After": "0"}), "transient", 2),
        (Reply(0), "disconnected", 2),
        (Reply(401), "misconfigured", 1),
        (Reply(200, "<html>"), "misconfigured", 1),
    ],
)
async def test_what_keeps_all_from_going_on_fails_the_run_and_loses_nothing(bench, web, reply, code, requests):
    web.decide = by_path(b=reply)
    result = await bench.run(bench.pipeline(ROWS, LOOKUP, QUICK))
    assert (result.summary["status"], result.summary["error"]["code"]) == ("failed", code)
    assert sum(call.path.endswith("b") for call in web.calls) == requests
    assert (bench.sent, await bench.letters()) == ([], [])
    web.decide = by_path()
    await bench.run(bench.pipeline(ROWS, LOOKUP, QUICK))
    assert [one["id"] for one in bench.sent] == [1, 2, 3]


async def test_with_a_fixed_path_404_is_a_mistake_of_the_pipeline(bench, web):
    steps = LOOKUP.replace("/customers/{{ record.customer }}", "/customers")
    web.replies = [Reply(404)]
    result = await bench.run(bench.pipeline(ROWS, steps))
    assert result.summary["error"]["code"] == "misconfigured"


async def test_a_value_cannot_lead_to_another_place(bench, web):
    web.decide = by_path()
    rows = [{"id": 1, "customer": "../admin"}, {"id": 2, "customer": ".."}, {"id": 3, "customer": "x?y=1"}]
    await bench.run(bench.pipeline(rows, LOOKUP))
    assert [letter.code for letter in await bench.letters()] == ["path", "path"]
    assert sorted(call.path for call in web.calls) == ["/customers/x%3Fy%3D1"]


async def test_the_breaker_and_the_limits_are_those_of_the_connection(bench, web):
    bench.limits = {"circuit_breaker": {"failures": 2, "window": "60s", "reset_after": "60s"}}
    web.replies = [Reply(500)]
    result = await bench.run(bench.pipeline(ROWS, LOOKUP, "resilience: {retry: {attempts: 5, initial: 0s}}\n"))
    assert result.summary["error"]["code"] == "circuit-open"
    assert 2 <= len(web.calls) <= 4, "what was under way when it opened may still come"


async def test_its_own_resilience_comes_before_the_pipelines(bench, web):
    web.replies = [Reply(500)]
    own = "    resilience: {retry: {attempts: 3, initial: 0s}}\n"
    await bench.run(bench.pipeline(ROWS[:1], LOOKUP + own, QUICK))
    assert len(web.calls) == 3


async def test_a_json_body_asks_by_post(bench, web):
    steps = """
    - lookup:
        from:
          http:
            connection: web
            method: POST
            path: /search
            json: {customer: "{{ record.customer }}", sure: true}
            records: items
        match: {code: customer}
        into: details
    """
    web.replies = [Reply(200, json.dumps({"items": [{"code": "a", "n": 1}, {"code": "b", "n": 2}]}))]
    await bench.run(bench.pipeline(ROWS[:2], steps))
    assert [one["details"]["n"] for one in bench.sent] == [1, 2]
    assert sorted(call.body["customer"] for call in web.calls) == ["a", "b"]


GRAPHQL = """
- lookup:
    from: {graphql: {connection: hub, query: "{ getImportHealth }", records: data.getImportHealth}}
    into: health
"""


async def test_graphql_is_asked_too(bench, hub: Hub):
    bench.hub = hub.url
    await bench.run(bench.pipeline(ROWS, GRAPHQL))
    assert [one["health"]["status"] for one in bench.sent] == ["ok"] * 3


@pytest.mark.parametrize(
    ("fault", "status", "letters"),
    [
        (Fault("errors", times=None, code="BAD_USER_INPUT"), "failed", 0),
        (Fault("errors", times=None), "failed", 0),
        (Fault("status", times=1, status=503), "success", 0),
    ],
)
async def test_graphql_errors(bench, hub: Hub, fault, status, letters):
    """Every record refused is a mistake of the pipeline; one bad day of the hub is tried again."""
    bench.hub = hub.url
    hub.fail(fault)
    rows = [{"id": number} for number in range(30)]
    result = await bench.run(bench.pipeline(rows, GRAPHQL, QUICK.replace("300ms", "5s")))
    assert (result.summary["status"], len(await bench.letters())) == (status, letters)


async def test_the_guard_of_addresses_holds_for_lookups_too(bench):
    """A cloud's metadata address is never asked."""
    steps = '- lookup: {from: {http: {url: "http://169.254.169.254/latest"}}, into: secrets}\n'
    result = await bench.run(bench.pipeline(ROWS, steps, QUICK))
    assert (result.summary["status"], result.summary["error"]["code"]) == ("failed", "misconfigured")
    assert "169.254.169.254" in result.summary["error"]["message"]
