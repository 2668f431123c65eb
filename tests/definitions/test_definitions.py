"""Every file under ``invalid`` gives exactly the problems in its ``.expected``; every one under ``valid`` gives none.

A file is put into a copy of ``base`` (two connections and another pipeline); a folder is a project of its own.
Run with ``WRITE_EXPECTED=1`` to write the ``.expected`` files anew, and read what changed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from engine.definition.loader import load

HERE = Path(__file__).parent
ENVIRON = {"HOME_OF_TEST": "/somewhere"}


def cases(folder: str) -> list[Path]:
    return [path for path in sorted((HERE / folder).iterdir()) if path.suffix == ".yaml" or path.is_dir()]


def lines(case: Path, project: Path) -> str:
    if case.is_dir():
        _, problems = load(case, environ=ENVIRON)
    else:
        shutil.copytree(HERE / "base", project)
        shutil.copy(case, project / "pipelines" / case.name)
        _, problems = load(project, environ=ENVIRON, paths=[Path("pipelines", case.name)])
    return "".join(f"{problem}\n" for problem in problems)


@pytest.mark.parametrize("case", cases("invalid"), ids=lambda case: case.stem)
def test_says_exactly_what_is_wrong(case: Path, tmp_path: Path) -> None:
    """One mistake gives one problem, at its place."""
    expected = case / "expected" if case.is_dir() else case.with_suffix(".expected")
    found = lines(case, tmp_path / "project")
    if os.environ.get("WRITE_EXPECTED"):
        expected.write_text(found, encoding="utf-8")
    assert found, "an invalid file has a problem"
    assert found == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", cases("valid"), ids=lambda case: case.stem)
def test_says_nothing_of_what_is_right(case: Path, tmp_path: Path) -> None:
    """No false alarm, not even a warning."""
    assert lines(case, tmp_path / "project") == ""


def test_the_invalid_files_are_many() -> None:
    """The mistakes that people make are collected here."""
    assert len(cases("invalid")) >= 60
