"""The step ``call``: the failure table, order, keys, and what a dry run shows."""

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from engine.connector import Context
from engine.errors import CircuitOpen, Disconnected, Misconfigured, RecordError, Rejected, Transient, Uncertain
from engine.pipeline import CallPlan
from engine.policy import Breaker, CircuitBreaker
from engine.runtime.calls import Showing
from engine.runtime.connections import Shared

from .asking_bench import FRAME, QUICK, Bench, Doing, key_of

WRITTEN = replace(QUICK, retry_written=True)


@pytest.fixture
def bench():
    return Bench()


def ids(*numbers):
    return [{"id": number} for number in numbers]


async def test_each_record_is_called_for_in_order_and_gets_the_answer(bench):
    doing = Doing(lambda record, attempt: {"ok": record["id"]})
    out = await bench.call(doing, ids(3, 1, 2))
    assert [record["answer"]["ok"] for record in out.records] == [3, 1, 2]
    assert [number for number, _ in doing.calls] == [3, 1, 2]


async def test_without_into_the_record_goes_on_as_it_is(bench):
    out = await bench.call(Doing(lambda record, attempt: {"ok": 1}), ids(1), into=())
    assert out.records == [{"id": 1}]


async def test_a_refused_record_is_rejected_and_the_others_go_on(bench):
    doing = Doing(lambda record, attempt: Rejected("no funds") if record["id"] == 2 else {})
    out = await bench.call(doing, ids(1, 2, 3))
    assert (out.failed[1].code, out.failed[1].message) == ("refused", "no funds")
    assert out.failed[1].where == "steps[0].call"
    assert list(out.origin) == [0, 2]


async def test_a_template_that_fails_rejects_its_record(bench):
    doing = Doing(lambda record, attempt: RecordError("missing-field", "no x", "steps[0].call.http.json"))
    out = await bench.call(doing, ids(1))
    assert out.failed[0] == ("missing-field", "no x", "steps[0].call.http.json")


@pytest.mark.parametrize("error", [Transient("busy"), Disconnected("gone")])
async def test_what_passes_is_tried_again(bench, error):
    doing = Doing(lambda record, attempt: {"ok": 1} if attempt == 3 else error)
    out = await bench.call(doing, ids(1))
    assert (len(doing.calls), out.failed) == (3, {})


@pytest.mark.parametrize(
    ("error", "tries"),
    [(Transient("busy"), 3), (Disconnected("gone"), 3), (Misconfigured("401"), 1), (CircuitOpen("x", 1.0), 1)],
)
async def test_what_lasts_is_raised_and_nothing_more_is_called(bench, error, tries):
    doing = Doing(lambda record, attempt: error if record["id"] == 2 else {})
    with pytest.raises(type(error)):
        await bench.call(doing, ids(1, 2, 3))
    assert [number for number, _ in doing.calls] == [1, *[2] * tries]


async def test_a_lost_answer_without_a_key_is_for_people(bench):
    """Control: with a key, or with retry written, it is called again."""
    lost = lambda record, attempt: Uncertain("no answer") if attempt == 1 and record["id"] == 2 else {}  # noqa: E731
    doing = Doing(lost)
    out = await bench.call(doing, ids(1, 2, 3))
    assert out.failed[1].code == "uncertain"
    assert "give the call a `key`" in out.failed[1].message
    assert [number for number, _ in doing.calls] == [1, 2, 3]
    for more in ({"key": key_of}, {"policy": WRITTEN}):
        doing = Doing(lost)
        out = await bench.call(doing, ids(1, 2, 3), **more)
        assert (out.failed, [number for number, _ in doing.calls]) == ({}, [1, 2, 2, 3])


async def test_an_answer_that_stays_lost_ends_the_run_where_it_may_be_called_again(bench):
    doing = Doing(lambda record, attempt: Uncertain("no answer"))
    with pytest.raises(Uncertain):
        await bench.call(doing, ids(1), key=key_of)
    assert len(doing.calls) == 3


async def test_the_key_reaches_the_operation_and_a_missing_one_rejects(bench):
    doing = Doing(lambda record, attempt: {})
    out = await bench.call(doing, ids(7, None), key=key_of)
    assert doing.calls == [(7, "7")]
    assert out.failed[1].code == "missing-key"


async def test_the_breaker_of_the_connection_is_shared(bench):
    shared = Shared("bank", None, Breaker(CircuitBreaker(failures=2, window=60, reset_after=60)), None)
    doing = Doing(lambda record, attempt: Transient("busy"))
    with pytest.raises(CircuitOpen):
        await bench.call(doing, ids(1), shared=shared)
    with pytest.raises(CircuitOpen):
        await bench.call(doing, ids(2), shared=shared)
    assert len(doing.calls) == 2


async def test_what_the_remote_says_shows_no_sensitive_value(bench):
    """Control: without the mask the value stands in the text."""
    doing = Doing(lambda record, attempt: Transient(f"busy with {record['id']}"))
    for mask, shown in ((lambda record: {**record, "id": "***"}, "***"), (lambda record: record, "12345678909")):
        with pytest.raises(Transient, match=shown.replace("*", r"\*")):
            await bench.call(doing, ids("12345678909"), mask=mask)


async def test_a_dry_run_shows_the_call_and_makes_none(bench):
    doing = Doing(lambda record, attempt: {})
    plan = CallPlan("steps[0].call", "table", None, QUICK, lambda context: doing, ("answer",), None, key_of)
    async with AsyncExitStack():
        step = Showing(plan, plan.build(Context("p")), lambda record: record)
        out = await step.ask(ids(7), [{}], ids(7), FRAME)
    assert (out.records, doing.calls) == ([{"id": 7, "answer": None}], [])
    assert [(one.key, one.what) for one in step.shown] == [("7", {"id": 7})]
