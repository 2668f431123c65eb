"""The step ``lookup`` in files: a small table, a file for each record, and paths that data makes."""

from __future__ import annotations

import pytest

from .asking_rig import shop

TABLE = """
- lookup:
    from: {file: {path: units.csv, format: csv}}
    match: {code: unit}
    into: unit
    cache: {ttl: 1h}
"""
OWN = """
- lookup:
    from: {file: {path: "customers/{{ record.id }}.json", format: json}}
    into: customer
"""


@pytest.fixture
async def bench(tmp_path):
    async with shop(tmp_path) as made:
        yield made


async def test_a_table_is_read_once_and_matched(bench):
    bench.write("units.csv", "code,name\nkg,Quilograma\nun,Unidade\n")
    await bench.run(bench.pipeline([{"unit": "un"}, {"unit": "kg"}, {"unit": "x"}], TABLE))
    assert [one["unit"]["name"] for one in bench.sent] == ["Unidade", "Quilograma"]
    assert [letter.code for letter in await bench.letters()] == ["not-found"]


async def test_each_record_may_have_a_file_of_its_own(bench):
    bench.write("customers/a.json", '{"name": "Ana"}')
    await bench.run(bench.pipeline([{"id": "a"}, {"id": "b"}], OWN))
    assert [one["customer"]["name"] for one in bench.sent] == ["Ana"]
    assert [letter.code for letter in await bench.letters()] == ["not-found"]


@pytest.mark.parametrize("hostile", ["../secret", "*", "x/../../secret", "link/secret", "a\0b", ""])
async def test_a_path_made_of_data_leads_nowhere_else_and_harms_only_its_record(bench, hostile):
    """Control: the file it aims at is there."""
    bench.write("customers/a.json", '{"name": "Ana"}')
    bench.write("secret.json", '{"name": "not yours"}')
    (bench.folder / "customers" / "link").symlink_to(bench.folder.parent)
    (bench.folder.parent / "secret.json").write_text('{"name": "outside"}')
    result = await bench.run(bench.pipeline([{"id": hostile}, {"id": "a"}], OWN))
    assert (result.summary["status"], result.summary["rejected"]) == ("partial", 1)
    assert [one["customer"]["name"] for one in bench.sent] == ["Ana"]
