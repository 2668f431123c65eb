"""The example of the page about types is run: the engine says exactly what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from engine.compiler.check import check
from engine.definition.loader import load

PAGE = Path(__file__).resolve().parents[3] / "docs" / "types.md"


def test_the_example_says_what_the_page_says(tmp_path: Path) -> None:
    """Every file of the example names itself in its first line."""
    text = PAGE.read_text("utf-8")
    files = re.findall(r"```(?:sql|yaml elsewhere)\n(?:#|--) (\S+)\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in files] == [
        "pipelines/shop/shop.sql",
        "connections/shop.yaml",
        "pipelines/shop/orders.yaml",
    ]
    for name, content in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n{content}" if name.endswith(".yaml") else content, "utf-8")
    expected = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert expected is not None
    project, found = load(tmp_path, environ={})
    assert [str(one) for one in sorted({*found, *check(project)})] == expected[1].splitlines()
