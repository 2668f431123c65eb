"""The YAML of the pages is checked by the engine itself.

A block ``yaml`` is a whole file and has no problem in a project with the connections of ``context.yaml``. A block
``yaml fragment`` is a part of a pipeline: what it leaves out is put in, then it is checked the same way. A block
``yaml wrong CODE`` shows a mistake, and has exactly that one. A block ``yaml elsewhere`` is checked by another test.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.compiler.check import check
from engine.definition.document import read
from engine.definition.loader import load
from tests.unit.docs.pages import Block, every

CONTEXT = Path(__file__).with_name("context.yaml")
ENVIRON = {f"ENGINE_SECRET_{name}": "not-a-real-secret" for name in ("ERP_TOKEN", "SHOP_HOOK", "SHOP_KEY")}
FILES = {
    "schemas/order.json": '{"type": "object", "required": ["orders"], "properties": {"orders": {"type": "array"}}}',
}
"""What a block may name."""
FILLING = {
    "pipeline": "pipeline: fragment\n",
    "source": "source: {sql: {connection: shop-db, query: select * from orders}}\n",
    "target": "target: {sql: {connection: erp-db, upsert: {table: orders}}, key: number}\n",
}
YAML = [block for block in every("yaml") if block.mark != "elsewhere"]


def whole(block: Block) -> str:
    """Return the text of a file: a fragment with what it leaves out."""
    if block.mark != "fragment":
        return block.text
    document = read(block.name, block.text.encode())
    assert isinstance(document.value, Mapping), f"{block.name}: {document.problems}"
    kinds = {"target", "targets"}
    missing = [key for key in FILLING if key not in document.value and not (key in kinds and kinds & {*document.value})]
    return "".join(FILLING[key] for key in missing) + block.text


def problems(block: Block, project: Path) -> list[str]:
    """Return what ``engine validate`` says of a block."""
    text = whole(block)
    keys = read(block.name, text.encode()).value
    kind = next((key for key in ("engine", "connections", "pipeline") if isinstance(keys, Mapping) and key in keys), "")
    (project / "pipelines").mkdir(parents=True)
    if kind != "connections":
        shutil.copy(CONTEXT, project / "pipelines" / "context.yaml")
    file = "engine.yaml" if kind == "engine" else "pipelines/block.yaml"
    (project / file).write_text(text, "utf-8")
    for name, content in FILES.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(content, "utf-8")
    loaded, found = load(project, environ=ENVIRON, paths=[Path(file)])
    found = [*found, *check(loaded)]
    return [f"{one.code}: {one}" for one in found if one.file == file and one.code != "unused"]


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.name)
def test_yaml_in_the_pages_is_checked(block: Block, tmp_path: Path) -> None:
    """Whoever copies it gets no problem, or the one that is shown."""
    found = problems(block, tmp_path / "project")
    if block.mark.startswith("wrong"):
        assert [one.split(":")[0] for one in found] == [block.mark.removeprefix("wrong").strip()]
    else:
        assert block.mark in ("", "fragment"), f"what does '{block.mark}' mean?"
        assert found == []


def test_a_mistake_in_a_page_is_found(tmp_path: Path) -> None:
    """The control: the same check says no to an unknown key, in a fragment too."""
    block = Block(CONTEXT, 1, "yaml", "fragment", "tragets: []\n")
    assert [one.split(":")[0] for one in problems(block, tmp_path)] == ["unknown-key"]


def test_there_is_yaml_to_check() -> None:
    """A change of the fences must not leave this file without work."""
    assert len(YAML) >= 10
