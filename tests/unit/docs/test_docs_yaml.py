"""The YAML of the pages is checked by the engine itself.

A block ``yaml`` is a whole file and has no problem in a project with the connections of ``context.yaml``. A block
``yaml fragment`` is a part of a pipeline: what it leaves out is put in, then it is checked the same way. A block
``yaml wrong CODE`` shows a mistake, and has exactly that one. A block ``yaml elsewhere`` is checked by another test.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import main
from engine.compiler.check import check
from engine.definition.document import read
from engine.definition.loader import load
from tests.unit.docs.pages import ROOT, Block, blocks, every

CONTEXT = Path(__file__).with_name("context.yaml")
ENVIRON = {f"ENGINE_SECRET_{name}": "not-a-real-secret" for name in ("ERP_TOKEN", "SHOP_HOOK", "SHOP_KEY")}
FILES = {
    "schemas/order.json": '{"type": "object", "required": ["orders"], "properties": {"orders": {"type": "array"}}}',
}
"""What a block may name."""
FILE = {"engine": "engine.yaml", "tests": "pipelines/block.test.yaml"}
"""Where a block stands by its kind, when not among the pipelines."""
FILLING = {
    "pipeline": "pipeline: fragment\n",
    "source": "source: {sql: {connection: shop-db, query: select * from orders}}\n",
    "target": "target: {console: {}}\n",
}
YAML = [block for block in every("yaml") if block.mark != "elsewhere" and block.page.parent != ROOT / "docs" / "codes"]


def top(block: Block) -> Mapping[str, Any]:
    """Return what a block says, empty when it is no map."""
    value = read(block.name, block.text.encode()).value
    return value if isinstance(value, Mapping) else {}


def pipelines_of(block: Block) -> list[Block]:
    """Return the pipelines that a block of tests is about: of the same page, the nearest above, else below."""
    every_one = [one for one in blocks(block.page, "yaml") if one.mark == "" and "pipeline" in top(one)]
    above = {top(one)["pipeline"]: one for one in every_one if one.line < block.line}
    below = {top(one)["pipeline"]: one for one in reversed(every_one) if one.line > block.line}
    named = [test.get("pipeline") for test in top(block)["tests"]]
    return [found for name in dict.fromkeys(named) if (found := above.get(name) or below.get(name))]


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
    kinds = ("engine", "connections", "pipeline", "tests")
    kind = next((key for key in kinds if isinstance(keys, Mapping) and key in keys), "")
    (project / "pipelines").mkdir(parents=True)
    for number, other in enumerate(pipelines_of(block) if kind == "tests" else ()):
        (project / "pipelines" / f"tested-{number}.yaml").write_text(other.text, "utf-8")
    if kind != "connections":
        shutil.copy(CONTEXT, project / "pipelines" / "context.yaml")
    file = FILE.get(kind, "pipelines/block.yaml")
    (project / file).write_text(text, "utf-8")
    for name, content in FILES.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(content, "utf-8")
    loaded, found = load(project, environ=ENVIRON, paths=() if kind == "tests" else [Path(file)])
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


def ran(block: Block, project: Path) -> tuple[int, str]:
    """Run a block of tests as its reader would; return the exit code and what is said."""
    assert problems(block, project) == []
    told = io.StringIO()
    with redirect_stdout(told), redirect_stderr(told):
        code = main(["--project", str(project), "test"])
    return code, told.getvalue()


TESTS = [block for block in YAML if block.mark == "" and "tests" in top(block)]


@pytest.mark.parametrize("block", TESTS, ids=lambda block: block.name)
def test_tests_in_the_pages_pass(block: Block, tmp_path: Path) -> None:
    """A test that a page shows is a test of a pipeline that the page shows, and it passes."""
    assert ran(block, tmp_path / "project")[0] == 0


PAGE = """```yaml
pipeline: shown
source: {inline: {rows: [{a: 1}]}}
mapping: {b: a}
target: {console: {}}
```

```yaml
tests:
  - {test: it is mapped, pipeline: shown, records: [{a: 2}], expect: {sent: [{b: WANTED}]}}
```
"""


@pytest.mark.parametrize(("wanted", "code"), [("2", 0), ("3", 1)])
def test_a_shown_test_is_run(wanted: str, code: int, tmp_path: Path) -> None:
    """The control: what is expected in vain is told."""
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace("WANTED", wanted))
    block = blocks(page, "yaml")[1]
    assert [top(one)["pipeline"] for one in pipelines_of(block)] == ["shown"]
    ended, told = ran(block, tmp_path / "project")
    assert ended == code, told


def test_a_mistake_in_a_page_is_found(tmp_path: Path) -> None:
    """The control: the same check says no to an unknown key, in a fragment too."""
    block = Block(CONTEXT, 1, "yaml", "fragment", "tragets: []\n")
    assert [one.split(":")[0] for one in problems(block, tmp_path)] == ["unknown-key"]


def test_there_is_yaml_to_check() -> None:
    """A change of the fences must not leave this file without work."""
    assert len(YAML) >= 10
