"""The connector that docs/connectors.md shows is installed as a stranger's package, run, and held to the contract."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.connectors import schema_contract
from tests.unit.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "connectors.md"
CODE, TEST = blocks(PAGE, "python")
[SCHEMA] = blocks(PAGE, "json")
[PROJECT] = blocks(PAGE, "toml")
[PIPELINE] = blocks(PAGE, "yaml")


def install(folder: Path) -> None:
    """Lay the package out as an installed distribution is."""
    assert CODE.file
    (folder / CODE.file).parent.mkdir(parents=True)
    (folder / CODE.file).write_text(CODE.text, "utf-8")
    (folder / "folderbox" / "folder.json").write_text(SCHEMA.text, "utf-8")
    said = tomllib.loads(PROJECT.text)["project"]
    about = folder / f"{said['name']}-{said['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {said['name']}\nVersion: {said['version']}\n")
    groups = said["entry-points"].items()
    lines = [line for group, points in groups for line in (f"[{group}]", *(f"{n} = {p}" for n, p in points.items()))]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")


def engine(folder: Path, *arguments: str, found: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *([str(folder)] if found else [])]),
    }
    # not `python -m engine`: that would find whatever lies in the current folder
    command = [sys.executable, "-c", "import sys, engine.cli.main as m; sys.exit(m.main())", *arguments]
    return subprocess.run(command, cwd=folder / "project", env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    install(tmp_path)
    assert PIPELINE.file
    file = tmp_path / "project" / PIPELINE.file
    file.parent.mkdir(parents=True)
    file.write_text(PIPELINE.text, "utf-8")
    inbox = tmp_path / "project" / "inbox"
    inbox.mkdir()
    for number, name in enumerate(("ana souza", "bruno lima")):
        (inbox / f"{number}.json").write_text(json.dumps({"id": f"c{number}", "name": name}))
    return tmp_path


def test_an_installed_connector_is_found_checked_and_run(project: Path) -> None:
    """The engine finds it by its entry point, checks its options, and moves records with it."""
    checked = engine(project, "validate")
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr
    shown = engine(project, "connectors", "folder")
    assert "Folder to read" in shown.stdout, shown.stderr
    ran = engine(project, "run", "outbox", "--json")
    assert json.loads(ran.stdout)["sent"] == {"target": 2}, ran.stderr
    written = {file.name: json.loads(file.read_text()) for file in (project / "project" / "outbox").iterdir()}
    assert written == {"c0.json": {"id": "c0", "name": "Ana Souza"}, "c1.json": {"id": "c1", "name": "Bruno Lima"}}


def test_without_the_package_there_is_no_such_connector(project: Path) -> None:
    """The control: it is the installed package that is found."""
    checked = engine(project, "validate", found=False)
    assert checked.returncode == 2
    assert "unknown-connector" in checked.stderr


def test_its_options_are_checked(project: Path) -> None:
    """The schema beside the module is what validate asks."""
    file = project / "project" / "pipelines" / "outbox.yaml"
    file.write_text(file.read_text().replace("path: inbox", "pathh: inbox"))
    assert "did you mean 'path'?" in engine(project, "validate").stderr


@pytest.fixture
def schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the schema contract find the example's schema beside the engine's own."""
    shutil.copytree(schema_contract.SCHEMAS, tmp_path / "schemas")
    (tmp_path / "schemas" / "connectors" / "folder.json").write_text(SCHEMA.text, "utf-8")
    monkeypatch.setattr(schema_contract, "SCHEMAS", tmp_path / "schemas")


def shown_tests() -> Iterator[tuple[str, type]]:
    """Give the test classes of the page, made from its own text."""
    package, module = ModuleType("folderbox"), ModuleType("folderbox.folder")
    sys.modules |= {"folderbox": package, "folderbox.folder": module}
    exec(compile(CODE.text, str(PAGE), "exec"), module.__dict__)
    tests = ModuleType("shown_tests")
    exec(compile(TEST.text, str(PAGE), "exec"), tests.__dict__)
    for name, made in vars(tests).items():
        if name.startswith("Test") and isinstance(made, type):
            yield name, made


SHOWN = dict(shown_tests())
TestFolderSource = SHOWN["TestFolderSource"]
TestFolderTarget = SHOWN["TestFolderTarget"]
TestFolderSchema = pytest.mark.usefixtures("schemas")(SHOWN["TestFolderSchema"])


def test_the_page_shows_one_test_for_each_part() -> None:
    """What is collected above is all there is."""
    assert set(SHOWN) == {"TestFolderSource", "TestFolderTarget", "TestFolderSchema"}


def test_the_page_names_what_the_contract_has() -> None:
    """Every method of the contract that the page names exists."""
    known = importlib.import_module("engine.connector")
    source, target = vars(known.BaseSource), vars(known.BaseTarget)
    for name in ("memory", "open", "settled"):
        assert name in source
    for name in ("open", "atomic", "at_end", "rewinds", "progress", "resume", "flush", "finish"):
        assert name in target
    for name in ("project", "roots", "cursor", "limit", "timeout", "note", "call", "connection"):
        assert name in known.Context.__dataclass_fields__
