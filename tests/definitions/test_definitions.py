"""Every file under ``invalid`` gives exactly the problems in its ``.expected``; every one under ``valid`` gives none.

A file is put into a copy of ``base`` (two connections and another pipeline); a folder is a project of its own.
Run with ``WRITE_EXPECTED=1`` to write the ``.expected`` files anew, and read what changed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.definitions.validating import validated
from tests.unit.docs.pages import ROOT
from tests.unit.docs.test_docs_codes import sections

HERE = Path(__file__).parent
OF_RUNS = {"Why a record was rejected", "Why a run failed", "Lines in the log of a run"}
ENVIRON = {"HOME_OF_TEST": "/somewhere"}


def cases(folder: str) -> list[Path]:
    return [path for path in sorted((HERE / folder).iterdir()) if path.suffix == ".yaml" or path.is_dir()]


def lines(case: Path, project: Path) -> str:
    if case.is_dir():
        problems = validated(case, ENVIRON)
    else:
        shutil.copytree(HERE / "base", project)
        shutil.copy(case, project / "pipelines" / case.name)
        problems = validated(project, ENVIRON, [Path("pipelines", case.name)])
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
    assert len(cases("invalid")) >= 250


def test_the_slips_of_yaml_are_many() -> None:
    """What hands and editors do to YAML, each with its cause and its remedy at its line."""
    kinds = ("slip_", "yaml_", "template_needs", "tab_", "flow_")
    slips = [case for case in cases("invalid") if case.stem.startswith(kinds)]
    assert len(slips) >= 100
    for case in slips:
        text = case.with_suffix(".expected").read_text("utf-8")
        assert "; " in text, f"{case.stem}: a remedy: {text}"
        assert not re.search(r"did not find|not allowed in this context|could not find", text), f"{case.stem}: {text}"


def told() -> Counter[str]:
    """Count the cases in which each code is said."""
    found: Counter[str] = Counter()
    for case in cases("invalid"):
        expected = case / "expected" if case.is_dir() else case.with_suffix(".expected")
        found.update(set(re.findall(r"(?:error|warning)\[([a-z0-9-]+)\]", expected.read_text("utf-8"))))
    return found


SAID_ELSEWHERE: Mapping[str, str] = {
    "no-file": "tests/unit/docs/test_code_situations.py",
    "param": "tests/unit/compiler/test_compile.py",
    "project-changing": "tests/integration/test_reload_judged.py",
    "project-empty": "tests/integration/test_reload_judged.py",
    "project-gone": "tests/integration/test_reload_judged.py",
    "reload-crashed": "tests/integration/test_reload_judged.py",
    "reload-refused": "tests/integration/test_reload_judged.py",
    "unknown-param": "tests/unit/compiler/test_compile.py",
    "unreadable": "tests/unit/docs/test_code_situations.py",
}
"""Problems that no file of a project has: of a command, of a folder that changes; and the test that shows each."""


def test_every_problem_code_has_a_case() -> None:
    """A code without a wrong file would be a code that nobody has seen."""
    problems = set().union(*(found for title, found in sections().items() if title not in OF_RUNS))
    assert problems - set(told()) == set(SAID_ELSEWHERE)
    for code, file in SAID_ELSEWHERE.items():
        assert f'"{code}"' in (ROOT / file).read_text("utf-8"), f"{file} says nothing of {code}"


def test_a_case_says_one_thing() -> None:
    """One mistake gives one problem: a case with many lines is one that collects many mistakes, by name."""
    many = {}
    for case in cases("invalid"):
        expected = case / "expected" if case.is_dir() else case.with_suffix(".expected")
        count = len(expected.read_text("utf-8").splitlines())
        if case.suffix == ".yaml" and case.stem.startswith(("slip_", "one_")) and count != 1:
            many[case.stem] = count
    assert many == {}
