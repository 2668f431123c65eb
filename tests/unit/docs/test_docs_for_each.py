"""The project that the page on ``for_each`` shows is whole: it validates, lists and makes what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.compiler.check import check
from engine.definition.loader import load
from tests.unit.docs.pages import ROOT, blocks

PAGE = next(
    page for page in (ROOT / "docs" / "serving" / "for-each.md", ROOT / "docs" / "for-each.md") if page.exists()
)
SECRETS = {"ENGINE_SECRET_PRESS_P_07": "not-a-real-one", "ENGINE_SECRET_PRESS_P_08": "nor-this"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for block in blocks(PAGE, "yaml"):
        assert block.file, block.name
        path = tmp_path / block.file
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text, "utf-8")
    rows = next(block.text for block in blocks(PAGE, "text") if block.text.startswith("machine,"))
    (tmp_path / "machines.csv").write_text(rows, "utf-8")
    return tmp_path


def test_the_page_shows_a_project_without_problems(project: Path) -> None:
    """And with the instances it speaks of."""
    loaded, problems = load(project, environ=SECRETS)
    assert [*problems, *check(loaded)] == []
    assert {"press[p-07]", "press[p-08]", "sales[banban]", "sales[riachuelo]"} == set(loaded.pipelines)
    assert set(loaded.connections) == {"press[p-07]", "press[p-08]"}


def test_the_problem_that_the_page_shows_is_the_one_that_is_said(project: Path) -> None:
    """At the row, with the template's line."""
    table = project / "machines.csv"
    table.write_text(table.read_text("utf-8").replace("10.0.0.8", ""), "utf-8")
    _, problems = load(project, environ=SECRETS)
    shown = next(block.text for block in blocks(PAGE, "text") if "error[" in block.text).strip()
    begin, _, end = shown.partition(" … ")
    said = [str(one) for one in problems]
    assert len(said) == 1
    assert said[0].startswith(begin)
    assert end in said[0]
