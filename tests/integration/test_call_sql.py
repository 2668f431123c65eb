"""The step ``call`` on a real database: rows and counts come back, what is refused leaves no trace."""

from __future__ import annotations

import pytest

from .asking_rig import shop

NUMBER = """
- call:
    sql:
      connection: shop
      statement: "update counters set value = value + 1 where name = :record.series returning value"
      affects: 1
      otherwise: no such series
    into: number
"""


@pytest.fixture
async def bench(tmp_path):
    async with shop(tmp_path) as made:
        yield made


async def test_the_rows_of_a_statement_come_back(bench):
    pipeline = bench.pipeline([{"series": "invoice"}] * 3, NUMBER + "- set: {number: 'number.rows[0].value'}\n")
    await bench.run(pipeline)
    assert [one["number"] for one in bench.sent] == [101, 102, 103]
    assert bench.sql("select value from counters") == [(103,)]


async def test_what_touches_other_rows_than_it_should_is_rejected(bench):
    await bench.run(bench.pipeline([{"series": "other"}, {"series": "invoice"}], NUMBER))
    [letter] = await bench.letters()
    assert (letter.code, letter.message, letter.entry) == ("refused", "no such series", "steps[0].call")
    assert bench.sql("select value from counters") == [(101,)]


async def test_what_is_refused_behind_the_effect_leaves_no_trace(bench):
    steps = NUMBER.replace("affects: 1", "affects: 2")
    await bench.run(bench.pipeline([{"series": "invoice"}], steps))
    assert bench.sql("select value from counters") == [(100,)]


async def test_a_count_comes_back_where_there_are_no_rows(bench):
    steps = """
    - call:
        sql: {connection: shop, statement: "update sales set total = :total where branch = :branch", params: {total: 0}}
        into: done
    """
    await bench.run(bench.pipeline([{"branch": 1}], steps))
    assert bench.sent[0]["done"] == {"count": 2, "rows": []}


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [
        ("insert into sales (sale_id) values (:record.id)", "partial", "refused"),
        ("insert into nowhere values (:record.id)", "failed", None),
    ],
)
async def test_the_databases_no(bench, statement, status, code):
    """A double key is the record's fault, an unknown table the pipeline's."""
    steps = f'- call: {{sql: {{connection: shop, statement: "{statement}"}}}}\n'
    result = await bench.run(bench.pipeline([{"id": "s1"}, {"id": "n1"}], steps))
    assert result.summary["status"] == status
    assert [letter.code for letter in await bench.letters()] == ([code] if code else [])


async def test_a_dry_run_shows_the_statement_with_its_binds(bench):
    result = await bench.run(bench.pipeline([{"series": "invoice"}], NUMBER), dry_run=True)
    shown = result.previews[0]
    assert shown.mapped["binds"] == {"record.series": "invoice"}
    assert shown.mapped["statement"].startswith("update counters")
    assert bench.sql("select value from counters") == [(100,)]
