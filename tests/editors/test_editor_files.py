"""Every file of the project's own examples leads editors to its schema, and they find nothing wrong in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import translate
from pathlib import Path

import pytest

from engine.cli.schemas import PLACE, project_schema
from engine.definition.loader import load
from tests.editors.language_server import LanguageServer, language_server
from tests.unit.docs.pages import blocks

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(
    [ROOT / "engine.yaml", *(path for place in ("pipelines", "connections") for path in (ROOT / place).rglob("*.yaml"))]
)
GOOD = [*EXAMPLES, *sorted((ROOT / "tests" / "definitions" / "valid").rglob("*.yaml"))]
FIRST = re.compile(r"# yaml-language-server: \$schema=(?P<path>\S+)\n")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_an_example_names_its_schema(path: Path) -> None:
    """Whoever opens it in an editor has help at once."""
    match = FIRST.match(path.read_text("utf-8"))
    assert match, f"the first line of {named(path)} names the schema"
    assert (path.parent / match["path"]).resolve() == ROOT / PLACE


def test_the_schema_that_is_kept_is_todays() -> None:
    """``engine schema > schemas/project.json`` (or ``make reference``) puts it right."""
    assert json.loads((ROOT / PLACE).read_text("utf-8")) == json.loads(project_schema())


@pytest.mark.parametrize("path", GOOD, ids=named)
def test_editors_find_nothing_wrong_in_a_good_file(path: Path, server: LanguageServer) -> None:
    """What ``engine validate`` takes is not underlined."""
    text = path.read_text("utf-8")
    if not FIRST.match(text):
        # a line of its own in place of one: the places of later problems stay right
        text = f"# yaml-language-server: $schema={os.path.relpath(ROOT / PLACE, path.parent)}\n{text}"
    assert [(one["range"]["start"], one["message"]) for one in server.diagnostics(path, text)] == []


def test_a_wrong_file_is_underlined_by_the_line_that_examples_have(server: LanguageServer) -> None:
    """The control: the line leads to the schema from where the file stands."""
    path = EXAMPLES[-1]
    assert server.diagnostics(path, path.read_text("utf-8") + "\nnonsense: 1\n") != []


PAGE = ROOT / "docs" / "editors.md"
SETTINGS, CATALOG = (json.loads(block.text) for block in blocks(PAGE, "json"))
NAMES = [
    "engine.yaml",
    "pipelines/orders.yaml",
    "pipelines/shop/a.test.yaml",
    "connections/hub.yml",
    "presets/erp.yaml",
]
OTHERS = [
    ".github/workflows/pipelines.yaml",
    ".gitlab-ci.yml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "compose.yaml",
    "docs/engine.yaml.md",
    "mkdocs.yml",
    "search-engine.yaml",
]
"""What other tools own, in the same folder."""


@pytest.fixture(scope="module")
def by_name(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    """A server that knows the schema by the patterns of the page alone."""
    [patterns] = SETTINGS["yaml.schemas"].values()
    with language_server(command, tmp_path_factory.mktemp("named"), {(ROOT / PLACE).as_uri(): patterns}) as running:
        yield running


@pytest.mark.parametrize(("name", "ours"), [*((name, True) for name in NAMES), *((name, False) for name in OTHERS)])
def test_the_patterns_of_the_page(name: str, ours: bool, by_name: LanguageServer) -> None:
    """They take the files of a project, and none of another tool."""
    found = [one["message"] for one in by_name.diagnostics(by_name.root / name, "nonsense: 1\n")]
    assert found == (["needs one of: pipeline, connections, engine, tests"] if ours else [])


def test_names_in_a_public_catalog_are_nobody_elses() -> None:
    """A catalog that everybody's editor reads may not take files of others, nor names that many use."""
    matched = [re.compile(translate(pattern)) for pattern in CATALOG["fileMatch"]]

    def taken(name: str) -> bool:
        return any(pattern.match(Path(name).name) for pattern in matched)

    assert [name for name in (*OTHERS, *NAMES) if taken(name)] == []
    assert taken("pipelines/orders.engine.yaml")


def test_a_name_of_the_catalog_is_loaded(tmp_path: Path) -> None:
    """What the page advises for the catalog is a file like any other."""
    (tmp_path / "pipelines").mkdir()
    text = "pipeline: a\nsource: {inline: {rows: [{a: 1}]}}\ntarget: {console: {}}\n"
    (tmp_path / "pipelines" / "a.engine.yaml").write_text(text)
    project, problems = load(tmp_path, environ={})
    assert (list(project.pipelines), list(problems)) == (["a"], [])


def test_the_lock_of_npm_pins_by_hash_and_names_no_address() -> None:
    """What is fetched is what was chosen, from whichever registry a machine is set up with."""
    text = (ROOT / "scripts" / "node" / "package-lock.json").read_text("utf-8")
    assert re.findall(r"https?:|://|\"resolved\"", text) == []
    pinned = json.loads(text)["packages"]
    packages = {name: one for name, one in pinned.items() if name}
    assert len(packages) > 50
    assert [name for name, one in packages.items() if not one["integrity"].startswith("sha512-")] == []
    asked = json.loads((ROOT / "scripts" / "node" / "package.json").read_text("utf-8"))["dependencies"]
    assert pinned[""]["dependencies"] == asked
    assert all(re.fullmatch(r"[0-9.]+", version) for version in asked.values())


def test_without_npm_nothing_fails(tmp_path: Path) -> None:
    """What cannot be fetched is named, and the tests that need it are skipped."""
    nowhere = {"TOOLS_DIR": str(tmp_path), "npm_config_registry": "http://127.0.0.1:9", "npm_config_fetch_retries": "0"}
    command = [sys.executable, str(ROOT / "scripts" / "node_tools.py")]
    done = subprocess.run(command, env={**os.environ, **nowhere}, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0
    assert done.stdout.startswith("node tools: without them: ")
