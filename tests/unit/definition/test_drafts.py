"""One mistake does not hide the others: what is right in a wrong pipeline is checked all the same."""

import pytest

from engine.compiler.check import check
from engine.definition.drafts import without
from engine.definition.loader import load

PIPELINE = """\
pipeline: orders
source:
  inline: {rows: [{id: 1}]}
filters:
  - "total > 0"
mapping:
  id: id
  label: "{{ recrd.x }}"
target:
  console: {}
"""


def codes(tmp_path, text, **environ):
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "orders.yaml").write_text(text)
    project, problems = load(tmp_path, environ=environ)
    return project, sorted(problem.code for problem in {*problems, *check(project)})


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("descripton: typo", "unknown-key"),
        ("enabled: perhaps", "wrong-type"),
        ("time_limit: soon", "bad-duration"),
        ("description: ${NOWHERE}", "missing-variable"),
        ("description: ${{ record.x }}", "dollar-template"),
    ],
)
def test_expressions_are_checked_beside_another_mistake(tmp_path, bad, code):
    project, found = codes(tmp_path, PIPELINE + bad + "\n")
    assert found == sorted(["expression", "unknown-name", code])
    assert project.pipelines == {}


def test_a_pipeline_without_a_target_is_checked_as_far_as_it_goes(tmp_path):
    _, found = codes(tmp_path, PIPELINE.replace("target:\n  console: {}\n", ""))
    assert found == ["expression", "missing-key", "unknown-name"]


def test_a_pipeline_that_does_not_hold_together_has_no_draft(tmp_path):
    project, found = codes(tmp_path, PIPELINE.replace("inline:", "outline:"))
    assert project.drafts == ()
    assert found == ["unknown-connector"]


def test_what_is_taken_out_leaves_the_places_of_the_others():
    value = {"a": [{"b": 1, "c": 2}, "x", "y"], "d": 3}
    assert without(value, {("a", 0, "b"), ("a", 1), ("d",)}) == {"a": [{"c": 2}, None, "y"]}
    assert value == {"a": [{"b": 1, "c": 2}, "x", "y"], "d": 3}
