"""Problems for people: the caret stands under the right sign whatever the line has in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli.formats.cells import cut, safe, width
from engine.cli.formats.text import footer, render
from engine.errors import Problem
from engine.telemetry.look import PLAIN, Look

TERMINAL = Look(terminal=True, color=False, unicode=True, width=80)


def problem(line: int = 1, column: int = 1, severity: str = "error", hint: str = "do that") -> Problem:
    return Problem("a.yaml", line, column, "bad-value", severity, "x.y", "it is wrong", hint)  # type: ignore[arg-type]


def shown(root: Path, text: str | bytes, one: Problem, look: Look = TERMINAL) -> list[str]:
    (root / "a.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return render(one, look, root)


def cells_before(line: str, sign: str) -> int:
    return width(line[: line.index(sign)])


@pytest.mark.parametrize(
    "before",
    ["", "é: ", "漢字: ", "cafe\u0301: ", "ｆｕｌｌ: ", "😀 ", "\t", "a\t漢\té "],
    ids=["nothing", "accent", "wide", "combining", "full width", "emoji", "tab", "all"],
)
def test_the_caret_stands_under_the_token(tmp_path: Path, before: str) -> None:
    lines = shown(tmp_path, f"{before}wrong\n", problem(column=len(before) + 1))
    assert cells_before(lines[1], "wrong") == cells_before(lines[2], "^")
    assert lines[2].count("^") == 5
    assert lines[2].endswith(" do that")


def test_a_wide_token_has_as_many_carets_as_cells(tmp_path: Path) -> None:
    assert shown(tmp_path, "漢字: 1\n", problem())[2].count("^") == 4


def test_a_long_line_is_shown_around_the_place(tmp_path: Path) -> None:
    text = "漢" * 300 + " needle " + "y" * 5000
    lines = shown(tmp_path, text, problem(column=302))
    assert cells_before(lines[1], "needle") == cells_before(lines[2], "^")
    assert max(map(width, lines)) <= 80
    assert lines[1].endswith("…")


def test_a_line_of_a_megabyte_is_no_wall_of_text(tmp_path: Path) -> None:
    lines = shown(tmp_path, "x" * 1_000_000, problem(column=500_000))
    assert max(map(width, lines)) <= 80


def test_what_is_not_utf8_is_shown_all_the_same(tmp_path: Path) -> None:
    lines = shown(tmp_path, b"ok: 1\ncaf\xe9: wrong\n", problem(line=2, column=7))
    assert cells_before(lines[2], "wrong") == cells_before(lines[3], "^")


def test_nothing_in_a_file_or_message_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    """Not from the source, not from the words: an escape sequence could rewrite what was said."""
    evil = replace(problem(column=6), message="'\x1b[2J\x07' is\nwrong", hint="\x9b31m")
    for look in (TERMINAL, PLAIN):
        told = "".join(shown(tmp_path, "a: \x1b[31mb\u202e\n", evil, look))
        assert not {"\x1b", "\x07", "\x9b", "\n", "\u202e"} & {*told}


def test_a_warning_has_its_source_and_caret_too(tmp_path: Path) -> None:
    lines = shown(tmp_path, "a\nb\nc: DEBIT\n", problem(3, 4, "warning"))
    assert lines == [
        "a.yaml:3:4: warning[bad-value] x.y: it is wrong",
        "    1 │ a",
        "    2 │ b",
        "    3 │ c: DEBIT",
        "      │    ^^^^^ do that",
    ]


def test_colours_are_for_terminals_only(tmp_path: Path) -> None:
    colourful = Look(terminal=True, color=True, unicode=True, width=80)
    assert "\x1b[33m^^^^^" in "".join(shown(tmp_path, "DEBIT", problem(severity="warning"), colourful))
    assert shown(tmp_path, "DEBIT", problem(), PLAIN) == [str(problem())]


def test_a_hint_that_does_not_fit_stands_below(tmp_path: Path) -> None:
    lines = shown(tmp_path, "wrong", problem(hint="h" * 75))
    assert lines[-1] == f"      help: {'h' * 75}"


@pytest.mark.parametrize("place", [(0, 1), (99, 1)])
def test_a_place_beyond_the_file_has_no_source(tmp_path: Path, place: tuple[int, int]) -> None:
    assert shown(tmp_path, "a\n", problem(*place)) == [
        f"a.yaml:{place[0]}:{place[1]}: error[bad-value] x.y: it is wrong",
        "      help: do that",
    ]


def test_lines_are_counted_as_yaml_counts_them(tmp_path: Path) -> None:
    """CR and CRLF end a line, a form feed does not."""
    lines = shown(tmp_path, "a\r\nb\x0cb\rwrong\n", problem(line=3))
    assert lines[3].endswith("wrong")


def test_the_footer_is_a_command_to_type() -> None:
    assert footer(["a"], PLAIN) == "more:  engine explain a"
    assert footer(["a", "b"], PLAIN) == "more:  engine explain a      also: b"


def test_cells() -> None:
    assert (width("aé漢"), width("e\u0301"), safe("a\tb\x00"), cut("漢字漢字", 5, "…")) == (4, 1, "a b\ufffd", "漢字…")


# through the command line

WRONG = Problem("pipelines/t.yaml", 1, 1, "unknown-key", "error", "", "'pipline' is not an option", "did you mean?")
CONSTANT = Problem("pipelines/t.yaml", 2, 4, "looks-constant", "warning", "mapping.b", "'B' is read as a field")


@pytest.fixture
def broken(world):
    (world.root / "pipelines").mkdir()
    (world.root / "pipelines/t.yaml").write_text("pipline: a\nb: B\n")
    world.problems = [WRONG, CONSTANT]
    return world


def test_a_terminal_is_told_where_there_is_more(broken, run) -> None:
    told = run("validate", terminal=True).told.splitlines()
    assert told[-1] == "more:  engine explain unknown-key      also: looks-constant"
    assert "engine explain" not in run("validate").err


def test_strict_says_warnings_as_what_they_are_and_fails(broken, run) -> None:
    broken.problems = [CONSTANT]
    assert run("validate").code == 0
    seen = run("validate", "--strict")
    assert seen.code == 2
    assert "warning[looks-constant]" in seen.err
    assert "error" not in seen.err.replace("0 errors", "")
    assert "--strict" in seen.err


def test_quiet_and_strict_still_say_what_failed(broken, run) -> None:
    broken.problems = [CONSTANT]
    assert "looks-constant" in run("validate", "-q", "--strict").err
    assert "looks-constant" not in run("validate", "-q").err


def test_github_actions_get_their_own_format_by_themselves(broken, run) -> None:
    seen = run("validate", GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(broken.root.parent))
    assert seen.code == 2
    name = broken.root.name
    assert seen.out.splitlines()[0].startswith(f"::error file={name}/pipelines/t.yaml,line=1,col=1,")
    assert "1 error, 1 warning in 1 of 4 files" in seen.err
    assert run("validate", "--format", "text", GITHUB_ACTIONS="true").out == ""
    assert run("validate", GITHUB_ACTIONS="false").out == ""


@pytest.mark.parametrize("form", ["json", "sarif", "gitlab"])
def test_formats_for_programs_are_json_with_secrets_masked(broken, run, form: str) -> None:
    broken.problems = [replace(WRONG, message="it says hub-secret-canary", hint="hub-secret-canary")]
    seen = run("validate", "--format", form)
    assert (seen.code, seen.err) == (2, "")
    json.loads(seen.out)
    assert "canary" not in seen.out
    assert "***" in seen.out


@pytest.mark.parametrize("form", ["junit", "github"])
def test_a_secret_that_is_escaped_is_masked_before(broken, run, form: str) -> None:
    object.__setattr__(broken.project, "secrets", frozenset({"a<b:canary%"}))
    broken.problems = [replace(WRONG, message="it says a<b:canary%")]
    assert "canary" not in run("validate", "--format", form).out


def test_formats_go_to_stdout_and_say_good_projects_too(world, run) -> None:
    for form in ("json", "sarif", "junit", "gitlab"):
        seen = run("validate", "--format", form)
        assert (seen.code, seen.err) == (0, "")
        assert seen.out


def test_github_says_that_all_is_well(world, run) -> None:
    seen = run("validate", "--format", "github")
    assert (seen.code, seen.out) == (0, "")
    assert seen.err.startswith("no problems in 4 files")
