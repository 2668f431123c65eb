"""What ``engine graph`` writes is read by the real Mermaid parser, whatever people call their things."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from engine.cli.drawing import of_pipeline, of_project
from engine.cli.picture import Picture, Shape, mermaid
from engine.definition.loader import load
from scripts import node_tools

ROOT = Path(__file__).parents[2]
HOSTILE = [
    'say "hello"',
    "a --> b; click a href \"javascript:alert('x')\"",
    "]]) end subgraph",
    "<script>alert(1)</script><br/>",
    "`**bold** _it_`",
    "%% comment %%{init: {}}%%",
    "{{ record.a | trim }} {% if x %}",
    "back\\slash \\n #quot; #35; &amp; &lt;",
    "1. a list",
    "- a list",
    "line\nbreak\u2028and\x00more",
    "ação — ∑ 漢字 🙂",
    "|pipe| ~tilde~ (round) [square]",
    "a" * 500,
    "",
    "end",
    "::: class style fill:#f00",
]


def refused(node: Path, texts: Iterable[str]) -> list[str | None]:
    """Return what the parser says of each text."""
    command = [str(node), str(Path(__file__).with_name("mermaid_parse.mjs")), str(node_tools.TOOLS)]
    done = subprocess.run(command, input=json.dumps([*texts]), capture_output=True, text=True, timeout=100, check=True)
    answers: list[str | None] = json.loads(done.stdout)
    return answers


def hostile(text: str) -> Picture:
    picture = Picture()
    boxes = [picture.box(shape, text, "second line", text) for shape in get_args(Shape)]
    assert len(boxes) == 6
    for start, end in pairwise(boxes):
        picture.arrow(start, end, text, dashed=start == boxes[0])
    return picture


def written(picture: Picture) -> str:
    return "\n".join(mermaid(picture))


def test_every_pipeline_and_the_project_parse(node: Path) -> None:
    """All pipelines of this repository, with steps of every kind."""
    project, _ = load(ROOT, environ={}, skip_env=True)
    texts = [written(of_project(project)), *(written(of_pipeline(project, one)) for one in project.pipelines.values())]
    assert len(texts) > 20
    assert refused(node, texts) == [None] * len(texts)


def test_steps_of_every_kind_parse(node: Path) -> None:
    """The long form, a switch with an else, what asks others."""
    folder = ROOT / "tests" / "definitions"
    files = [*(folder / "valid").glob("*.yaml"), *(folder / "base").rglob("*.yaml")]
    project, _ = load(folder, environ={}, paths=[path.relative_to(folder) for path in files], skip_env=True)
    texts = [written(of_pipeline(project, one)) for one in project.pipelines.values()]
    assert len(texts) >= 15
    assert refused(node, texts) == [None] * len(texts)


def test_hostile_names_parse(node: Path) -> None:
    """Quotes, brackets, HTML, Mermaid's own words: they stand in a box and do nothing."""
    texts = [written(hostile(text)) for text in HOSTILE]
    assert refused(node, texts) == [None] * len(texts)
    assert not any("<script" in text or "javascript:alert('x')\"" in text for text in texts)


def test_what_is_no_picture_is_refused(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: without the escapes the parser says no."""
    monkeypatch.setattr("engine.cli.picture._ENTITIES", {})
    answers = refused(node, [written(hostile(text)) for text in HOSTILE])
    assert sum(answer is not None for answer in answers) >= 3
