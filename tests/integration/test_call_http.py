"""The step ``call`` over HTTP and GraphQL, against real servers: effects, answers, failures, repeats."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.acceptance.web_peer import Reply, WebPeer, serving
from tests.peers.hub_client import Hub
from tests.peers.hub_faults import Fault

from .asking_rig import shop

CALL = """
- call:
    http: {connection: web, path: /charges, json: {amount: "{{ record.amount }}"}}
    into: charge
"""
QUICK = "resilience: {timeout: 300ms, retry: {attempts: 2, initial: 0s}}\n"
SILENT = "resilience: {timeout: 300ms}\n"
ROWS = [{"id": number, "amount": number * 10} for number in (1, 2, 3)]


@pytest.fixture
def web() -> Iterator[WebPeer]:
    with serving() as peer:
        yield peer


@pytest.fixture
async def bench(tmp_path, web):
    async with shop(tmp_path) as made:
        made.web = web.url
        yield made


def on_two(reply: Reply):
    return lambda call: reply if call.body == {"amount": 20} else Reply(200, json.dumps({"charged": call.body}))


async def test_each_record_is_called_for_once_in_order_and_gets_the_answer(bench, web):
    web.decide = on_two(Reply(200, '{"charged": {"amount": 20}}'))
    await bench.run(bench.pipeline(ROWS, CALL))
    assert [one["charge"]["charged"]["amount"] for one in bench.sent] == [10, 20, 30]
    assert [call.body["amount"] for call in web.calls] == [10, 20, 30]


@pytest.mark.parametrize(("body", "answer"), [("", None), ("[1, 2]", [1, 2]), ("done", "done")])
async def test_an_answer_of_any_kind(bench, web, body, answer):
    web.replies = [Reply(200, body)]
    await bench.run(bench.pipeline(ROWS[:1], CALL))
    assert bench.sent[0]["charge"] == answer


@pytest.mark.parametrize("status", [400, 402, 409, 422])
async def test_a_refused_record_is_rejected_and_replayed_at_the_call(bench, web, status):
    pipeline = bench.pipeline(ROWS, "- set: {amount: amount}\n" + CALL)
    web.decide = on_two(Reply(status, '{"error": "no funds"}'))
    await bench.run(pipeline)
    [letter] = await bench.letters()
    assert (letter.code, letter.entry, letter.record["id"]) == ("refused", "steps[1].call", 2)
    web.decide = None
    await bench.replay(pipeline)
    assert [one["id"] for one in bench.sent] == [1, 3, 2]
    assert [call.body["amount"] for call in web.calls] == [10, 20, 30, 20]


async def test_what_fails_behind_a_call_does_not_call_again(bench, web):
    """Control: what failed at the call itself is called again, see above."""
    web.replies = [Reply(200, '{"ok": true}')]
    steps = (
        CALL + '- lookup: {from: {sql: {connection: shop, query: "select * from sales where sale_id = :record.sale"}}'
    )
    steps += ", into: sale}\n"
    pipeline = bench.pipeline([{"id": 1, "amount": 1, "sale": "s9"}], steps)
    await bench.run(pipeline)
    [letter] = await bench.letters()
    assert (letter.code, letter.entry, letter.record["charge"]) == ("not-found", "steps[1].lookup", {"ok": True})
    bench.sql("insert into sales values ('s9', 1, 1)")
    await bench.replay(pipeline)
    assert (len(web.calls), bench.sent[0]["sale"]["sale_id"], bench.sent[0]["charge"]) == (1, "s9", {"ok": True})


async def test_what_a_check_behind_a_call_rejects_enters_behind_it(bench, web):
    web.replies = [Reply(200, '{"ok": false}')]
    pipeline = bench.pipeline(ROWS[:1], CALL + "- check: {that: charge.ok, code: declined}\n")
    await bench.run(pipeline)
    [letter] = await bench.letters()
    assert (letter.code, letter.entry) == ("declined", "steps[1].check")
    await bench.replay(pipeline)
    assert len(web.calls) == 1


@pytest.mark.parametrize(
    ("reply", "code", "requests"), [(Reply(503), "transient", 2), (Reply(401), "misconfigured", 1)]
)
async def test_what_keeps_all_from_going_on_fails_the_run(bench, web, reply, code, requests):
    """The next run calls again for the whole batch: at least once."""
    web.decide = on_two(reply)
    result = await bench.run(bench.pipeline(ROWS, CALL, QUICK))
    assert (result.summary["status"], result.summary["error"]["code"]) == ("failed", code)
    assert [call.body["amount"] for call in web.calls] == [10, *[20] * requests]
    assert (bench.sent, await bench.letters()) == ([], [])
    web.decide = None
    await bench.run(bench.pipeline(ROWS, CALL, QUICK))
    assert [call.body["amount"] for call in web.calls[1 + requests :]] == [10, 20, 30]


async def test_a_lost_answer_without_key_or_written_retry_is_a_dead_letter(bench, web):
    """Control: with a key it is called again, and marked with the same key."""
    web.decide = on_two(Reply(0))
    await bench.run(bench.pipeline(ROWS, CALL, SILENT))
    [letter] = await bench.letters()
    assert (letter.code, letter.record["id"], len(web.calls)) == ("uncertain", 2, 3)
    seen = []

    def second_time(call):
        seen.append((call.headers.get("Idempotency-Key"), call.body["amount"]))
        return Reply(0) if [amount for _, amount in seen].count(20) == 1 and call.body["amount"] == 20 else Reply()

    web.decide = second_time
    steps = CALL.replace('"{{ record.amount }}"}', '"{{ record.amount }}"}, idempotency: {header: Idempotency-Key}')
    result = await bench.run(bench.pipeline(ROWS, steps + "    key: id\n", QUICK))
    assert (result.summary["status"], [amount for _, amount in seen]) == ("success", [10, 20, 20, 30])
    assert seen[1][0] == seen[2][0] != seen[0][0]


async def test_results_say_that_a_taken_request_failed(bench, web):
    web.decide = on_two(Reply(200, '{"status": "declined", "why": "limit"}'))
    results = '"{{ record.amount }}"}, results: {at: "@", failed: "status == \'declined\'", reason: why}'
    await bench.run(bench.pipeline(ROWS, CALL.replace('"{{ record.amount }}"}', results)))
    [letter] = await bench.letters()
    assert (letter.code, letter.message) == ("refused", "limit")


async def test_a_dry_run_shows_what_would_be_called_and_calls_nothing(bench, web):
    steps = "- set: {card: {$value: card, $sensitive: true}}\n" + CALL.replace(
        "{amount:", "{card: 'x{{ record.card }}', amount:"
    )
    pipeline = bench.pipeline([{"id": 1, "amount": 5, "card": "4111111111111111"}], steps)
    result = await bench.run(pipeline, dry_run=True)
    assert (web.calls, bench.sent) == ([], [])
    shown, sent = result.previews
    assert (shown.target, shown.record["card"]) == ("steps[1].call", "***")
    assert shown.mapped == {"method": "POST", "path": "/charges", "json": {"card": "x***", "amount": 5}}
    assert (sent.target, sent.mapped["charge"]) == ("target", None)


async def test_graphql_calls_its_mutation(bench, hub: Hub):
    bench.hub = hub.url
    hub.refuse(external_ids=["2"], message="on the black list")
    steps = """
    - call:
        graphql:
          connection: hub
          mutation: "mutation($d: ImportUserInput!) { u: importUser(data: $d) { success message external_id } }"
          variables: {d: {external_id: "{{ record.id | string }}", name: Ana, email: a@b.c}}
          results: {at: data.u, failed: "!success", reason: message}
        into: user
    - set: {user: user.data.u.external_id}
    """
    await bench.run(bench.pipeline(ROWS, steps))
    assert [one["user"] for one in bench.sent] == ["1", "3"]
    [letter] = await bench.letters()
    assert (letter.code, letter.message) == ("refused", "on the black list")
    hub.fail(Fault("errors", times=None, code="UNAUTHENTICATED"))
    result = await bench.run(bench.pipeline(ROWS, steps))
    assert result.summary["error"]["code"] == "misconfigured"


async def test_a_token_that_the_system_repeats_stands_nowhere(bench, web):
    """Not in dead letters, not in events, not in a dry run."""
    bench.auth = {"auth": {"bearer": "canary-5f2e"}}
    web.decide = on_two(Reply(200, '{"status": "declined", "why": "your token canary-5f2e has no rights"}'))
    results = '"{{ record.amount }}"}, results: {at: "@", failed: "status == \'declined\'", reason: why}'
    pipeline = bench.pipeline(ROWS, CALL.replace('"{{ record.amount }}"}', results))
    await bench.run(pipeline)
    [letter] = await bench.letters()
    assert "no rights" in letter.message
    assert web.calls[0].headers["Authorization"] == "Bearer canary-5f2e"
    result = await bench.run(pipeline, dry_run=True)
    assert "canary-5f2e" not in f"{letter} {bench.events} {result}"
