"""The step ``lookup``: what is asked, remembered, awaited and rejected, with an injected clock."""

from dataclasses import replace

import pytest

from engine.errors import CircuitOpen, Disconnected, Misconfigured, RecordError, Rejected, Transient, Uncertain
from engine.events import CallRetried
from engine.pipeline import CachePlan
from engine.policy import Resilience
from engine.runtime import lookups
from engine.runtime.connections import Stopped

from .asking_bench import Bench, key_of, received, stopped


@pytest.fixture
def bench():
    return Bench(lambda record: [{"id": record["id"], "name": f"n{record['id']}"}])


def ids(*numbers):
    return [{"id": number} for number in numbers]


def names(emission):
    return [record["found"] and record["found"]["name"] for record in emission.records]


async def test_a_question_is_asked_once_for_all_records_of_a_chunk(bench):
    out = await bench.look(bench.plan(), ids(1, 2, 1, 1, 2))
    assert names(out) == ["n1", "n2", "n1", "n1", "n2"]
    assert sorted(record["id"] for record in bench.asked) == [1, 2]
    assert out.origin == range(5)


async def test_questions_are_asked_side_by_side_but_not_too_many(bench):
    await bench.look(bench.plan(), ids(*range(20)))
    assert bench.most == lookups.AT_ONCE


async def test_without_a_cache_nothing_is_remembered(bench):
    plan = bench.plan()
    for _ in range(2):
        await bench.look(plan, ids(1))
    assert len(bench.asked) == 2


async def test_a_cache_outlives_a_run_until_its_time_is_over(bench):
    plan = bench.plan(cache=CachePlan(60, 10))
    for at, asked in ((1000, 1), (1059, 1), (1061, 2), (1062, 2)):
        bench.at = at
        await bench.look(plan, ids(1))
        assert len(bench.asked) == asked, at


async def test_another_revision_does_not_share_it(bench):
    cache = CachePlan(60, 10)
    await bench.look(bench.plan(cache=cache), ids(1))
    await bench.look(bench.plan(cache=cache), ids(1))
    assert len(bench.asked) == 2


async def test_nothing_is_remembered_for_a_tenth_of_the_time(bench):
    bench.answer = lambda record: []
    plan = bench.plan(cache=CachePlan(60, 10), missing="null")
    for at, asked in ((1000, 1), (1005, 1), (1007, 2)):
        bench.at = at
        await bench.look(plan, ids(1))
        assert len(bench.asked) == asked, at


async def test_a_cache_keeps_the_answers_used_last(bench):
    plan = bench.plan(cache=CachePlan(60, 2))
    for number in (1, 2, 1, 3, 1, 2):
        await bench.look(plan, ids(number))
    assert [record["id"] for record in bench.asked] == [1, 2, 3, 2]


async def test_failures_are_not_remembered(bench):
    plan = bench.plan(cache=CachePlan(60, 10))
    bench.answer = lambda record: Rejected("no")
    await bench.look(plan, ids(1))
    bench.answer = lambda record: [{"name": "n"}]
    assert names(await bench.look(plan, ids(1))) == ["n"]


async def test_one_answer_serves_many_records_by_match(bench):
    bench.answer = lambda record: [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    plan = bench.plan(question=lambda names: None, match=key_of, row_match=lambda row: str(row["id"]), missing="null")
    out = await bench.look(plan, [{"id": 2}, {"id": "1"}, {"id": 3}, {"id": None}])
    assert names(out) == ["b", "a", None, None]
    assert len(bench.asked) == 1


async def test_a_match_value_that_is_missing_rejects_unless_null_is_fine(bench):
    plan = bench.plan(question=lambda names: None, match=key_of, row_match=lambda row: str(row["id"]))
    out = await bench.look(plan, ids(None))
    assert {index: failure.code for index, failure in out.failed.items()} == {0: "missing-key"}


async def test_retry_for_asks_again_with_growing_waits_until_it_is_there(bench):
    bench.answer = lambda record: [{"name": "late"}] if bench.at >= 1004 or record["id"] == 1 else []
    out = await bench.look(bench.plan(retry_for=60.0), ids(1, 2))
    assert names(out) == ["late", "late"]
    assert bench.waits == [0.25, 0.5, 1.0, 2.0, 4.0][: len(bench.waits)]
    assert [record["id"] for record in bench.asked].count(1) == 1, "what is found is not asked again"
    assert [event.attempt for event in bench.events if isinstance(event, CallRetried)] == [1, 2, 3, 4, 5]


async def test_retry_for_rejects_when_the_time_is_over(bench):
    bench.answer = lambda record: []
    out = await bench.look(bench.plan(retry_for=10.0), ids(1))
    assert (out.failed[0].code, sum(bench.waits)) == ("not-found", 10.0)
    assert "within 10 s" in out.failed[0].message


@pytest.mark.parametrize(("ago", "waited"), [(0, 10.0), (7, 3.0), (11, 0.0)])
async def test_accepted_work_waits_from_when_it_was_received(bench, ago, waited):
    bench.answer = lambda record: []
    await bench.look(bench.plan(retry_for=10.0), ids(1), [received(ago)])
    assert sum(bench.waits) == waited
    assert bench.asked, "it is asked once however old it is"


async def test_waiting_ends_when_the_run_is_told_to_stop(bench):
    bench.answer = lambda record: []
    bench.before_sleep = stopped
    with pytest.raises(Stopped):
        await bench.look(bench.plan(retry_for=1e9), ids(1))


async def test_a_remembered_nothing_does_not_stop_it_from_asking_again(bench):
    bench.answer = lambda record: [{"name": "late"}] if bench.at >= 1001 else []
    plan = bench.plan(retry_for=60.0, cache=CachePlan(3600, 10))
    assert names(await bench.look(plan, ids(1))) == ["late"]


async def test_a_dry_run_does_not_wait(bench):
    bench.answer = lambda record: []
    out = await bench.look(bench.plan(retry_for=60.0), ids(1), dry=True)
    assert (out.failed[0].code, bench.waits) == ("not-found", [])


@pytest.mark.parametrize(
    ("error", "code"), [(Rejected("bad id"), "refused"), (RecordError("type", "no", "x.y"), "type")]
)
async def test_a_refused_question_rejects_its_records_only(bench, error, code):
    bench.answer = lambda record: error if record["id"] == 2 else [{"name": "n"}]
    out = await bench.look(bench.plan(), ids(1, 2, 3, 2))
    assert {index: failure.code for index, failure in out.failed.items()} == {1: code, 3: code}
    assert list(out.origin) == [0, 2]


@pytest.mark.parametrize(
    ("error", "tries"),
    [(Transient("busy"), 3), (Disconnected("gone"), 3), (Uncertain("lost"), 3), (Misconfigured("no table"), 1),
     (CircuitOpen("shop", 5.0), 1)],
)  # fmt: skip
async def test_what_keeps_all_from_going_on_is_raised_after_the_tries_of_a_read(bench, error, tries):
    bench.answer = lambda record: error
    with pytest.raises(type(error)):
        await bench.look(bench.plan(), ids(1))
    assert len(bench.asked) == tries


async def test_a_failed_question_ends_the_others(bench):
    """Control for leaks: with tasks left behind the test run itself would complain."""
    bench.answer = lambda record: Misconfigured("no") if record["id"] == 3 else [{"name": "n"}]
    with pytest.raises(Misconfigured):
        await bench.look(bench.plan(), ids(*range(50)))
    assert len(bench.asked) < 50


async def test_an_answer_without_end_is_refused(bench, monkeypatch):
    monkeypatch.setattr(lookups, "MOST", 10)
    bench.answer = lambda record: [{"name": "n"}] * 11
    with pytest.raises(Misconfigured, match="narrow the question"):
        await bench.look(bench.plan(many=True), ids(1))


async def test_a_condition_that_is_none_rejects(bench):
    def when(record, meta, given, frame):
        if record["id"] == 2:
            raise RecordError("condition", "gave null", "steps[0].lookup.when")
        return record["id"] == 1

    out = await bench.look(bench.plan(when=when), ids(1, 2, 3))
    assert [("found" in record) for record in out.records] == [True, False]
    assert out.failed[1].code == "condition"


async def test_records_are_not_changed_in_place(bench):
    records = [{"id": 1, "a": {"b": 1}}]
    out = await bench.look(bench.plan(into=("a", "c")), records)
    assert out.records[0]["a"]["b"] == 1
    assert out.records[0]["a"]["c"]["name"] == "n1"
    assert records == [{"id": 1, "a": {"b": 1}}]


@pytest.mark.parametrize("record", ["text", {"id": 1, "a": "text"}])
async def test_into_needs_objects_on_its_way(bench, record):
    plan = bench.plan(into=("a", "c"), question=lambda names: 1)
    bench.answer = lambda record: [{"name": "n"}]
    out = await bench.look(plan, [record])
    assert out.failed[0].code == "type"


async def test_what_the_remote_says_shows_no_sensitive_value(bench):
    """Control: without the mask the value stands in the text."""
    bench.answer = lambda record: Rejected(f"no such document {record['id']}")
    for mask, shown in ((lambda record: {**record, "id": "***"}, "***"), (lambda record: record, "12345678909")):
        out = await bench.look(bench.plan(), ids("12345678909"), mask=mask)
        assert out.failed[0].message == f"no such document {shown}"


async def test_its_own_tries_are_those_of_its_resilience(bench):
    bench.policy = replace(Resilience(), retry=replace(bench.policy.retry, attempts=1))
    bench.answer = lambda record: Transient("busy")
    with pytest.raises(Transient):
        await bench.look(bench.plan(), ids(1))
    assert len(bench.asked) == 1
