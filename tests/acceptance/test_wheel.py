"""The built wheel works from any folder, in an environment that knows nothing of the checkout."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PIPELINE = """\
pipeline: copy-orders
source:
  sql:
    connection: shop
    query: select id, total from orders order by id
mapping:
  number: id
  total: total
target:
  sql: {connection: shop, upsert: {table: copies}}
  key: number
"""
CONNECTION = "connections: {shop: {sql: {url: sqlite:///shop.db}}}\n"


@dataclass(frozen=True)
class Installed:
    """A wheel, and the environment it alone is installed in."""

    wheel: Path
    environment: Path

    def run(self, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
        program = self.environment / "bin" / command[0]
        # neither the checkout nor the tests' own environment is to be found by accident
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
        return subprocess.run(
            [str(program), *command[1:]], cwd=folder, env=clean, capture_output=True, text=True, timeout=60
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    _quietly([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")])
    [wheel] = (folder / "dist").glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = str(environment / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    _quietly([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], {"PIP_REQUIRE_VIRTUALENV": "0"})
    _lend_dependencies(environment)
    return Installed(wheel, environment)


def _quietly(command: list[str], more: Mapping[str, str] = {}) -> None:
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def _lend_dependencies(environment: Path) -> None:
    """Put the tests' own libraries behind the environment's: a path file of a path file is not read, so no checkout."""
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {"pipelines/copy.yaml": PIPELINE, "connections/shop.yaml": CONNECTION}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def test_it_is_the_wheel_that_runs_and_not_the_checkout(installed: Installed, tmp_path: Path) -> None:
    where = "import engine, connectors; print(engine.__file__, connectors.__file__)"
    done = installed.run(tmp_path, "python", "-c", where)
    assert done.returncode == 0, done.stderr
    assert all(Path(place).is_relative_to(installed.environment) for place in done.stdout.split())


def test_every_schema_ships_inside(installed: Installed) -> None:
    inside = set(zipfile.ZipFile(installed.wheel).namelist())
    schemas = {path.relative_to(ROOT).as_posix() for path in (ROOT / "schemas").rglob("*.json")}
    assert {f"engine/_data/{schema}" for schema in schemas} <= inside
    assert not {name for name in inside if name.startswith(("tests/", "pipelines/", "scripts/"))}


def test_it_says_its_version(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(tmp_path, "engine", "--version")
    assert done.returncode == 0, done.stderr
    assert installed.wheel.name.split("-")[1] in done.stdout


def test_it_validates_a_project_elsewhere(installed: Installed, project: Path) -> None:
    done = installed.run(project, "engine", "validate")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_a_pipeline_elsewhere(installed: Installed, project: Path) -> None:
    """Connectors, store and expressions are all inside."""
    with closing(sqlite3.connect(project / "shop.db")) as shop, shop:
        shop.execute("create table orders (id integer primary key, total real)")
        shop.execute("create table copies (number integer primary key, total real)")
        shop.executemany("insert into orders values (?, ?)", [(1, 2.5), (2, 7.25)])
    done = installed.run(project, "engine", "run", "copy-orders")
    assert done.returncode == 0, done.stdout + done.stderr
    with closing(sqlite3.connect(project / "shop.db")) as shop:
        assert shop.execute("select * from copies order by number").fetchall() == [(1, 2.5), (2, 7.25)]
    assert (project / "data" / "engine.db").is_file()


def test_it_knows_its_schemas(installed: Installed, project: Path) -> None:
    """The control: without the schemas inside, a wrong option would not be found."""
    path = project / "pipelines" / "copy.yaml"
    path.write_text(PIPELINE.replace("query:", "qeury:"), "utf-8")
    done = installed.run(project, "engine", "validate")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "pipelines/copy.yaml:5:5: error[unknown-key] source.sql: 'qeury'" in done.stdout + done.stderr
