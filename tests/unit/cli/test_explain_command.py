"""``engine explain``: a page for eyes on a terminal, markdown in a pipe, JSON for programs, a list without a code."""

from __future__ import annotations

import json

import pytest

from engine.cli.explain import SECTIONS
from tests.unit.docs.test_docs_codes import listed, sections


def test_in_a_pipe_it_is_the_page_itself(run) -> None:
    """What a page says can be put into a ticket as it stands."""
    seen = run("explain", "unknown-key")
    assert seen.code == 0
    assert seen.out.startswith("# unknown-key\n\n*Keys and values · error*\n")
    assert "```yaml wrong\n# pipelines/orders.yaml" in seen.out


def test_on_a_terminal_it_is_dressed(run) -> None:
    """Headings are bold, YAML is coloured, links become commands to type; no line is wider than the screen."""
    seen = run("explain", "missing-key", terminal=True, COLUMNS="80")
    assert "\x1b[1mmissing-key\x1b[0m" in seen.out
    assert "```" not in seen.out
    assert "](" not in seen.out
    assert "engine explain missing-field" in seen.seen
    assert seen.seen.index("Wrong") < seen.seen.index("What the engine says") < seen.seen.index("Right")
    assert max(map(len, seen.seen.splitlines())) <= 80


def test_without_colours_there_are_none(run) -> None:
    """NO_COLOR holds here, too."""
    assert "\x1b[3" not in run("explain", "missing-key", terminal=True, NO_COLOR="1").out


def test_what_is_not_known_has_a_nearest(run) -> None:
    """A misspelt code costs one more try."""
    seen = run("explain", "unknwon-key")
    assert seen.code == 2
    assert "did you mean 'unknown-key'?" in seen.told


@pytest.mark.parametrize("written", ["error[unknown-key]", "[unknown-key]", "Unknown-Key"])
def test_a_code_may_be_pasted(run, written: str) -> None:
    """As it stands in a message."""
    assert run("explain", written).out.startswith("# unknown-key\n")


@pytest.mark.parametrize("name", ["../messages", "/etc/passwd", "..", ""])
def test_only_pages_are_shown(run, name: str) -> None:
    """A code is no path."""
    assert run("explain", name).code == 2


def test_without_a_code_all_are_listed(run) -> None:
    """By section, in the order of the index, each with its first sentence."""
    seen = run("explain")
    assert seen.code == 0
    lines = seen.out.splitlines()
    titles = [line for line in lines if line in SECTIONS]
    assert titles == [title for title in SECTIONS if title in titles]
    assert {line.split()[0] for line in lines if line and line not in SECTIONS} == listed()
    assert "unknown-key            There is no such key at this place" in seen.out


def test_the_sections_are_those_of_the_index() -> None:
    """No code is left out of the list because its section is not known."""
    assert [title for title, found in sections().items() if found] == list(SECTIONS)


def test_json(run) -> None:
    """One document for one code, one line a code without."""
    page = json.loads(run("explain", "missing-key", "--json").out)
    assert page["sections"] == ["Keys and values", "Why a record was rejected"]
    assert page["severities"] == ["error"]
    assert page["page"].startswith("# missing-key")
    rows = [json.loads(line) for line in run("explain", "--json").out.splitlines()]
    assert {row["code"] for row in rows} == listed()
