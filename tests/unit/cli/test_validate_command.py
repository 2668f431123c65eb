"""``engine validate``: problems where people look for them, in the form they can use there."""

from __future__ import annotations

import json

import pytest

from engine.errors import Problem

SOURCE = """\
target:
  graphql:
    connection: automation-hub
    varables: {transactions: "{{ records }}"}
"""

UNKNOWN = Problem(
    "pipelines/t.yaml", 4, 5, "unknown-key", "error", "target.graphql", "'varables' is not an option",
    "did you mean 'variables'?",
)  # fmt: skip
CONSTANT = Problem(
    "pipelines/b.yaml", 14, 9, "looks-constant", "warning", "mapping.type", "'BANCO' is read as a field of the record",
    "for the text write {$const: BANCO}",
)  # fmt: skip


@pytest.fixture
def broken(world):
    (world.root / "pipelines").mkdir()
    (world.root / "pipelines/t.yaml").write_text(SOURCE)
    world.problems, world.expression_problems = [UNKNOWN], []
    return world


def test_a_terminal_sees_the_source_and_a_caret(broken, run) -> None:
    seen = run("validate", terminal=True)
    assert seen.code == 2
    assert seen.told.splitlines()[:5] == [
        "pipelines/t.yaml:4:5: error[unknown-key] target.graphql: 'varables' is not an option",
        "    2 │   graphql:",
        "    3 │     connection: automation-hub",
        '    4 │     varables: {transactions: "{{ records }}"}',
        "      │     ^^^^^^^^ did you mean 'variables'?",
    ]


def test_a_warning_is_short_and_helps(world, run) -> None:
    world.problems = [CONSTANT]
    seen = run("validate", terminal=True)
    assert seen.code == 0
    assert seen.told.splitlines()[:2] == [
        "pipelines/b.yaml:14:9: warning[looks-constant] mapping.type: 'BANCO' is read as a field of the record",
        "      help: for the text write {$const: BANCO}",
    ]
    assert run("validate", "--strict").code == 2


def test_piped_it_is_one_line_a_problem(broken, run) -> None:
    broken.problems = [CONSTANT, UNKNOWN]
    lines = run("validate").err.splitlines()
    assert lines[:2] == [str(CONSTANT), str(UNKNOWN)]
    assert lines[2].startswith("1 error, 1 warning in 2 of 4 files (")


def test_json_is_the_shape_others_build_on(broken, run) -> None:
    seen = run("validate", "--format", "json")
    assert seen.code == 2
    assert seen.err == ""
    assert json.loads(seen.out) == {
        "problems": [
            {
                "file": "pipelines/t.yaml", "line": 4, "column": 5, "code": "unknown-key", "severity": "error",
                "path": "target.graphql", "message": "'varables' is not an option",
                "hint": "did you mean 'variables'?",
            }
        ],
        "files": 4,
    }  # fmt: skip


def test_no_problems_is_said_and_is_0(world, run) -> None:
    seen = run("validate")
    assert (seen.code, seen.out) == (0, "")
    assert seen.err.startswith("no problems in 4 files (")
    assert run("validate", "-q").err == ""


def test_problems_of_expressions_are_among_them_sorted(broken, run) -> None:
    broken.expression_problems = [
        Problem("pipelines/bank-hub/banks.yaml", 2, 1, "expression", "error", "filters[0]", "unknown token")
    ]
    assert [line.split(":")[0] for line in run("validate").err.splitlines()[:2]] == [
        "pipelines/bank-hub/banks.yaml",
        "pipelines/t.yaml",
    ]


def test_paths_choose_whose_problems_are_told(broken, run) -> None:
    broken.problems = [CONSTANT, UNKNOWN]
    seen = run("validate", "pipelines/t.yaml", "--format", "json")
    listed = json.loads(seen.out)
    assert [one["file"] for one in listed["problems"]] == ["pipelines/t.yaml"]
    assert listed["files"] == 1
    assert run("validate", "pipelines").code == 2
    missing = run("validate", "pipelines/nowhere.yaml")
    assert missing.code == 2
    assert "does not exist" in missing.err


def test_skip_env_reaches_the_loader(world, run) -> None:
    run("validate", "--skip-env")
    assert world.loads[-1]["skip_env"] is True


def test_an_empty_folder_is_not_a_good_project(world, run) -> None:
    """A CI that looks into the wrong folder must not be green."""
    object.__setattr__(world.project, "files", 0)
    seen = run("validate")
    assert seen.code == 2
    assert "engine init" in seen.err


def test_a_project_folder_that_is_not_there_is_usage(run) -> None:
    seen = run("validate", "--project", "nowhere")
    assert seen.code == 2
    assert "the project folder nowhere does not exist" in seen.err


def test_the_environment_wins_over_the_env_file(world, run) -> None:
    (world.root / "my.env").write_text("export A=1\n# note\nB='x y'\nC=\"a\\nb\"\n")
    run("validate", "--env-file", "my.env", B="outside")
    environ = world.loads[-1]["environ"]
    assert (environ["A"], environ["B"], environ["C"]) == ("1", "outside", "a\nb")


def test_a_bad_line_of_the_env_file_is_named_and_not_shown(world, run) -> None:
    (world.root / "my.env").write_text("A=1\nsecret-canary\n")
    seen = run("validate", "--env-file", "my.env")
    assert seen.code == 2
    assert "my.env:2: not NAME=value" in seen.err
    assert "canary" not in seen.err


@pytest.mark.parametrize("where", ["before", "after"])
def test_global_options_may_stand_on_both_sides(world, run, where) -> None:
    option = ["--project", str(world.root)]
    assert run(*(option if where == "before" else []), "validate", *(option if where == "after" else [])).code == 0
    assert world.loads[-1]["root"] == world.root


def test_secrets_in_the_source_line_are_masked(broken, run) -> None:
    (broken.root / "pipelines/t.yaml").write_text('a: 1\nb: 2\nc: 3\n    varables: {x: "hub-secret-canary"}\n')
    seen = run("validate", terminal=True)
    assert "canary" not in seen.err
    assert "***" in seen.err


def test_a_long_line_is_shown_around_the_problem(broken, run) -> None:
    (broken.root / "pipelines/t.yaml").write_text("a\nb\nc\n" + "x" * 200 + " needle " + "y" * 200 + "\n")
    broken.problems = [UNKNOWN._replace(column=202) if hasattr(UNKNOWN, "_replace") else _moved(UNKNOWN, 202)]
    lines = run("validate", terminal=True, COLUMNS="80").told.splitlines()
    row = next(index for index, line in enumerate(lines) if "needle" in line)
    assert lines[row].index("needle") == lines[row + 1].index("^")
    assert max(map(len, lines)) <= 90


def _moved(problem: Problem, column: int) -> Problem:
    from dataclasses import replace

    return replace(problem, column=column)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["valdate"], "no command 'valdate'; did you mean 'validate'?"),
        (["validate", "--formt", "json"], "No such option"),
        (["dead-letters", "lst"], "no command 'lst'; did you mean 'list'?"),
        (["runs", "frobnicate"], "no command 'frobnicate'"),
    ],
)
def test_usage_errors_exit_2_and_say_what_was_meant(run, arguments, said) -> None:
    seen = run(*arguments)
    assert seen.code == 2
    assert said in seen.err


def test_help_and_version_need_no_project(run) -> None:
    assert run("--version").out == "engine 0.1.0\n"
    listed = run("--help").out
    for name in ("validate", "run", "eval", "list", "show", "check", "connectors", "schema", "runs", "dead-letters",
                 "cursor", "init", "new"):  # fmt: skip
        assert f"  {name} " in listed
        assert run(name, "--help").code == 0
