"""The page about schedules: every YAML block of it is valid."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.compiler.check import check
from engine.definition.loader import load
from tests.unit.docs.pages import ROOT, Block, blocks
from tests.unit.docs.test_docs_yaml import CONTEXT, ENVIRON, whole

PAGE = ROOT / "docs" / "serving" / "schedule.md"
OTHER = "pipeline: {}\nparams: {{day: {{type: string}}}}\nsource: {{inline: {{rows: []}}}}\ntarget: {{console: {{}}}}\n"


@pytest.mark.parametrize("block", blocks(PAGE, "yaml"), ids=lambda block: block.name)
def test_the_page_s_blocks_have_no_problem(block: Block, tmp_path: Path) -> None:
    """Beside the pipelines that they come after."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    shutil.copy(CONTEXT, folder / "context.yaml")
    for name in ("day-sales", "day-returns"):
        (folder / f"{name}.yaml").write_text(OTHER.format(name))
    (folder / "block.yaml").write_text(whole(block), "utf-8")
    project, found = load(tmp_path, environ=ENVIRON)
    assert [str(one) for one in (*found, *check(project)) if one.code != "unused"] == []
