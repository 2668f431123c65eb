"""``--update`` writes what came in place of what was expected: only that, and every comment stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.yamltext import flow
from engine.definition.document import read
from engine.definition.document.extents import extents
from engine.testing.suite import Choice, Suite, chosen
from engine.testing.updating import Done, update
from tests.unit.testing.testing_bench import project_of, written

PIPELINE = """\
pipeline: hello
source: {inline: {rows: [{id: 1, name: x}]}}
filters: ["id != `9`"]
mapping: {id: id, label: "{{ record.name | trim | title }}"}
target: {console: {}}
"""


def updated(root: Path, tests: str) -> tuple[str, Done]:
    """Update, and check that the tests pass then."""
    file = root / "pipelines" / "h.test.yaml"
    written(root, {"pipelines/h.yaml": PIPELINE, "pipelines/h.test.yaml": tests})
    project, problems = project_of(root)
    assert not problems
    done = update(root, Suite(project).run(chosen(project, Choice())), flow)
    text = file.read_bytes().decode()
    project, problems = project_of(root)
    assert not problems
    if not done.left:
        assert all(one.passed for one in Suite(project).run(chosen(project, Choice())))
    return text, done


HEAD = "# keep me\ntests:\n  - test: a   # and me\n    pipeline: hello\n    records: [{id: 1, name: ana}]\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    expect: {sent: [{label: ana}]}\n", "    expect: {sent: [{label: Ana}]}\n"),
        ("    expect: {sent: []}  # why\n", "    expect: {sent: [{id: 1, label: Ana}]}  # why\n"),
        (
            "    expect:\n      # why\n      sent:\n        - label: ana    # beside\n",
            "    expect:\n      # why\n      sent:\n        - label: Ana    # beside\n",
        ),
        (
            "    expect:\n      dropped: 3  # none\n      sent: [{id: 1}]\n",
            "    expect:\n      dropped: 0  # none\n      sent: [{id: 1}]\n",
        ),
        ("    expect: {sent: [{id: 1, label: Ana}, {id: 2}]}\n", "    expect: {sent: [{id: 1, label: Ana}]}\n"),
        ("    expect: {sent_exactly: [{id: 1}]}\n", "    expect: {sent_exactly: [{id: 1, label: Ana}]}\n"),
        ("", "    expect: {status: success, sent: [{id: 1, label: Ana}]}\n"),
        ("    expect: {}\n", "    expect: {status: success, sent: [{id: 1, label: Ana}]}\n"),
    ],
)
def test_only_what_differs_is_written(tmp_path: Path, before: str, after: str) -> None:
    got, done = updated(tmp_path, HEAD + before)
    assert got == HEAD + after
    assert done.written == {"pipelines/h.test.yaml": 1}


def test_further_records_are_put_behind_the_others(tmp_path: Path) -> None:
    tests = HEAD.replace("ana}]", "ana}, {id: 2, name: bia}]") + (
        "    expect:\n      sent:\n        - id: 1\n          # inner\n          label: Ana    # end\n\n# last\n"
    )
    got, _ = updated(tmp_path, tests)
    assert "          # inner\n          label: Ana    # end\n        - {id: 2, label: Bia}\n\n# last\n" in got


def test_what_nobody_expected_becomes_an_expectation(tmp_path: Path) -> None:
    got, _ = updated(tmp_path, HEAD.replace(", name: ana", "") + "    expect:\n      sent: []   # none\n")
    assert "      sent: []   # none\n      rejected: [{code: missing-field, reason: name}]\n" in got


def test_a_file_with_windows_line_ends_keeps_them(tmp_path: Path) -> None:
    text = (HEAD.replace(", name: ana", "") + "    expect:\n      sent: []\n").replace("\n", "\r\n")
    written(tmp_path, {"pipelines/h.yaml": PIPELINE})
    (tmp_path / "pipelines/h.test.yaml").write_bytes(text.encode())
    project, _ = project_of(tmp_path)
    update(tmp_path, Suite(project).run(chosen(project, Choice())), flow)
    got = (tmp_path / "pipelines/h.test.yaml").read_bytes().decode()
    assert "rejected" in got
    assert got.count("\n") == got.count("\r\n")


def test_rows_and_stuck_tests_are_left_to_people(tmp_path: Path) -> None:
    tests = (
        "tests:\n  - test: t ${each.n}\n    pipeline: hello\n    each: [{n: a}]\n"
        '    records: [{id: 1, name: "${each.n}"}]\n    expect: {sent: [{label: B}]}\n'
    )
    got, done = updated(tmp_path, tests)
    assert got == tests
    assert "what its rows expect is for you to write" in done.left[0]


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    updated(tmp_path, HEAD + "    expect: {sent: []}\n")
    assert sorted(path.name for path in (tmp_path / "pipelines").iterdir()) == ["h.test.yaml", "h.yaml"]


def test_passing_tests_are_not_touched(tmp_path: Path) -> None:
    tests = HEAD + "    expect: {sent: [{label: Ana}]}\n"
    got, done = updated(tmp_path, tests)
    assert (got, done.written) == (tests, {})


def test_the_extent_of_every_value() -> None:
    text = "a:\n  - x: 1   # c\n    y: |\n      two\n      lines\n\n  - [p, {q: 'r s'}]\nb: end\n"
    known = extents(text)
    value = read("x", text.encode()).value
    assert text[slice(*known["a", 0, "x"][:2])] == "1"
    assert text[slice(*known["a", 1][:2])] == "[p, {q: 'r s'}]"
    assert text[slice(*known["a", 1, 1, "q"][:2])] == "'r s'"
    assert text[slice(*known["a", 0][:2])].endswith("lines")
    assert known["b",].kind == "scalar"
    assert known["a",].column == 2
    assert value["a"][1] == ["p", {"q": "r s"}]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("expect: {sent: [{id: 1},],}", "expect: {sent: [{id: 1}, {id: 2, label: Bia},],}"),
        ("expect:\n      sent: [\n        {id: 1}, # one [two]\n        # three\n      ]",
         "expect:\n      sent: [\n        {id: 1}, {id: 2, label: Bia}, # one [two]\n        # three\n      ]"),
        ("expect: {sent: [ # none ]\n      ]}",
         "expect: {sent: [{id: 1, label: Ana}, {id: 2, label: Bia} # none ]\n      ]}"),
        ("expect: {sent: [{id: 1, label: &who ana}, {id: 2}]}", "expect: {sent: [{id: 1, label: &who Ana}, {id: 2}]}"),
        ("expect: {sent: &all [], x-same: *all}",
         "expect: {sent: &all [{id: 1, label: Ana}, {id: 2, label: Bia}], x-same: *all}"),
    ],
)  # fmt: skip
def test_commas_comments_and_anchors_of_people_stay(tmp_path: Path, before: str, after: str) -> None:
    head = HEAD.replace("ana}]", "ana}, {id: 2, name: bia}]")
    got, done = updated(tmp_path, f"{head}    {before}\n")
    assert (got, done.left) == (f"{head}    {after}\n", [])


def test_what_cannot_be_written_into_a_layout_is_left_and_the_rest_is_written(tmp_path: Path) -> None:
    text = HEAD + (
        "    expect:\n      sent: &all\n        - {id: 1}\n        - {id: 2}\n"
        "  - test: b\n    pipeline: hello\n    records: [{id: 1, name: ana}]\n    expect: {sent: [{label: ana}]}\n"
        "  - test: c\n    pipeline: hello\n    records: [{id: 1, name: a}, {id: 2, name: a}]\n"
        "    expect: {sent: *all}\n"
    )
    got, done = updated(tmp_path, text)
    assert got == text.replace("label: ana", "label: Ana")
    assert len(done.left) == 1
    assert "cannot be written into this layout" in done.left[0]


def test_what_did_not_come_is_left_to_people(tmp_path: Path) -> None:
    text = f"{HEAD}    expect: {{logs: [{{code: retry}}], error: {{code: refused}}}}\n"
    got, done = updated(tmp_path, text)
    assert got == text
    assert [why.partition(" a: ")[2].partition(":")[0] for why in done.left] == ["error.code", "logs[0]"]
