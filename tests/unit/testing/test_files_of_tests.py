"""Files of tests are read with the same care as all others, and hinder nothing that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.definition.loader import load
from engine.definition.lookup import MadeUp, stand_in
from tests.unit.testing.testing_bench import CRM, PIPELINE, written

HEAD = "tests:\n  - test: one\n    pipeline: orders\n"


def problems(root: Path, tests: str, **more: str) -> list[str]:
    files = {"pipelines/o.yaml": PIPELINE, "connections/c.yaml": CRM, "pipelines/o.test.yaml": tests, **more}
    _, found = load(
        written(root, files).resolve(), environ={"CRM_URL": "http://x", "DB_URL": "sqlite:///x"}, skip_env=True
    )
    return [str(one).removeprefix("pipelines/o.test.yaml:") for one in found if one.severity == "error"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("    record: []\n", "4:5: error[unknown-key] tests[0]: 'record' is not an option; did you mean 'records'?"),
        ("    mocks: {}\n", "4:5: error[unknown-key] tests[0]: 'mocks' is not an option; did you mean 'responses'?"),
        ("    expect: {send: []}\n",
         "4:14: error[unknown-key] tests[0].expect: 'send' is not an option; did you mean 'sent'?"),
        ("    responses: {crn: []}\n",
         "4:17: error[unknown-connection] tests[0].responses.crn: there is no connection 'crn'; did you mean 'crm'?"),
        ("    responses: {db: []}\n",
         "4:17: error[wrong-connection] tests[0].responses.db: orders does not use the connection 'db'; it uses: cr"),
        ("    params: {ful: true}\n",
         "4:14: error[unknown-param] tests[0].params.ful: orders has no param 'ful'; did you mean 'full'?"),
        ("    params: {full: 3}\n",
         "4:20: error[param-type] tests[0].params.full: this does not fit the param 'full' of orders"),
        ("    trigger: nigtly\n",
         "4:14: error[unknown-trigger] tests[0].trigger: orders has no trigger 'nigtly'; did you mean 'nightly'?"),
        ("    webhook: {}\n",
         "4:5: error[unknown-trigger] tests[0].webhook: orders has no webhook; give records: in its place"),
        ("    expect: {sent: {crm: []}}\n",
         "4:21: error[unknown-target] tests[0].expect.sent.crm: orders has no target 'crm'; there are: target"),
        ("    expect: {dropped: {steps: 1}}\n",
         "4:24: error[unknown-key] tests[0].expect.dropped: orders has no filter at 'steps'; there are: filters[0]"),
        ("    expect: {reply: {status: 200}}\n",
         "4:14: error[missing-key] tests[0].expect.reply: 'reply' is what a caller is told, and the test makes no c"),
        ("    expect: {sent: {}}\n", "4:20: error[bad-value] tests[0].expect.sent: is empty"),
        ("    expect: {cursor: {}}\n", "4:22: error[bad-value] tests[0].expect.cursor: is empty"),
        ("    expect: {dropped: {}}\n", "4:23: error[bad-value] tests[0].expect.dropped: is empty"),
        ("    records: [{$record: {id: 1}, $mta: {}}]\n",
         "4:34: error[unknown-key] tests[0].records[0]: '$mta' cannot stand beside '$record'; did you mean '$meta'?"),
        ("    responses: {crm: [{json: {}, text: a}]}\n",
         "4:34: error[too-many] tests[0].responses.crm[0]: 'text' cannot stand beside 'json'; keep one"),
        ("    responses: {crm: [{status: 200, error: cut}]}\n",
         "4:24: error[too-many] tests[0].responses.crm[0]: 'status' cannot stand beside 'error'; keep one"),
        ("    now: yesterday\n", "4:10: error[bad-value] tests[0].now: 'yesterday' is not a moment"),
        ("    now: 2026-02-30\n", "4:10: error[bad-value] tests[0].now: there is no moment '2026-02-30'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_once_at_its_place(tmp_path: Path, body: str, told: str) -> None:
    (found,) = problems(tmp_path, HEAD + body)
    assert found.startswith(told)


def test_a_test_without_a_pipeline(tmp_path: Path) -> None:
    assert problems(tmp_path, "tests:\n  - test: one\n    pipeline: order\n") == [
        "3:15: error[unknown-pipeline] tests[0].pipeline: there is no pipeline 'order'; did you mean 'orders'?"
    ]
    assert "'pipeline' is missing" in problems(tmp_path, "tests:\n  - test: one\n")[0]


def test_two_tests_of_one_name(tmp_path: Path) -> None:
    again = HEAD + "  - test: one\n    pipeline: orders\n"
    assert problems(tmp_path, again)[0].startswith(
        "4:11: error[duplicate-test] tests[1].test: there is a test 'one' already"
    )
    assert problems(tmp_path, again.replace("one\n    pipeline: orders\n  -", "two\n    pipeline: orders\n  -")) == []


def test_a_test_is_about_one_instance(tmp_path: Path) -> None:
    source = "source: {inline: {rows: [{id: 1}]}}\ntarget: {console: {}}\n"
    files = {"pipelines/m.yaml": "pipeline: many\nfor_each: {items: [{k: a}], key: k}\n" + source}
    tests = "tests:\n  - test: one\n    pipeline: many\n"
    (told,) = problems(tmp_path, tests, **files)
    assert told.startswith("3:15: error[unknown-pipeline] tests[0].pipeline: 'many' has for_each")
    assert told.endswith("write many[a]")
    assert problems(tmp_path, tests.replace("many", "many[a]"), **files) == []


def test_each_row_is_checked(tmp_path: Path) -> None:
    tests = (
        "tests:\n  - test: t ${each.n}\n    pipeline: orders\n    each: [{n: a, d: 1}, {n: b, d: -1}]\n"
        '    expect: {dropped: "${each.d}"}\n'
    )
    assert [one[:30] for one in problems(tmp_path, tests)] == ["4:26: error[bad-value] tests[0"]
    assert "did you mean 'd'?" in problems(tmp_path, tests.replace("${each.d}", "${each.dd}"))[0]


def test_a_secret_is_no_word_of_a_test(tmp_path: Path) -> None:
    told = problems(tmp_path, HEAD + '    records: [{key: "${secret:crm-token}"}]\n')
    assert "error[secret-in-mapping]" in told[0]


def test_a_pipeline_has_no_tests_of_its_own(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, HEAD, **{"pipelines/o.yaml": PIPELINE + "tests: []\n"})
    assert "it belongs to a file of its own beside this one: NAME.test.yaml" in told


def test_a_broken_test_hinders_nothing_that_serves(tmp_path: Path) -> None:
    """The control: the same project with its tests has the problem."""
    files = {"pipelines/o.yaml": PIPELINE, "connections/c.yaml": CRM, "pipelines/o.test.yaml": "tests: [{tset: x}]\n"}
    root = written(tmp_path, files).resolve()
    served, found = load(root, environ={}, skip_env=True, tests=False)
    assert ([one.code for one in found], list(served.pipelines)) == (["unused"], ["orders"])
    assert "unknown-key" in [one.code for one in load(root, environ={}, skip_env=True)[1]]


def test_made_up_secrets_are_the_same_every_time_and_nobodys(tmp_path: Path) -> None:
    root = written(
        tmp_path, {"connections/c.yaml": CRM, "secrets/crm-token": "the-real-one", ".env": "CRM_URL=http://real\n"}
    )
    project, found = load(root.resolve(), environ=MadeUp(), skip_env=True)
    options = project.connections["crm"].use.options
    assert options["auth"] == {"bearer": stand_in("crm-token")}
    assert options["base_url"].startswith("https://crm.example.com")
    assert [one for one in found if one.severity == "error"] == []
    real, _ = load(root.resolve(), environ={}, skip_env=True)
    assert real.connections["crm"].use.options["auth"] == {"bearer": "the-real-one"}  # the control
