"""What the pages on serving say of figures, JSON and commands is what there is."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from engine.telemetry.series import Series
from tests.unit.docs.pages import PAGES, ROOT, Block, blocks, every, inline, prose
from tests.unit.docs.test_docs_codes import modules
from tests.unit.docs.test_docs_commands import wrong

HEALTH = ROOT / "docs" / "serving" / "health-and-metrics.md"
PLACES = {"Noted": 3, "Said": 1}
"""Where the code stands among what makes a line of the log."""
_NAMED = re.compile(r"\bengine_[a-z_]+\b")


def figures() -> set[str]:
    """Return the names of the figures as a monitor reads them, without the prefix."""
    made = [copy() for copy in Series([], {"version": "1"}).frozen()]
    return {f"{one.name.removeprefix('engine_')}{'_total' if one.type == 'counter' else ''}" for one in made}


def listed() -> set[str]:
    """Return the names in the page's table."""
    table = re.search(r"^## Figures$(.*?)^## ", prose(HEALTH), re.MULTILINE | re.DOTALL)
    assert table
    return {
        name for row in re.findall(r"^\| (`[^|]+) \|", table[1], re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }


def test_every_figure_is_listed_and_no_other() -> None:
    """Who reads the page finds what a monitor finds."""
    assert listed() == figures()


TABLES = {"once"}
"""What is called so and is no figure: the table of a connector."""


def spoken_of(page: Path) -> set[str]:
    """Return the figures that a page names with their prefix, in its prose and its alerts."""
    texts = [*inline(page), *(block.text for block in blocks(page, "text"))]
    return {name.removeprefix("engine_") for text in texts for name in _NAMED.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_figures_in_alerts_are_there(page: Path) -> None:
    """An alert on a name that nobody counts would never be heard."""
    assert spoken_of(page) - figures() - TABLES == set()


def codes() -> set[str]:
    """Return the codes that a server's log can have, where they are written out."""
    found = set()
    for path in modules("engine/service", "engine/http", "engine/telemetry"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            place = PLACES.get(getattr(getattr(node, "func", None), "id", ""))
            if isinstance(node, ast.Call) and place is not None and len(node.args) > place:
                code = node.args[place]
                found |= {code.value} if isinstance(code, ast.Constant) else set()
    return found


def test_every_code_of_the_log_is_explained() -> None:
    """Who meets a code in the log finds it on the page."""
    text = "".join(prose(page) for page in PAGES)
    assert {code for code in codes() if f"`{code}`" not in text} == set()
    assert len(codes()) > 15, "the control: there are codes to look for"


# the pages of codes hold lines of records, and a test of their own
JSON = [block for block in every("json") if block.page.parent != ROOT / "docs" / "codes"]


@pytest.mark.parametrize("block", JSON, ids=lambda block: block.name)
def test_json_in_the_pages_is_json(block: Block) -> None:
    """A program that reads it like this can read it."""
    json.loads(block.text)


def written(page: Path) -> list[str]:
    """Return the commands of the tables in text: a command, two spaces, what it does."""
    lines = [line for block in blocks(page, "text") for line in block.text.splitlines()]
    return [re.split(r"\s{2,}", line)[0] for line in lines if re.match(r"engine [a-z]", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_lists_are_there(page: Path) -> None:
    """Nobody types a command from a list in vain."""
    assert [line for line in written(page) if wrong(line)] == []


def test_the_lists_have_commands() -> None:
    """The control: there is something to look at, and a wrong one would be seen."""
    assert sum(len(written(page)) for page in PAGES) > 20
    assert wrong("engine lanes mvoe old-orders/in/0 orders") == "mvoe"
    assert "lane_heald" not in figures()
