"""The contracts of ``.importlinter`` catch what they are there to catch; ``make layers`` holds the house to them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and their contracts, to be spoiled."""
    copy = tmp_path_factory.mktemp("house")
    for package in ("engine", "connectors"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", copy)
    return copy


def lint(house: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    # the copy, not the checkout the environment knows
    surroundings = {**os.environ, "PYTHONPATH": str(house)}
    return subprocess.run(command, cwd=house, env=surroundings, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(
    ("place", "spoils", "contract"),
    [
        ("engine/errors.py", "import yaml", "The ground floor"),
        ("engine/runtime/decide.py", "import engine.definition.model", "The runtime knows"),
        ("engine/store/base.py", "import engine.telemetry", "The house"),
        ("engine/policy.py", "import engine.runtime.decide", "The house"),
        ("engine/cli/table.py", "import yaml", "yaml is read"),
        ("engine/app.py", "import connectors.http", "Nothing in the engine"),
        ("connectors/http.py", "import engine.runtime.decide", "A connector sees"),
        ("engine/compiler/registry.py", "import aiohttp", "aiohttp is in net"),
    ],
)
def test_a_forbidden_import_is_found(house: Path, place: str, spoils: str, contract: str) -> None:
    path = house / place
    before = path.read_text("utf-8")
    path.write_text(f"{before}\n{spoils}\n", "utf-8")
    try:
        done = lint(house)
    finally:
        path.write_text(before, "utf-8")
    broken = " ".join(done.stdout.split())
    assert done.returncode == 1, done.stdout + done.stderr
    assert contract in broken.split("Broken contracts")[1]
