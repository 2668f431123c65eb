"""The step ``lookup`` on a real database: found, not found, several, remembered, replayed, shown."""

from __future__ import annotations

import asyncio

import pytest

from engine.events import CallRetried

from .asking_rig import shop

PAYMENTS = [{"id": 1, "sale": "s1"}, {"id": 2, "sale": "s2"}, {"id": 3, "sale": "s1"}]
LOOKUP = """
- lookup:
    from: {sql: {connection: shop, query: "select sale_id, total from sales where sale_id = :record.sale"}}
    into: found
"""


@pytest.fixture
async def bench(tmp_path):
    async with shop(tmp_path) as made:
        yield made


async def test_each_record_gets_the_row_that_its_bind_finds(bench):
    result = await bench.run(bench.pipeline(PAYMENTS, LOOKUP))
    assert result.summary["status"] == "success", result.summary
    assert [(one["id"], one["found"]) for one in bench.sent] == [
        (1, {"sale_id": "s1", "total": 10.5}),
        (2, {"sale_id": "s2", "total": 20.25}),
        (3, {"sale_id": "s1", "total": 10.5}),
    ]


async def test_pure_steps_stand_on_both_sides(bench):
    steps = """
    - filter: "id != `2`"
    - set: {sale: "{{ record.sale | lower }}"}
    - lookup:
        from:
          sql:
            connection: shop
            query: select total from sales where sale_id = :sale
            params: {sale: "{{ record.sale }}"}
        into: found
    - check: {that: "found.total > `5`", code: cheap}
    - map: {id: id, total: found.total}
    """
    pipeline = bench.pipeline([{"id": 1, "sale": "S1"}, {"id": 2, "sale": "S2"}, {"id": 3, "sale": "S3"}], steps)
    assert [stage.label for stage in pipeline.stages] == ["steps[0].filter", "steps[2].lookup", "steps[3].check"]
    result = await bench.run(pipeline)
    assert result.summary["dropped"] == {"steps[0].filter": 1}
    assert bench.sent == [{"id": 1, "total": 10.5}, {"id": 3, "total": 30.0}]


async def test_match_finds_the_row_in_an_answer_to_all(bench):
    steps = """
    - lookup:
        from: {sql: {connection: shop, query: "select * from currencies"}}
        match: {code: money.currency}
        into: money.info
    """
    rows = [{"money": {"currency": "EUR"}}, {"money": {"currency": "BRL"}}]
    await bench.run(bench.pipeline(rows, steps))
    assert [one["money"]["info"]["name"] for one in bench.sent] == ["Euro", "Real"]


async def test_match_compares_as_text_over_several_fields(bench):
    steps = """
    - lookup:
        from: {sql: {connection: shop, query: "select sale_id, branch from sales"}}
        match: {sale_id: sale, branch: "{{ record.branch }}"}
        into: found
        missing: null
    """
    rows = [{"sale": "s1", "branch": "1"}, {"sale": "s1", "branch": 2}, {"sale": "s3", "branch": 2}]
    await bench.run(bench.pipeline(rows, steps))
    assert [bool(one["found"]) for one in bench.sent] == [True, False, True]


async def test_all_gives_a_list_and_nothing_an_empty_one(bench):
    steps = """
    - lookup:
        from: {sql: {connection: shop, query: "select sale_id from sales where branch = :record.branch order by 1"}}
        into: sales
        all: true
        missing: null
    """
    await bench.run(bench.pipeline([{"branch": 1}, {"branch": 9}], steps))
    assert [[sale["sale_id"] for sale in one["sales"]] for one in bench.sent] == [["s1", "s2"], []]


async def test_what_finds_several_is_rejected(bench):
    steps = LOOKUP.replace("sale_id = :record.sale", "branch = :record.branch")
    await bench.run(bench.pipeline([{"branch": 1}, {"branch": 2}], steps))
    [letter] = await bench.letters()
    assert (letter.code, letter.where, letter.entry) == ("ambiguous", "steps[0].lookup", "steps[0].lookup")
    assert [one["branch"] for one in bench.sent] == [2]


async def test_what_finds_nothing_is_rejected_and_replayed_where_it_failed(bench):
    """The steps before the lookup are not run again; the lookup is asked anew."""
    steps = '- set: {sale: "{{ record.sale ~ 9 }}"}'
    pipeline = bench.pipeline([{"id": 1, "sale": "s"}, {"id": 2, "sale": "s1"}], steps + LOOKUP)
    result = await bench.run(pipeline)
    assert result.summary["rejected"] == 2
    letters = await bench.letters()
    assert {(one.code, one.entry, one.record["sale"]) for one in letters} == {
        ("not-found", "steps[1].lookup", "s9"),
        ("not-found", "steps[1].lookup", "s19"),
    }
    bench.sql("insert into sales values ('s9', 3, 1.5)")
    result = await bench.replay(pipeline)
    assert (result.summary["read"], result.summary["rejected"]) == (2, 1)
    assert [one["found"]["total"] for one in bench.sent] == [1.5]


async def test_what_fails_behind_a_lookup_is_looked_up_again(bench):
    steps = LOOKUP + '- check: {that: "found.total < `15`", code: dear}\n'
    pipeline = bench.pipeline(PAYMENTS[:2], steps)
    await bench.run(pipeline)
    [letter] = await bench.letters()
    assert (letter.code, letter.entry, letter.record) == ("dear", "", PAYMENTS[1])
    bench.sql("update sales set total = 5 where sale_id = 's2'")
    await bench.replay(pipeline)
    assert [one["found"]["total"] for one in bench.sent] == [10.5, 5.0]


async def test_null_finds_nothing_and_a_missing_field_rejects(bench):
    pipeline = bench.pipeline([{"sale": None}, {"other": 1}], LOOKUP)
    await bench.run(pipeline)
    assert sorted(one.code for one in await bench.letters()) == ["not-found", "refused"]


async def test_missing_null_puts_null(bench):
    pipeline = bench.pipeline([{"sale": "s7"}], LOOKUP + "    missing: null\n")
    await bench.run(pipeline)
    assert bench.sent == [{"sale": "s7", "found": None}]


async def test_when_leaves_the_others_alone(bench):
    pipeline = bench.pipeline(PAYMENTS[:2], LOOKUP + "    when: id == `1`\n")
    await bench.run(pipeline)
    assert ["found" in one for one in bench.sent] == [True, False]


async def test_a_cache_answers_later_runs_of_the_same_revision(bench):
    """Control: without a cache the second run sees the change."""
    for cache, seen in (("    cache: {ttl: 1h}\n", 10.5), ("", 99.0)):
        bench.sql("update sales set total = 10.5 where sale_id = 's1'")
        pipeline = bench.pipeline(PAYMENTS[:1], LOOKUP + cache)
        await bench.run(pipeline)
        bench.sql("update sales set total = 99 where sale_id = 's1'")
        await bench.run(pipeline)
        assert bench.sent[-1]["found"]["total"] == seen
        assert (await bench.run(bench.pipeline(PAYMENTS[:1], LOOKUP + cache))) is not None
        assert bench.sent[-1]["found"]["total"] == 99.0, "a new revision asks"


async def test_what_arrives_before_its_sale_waits_for_it(bench):
    """retry_for asks again until the sale is there."""
    pipeline = bench.pipeline([{"id": 1, "sale": "s8"}], LOOKUP + "    missing: {retry_for: 30s}\n")

    def late(event):
        if isinstance(event, CallRetried):
            bench.sql("insert into sales values ('s8', 3, 8)")

    bench.events = type("Events", (list,), {"append": lambda self, event: late(event)})()
    result = await bench.run(pipeline)
    assert result.summary["status"] == "success"
    assert bench.sent[0]["found"]["total"] == 8.0


async def test_told_to_stop_it_waits_no_longer_and_nothing_is_lost(bench):
    pipeline = bench.pipeline([{"id": 1, "sale": "s8"}], LOOKUP + "    missing: {retry_for: 1h}\n")
    stop = asyncio.Event()
    bench.events = type(
        "Events", (list,), {"append": lambda self, event: stop.set() if isinstance(event, CallRetried) else None}
    )()
    async with asyncio.timeout(10):
        result = await bench.run(pipeline, stop)
    assert (result.summary["status"], result.summary["rejected"]) == ("cancelled", 0)
    bench.sql("insert into sales values ('s8', 3, 8)")
    bench.events = []
    await bench.run(pipeline)
    assert [one["id"] for one in bench.sent] == [1]


async def test_a_dry_run_asks_and_does_not_wait(bench):
    pipeline = bench.pipeline([{"sale": "s1"}, {"sale": "s8"}], LOOKUP + "    missing: {retry_for: 1h}\n")
    async with asyncio.timeout(10):
        result = await bench.run(pipeline, dry_run=True)
    assert [(one.mapped and one.mapped["found"]["total"], one.problem) for one in result.previews] == [
        (10.5, ""),
        (None, "not-found: nothing is found in shop"),
    ]
    assert bench.sent == []


async def test_a_database_that_is_gone_fails_the_run_and_the_next_asks_again(bench):
    pipeline = bench.pipeline(PAYMENTS, LOOKUP, "resilience: {retry: {attempts: 2, initial: 0s}}\n")
    (bench.folder / "shop.db").rename(bench.folder / "away.db")
    result = await bench.run(pipeline)
    assert (result.summary["status"], result.summary["error"]["code"]) == ("failed", "misconfigured")
    assert (bench.sent, await bench.letters()) == ([], [])
    (bench.folder / "away.db").rename(bench.folder / "shop.db")
    await bench.run(pipeline)
    assert len(bench.sent) == 3


async def test_a_sensitive_answer_does_not_stand_in_a_reason(bench):
    """Control: without `sensitive` it does."""
    for sensitive, shown in (("true", "***"), ("false", "20.25")):
        check = '- check: {that: id == `1`, message: "it is {{ record.found.total }}"}'
        steps = f"{LOOKUP}    sensitive: {sensitive}\n{check}\n"
        await bench.run(bench.pipeline(PAYMENTS[:2], steps))
        letters = await bench.letters()
        assert [one.message for one in letters if one.message.endswith(shown)] == [f"it is {shown}"]
