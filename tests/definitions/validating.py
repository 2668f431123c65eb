"""What ``engine validate`` says of a project in a folder; shared by the tests of definitions and of the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.cli.callers import webhook_problems
from engine.compiler.check import check
from engine.definition.loader import load
from engine.errors import Problem


def validated(root: Path, environ: Mapping[str, str], paths: Sequence[Path] = ()) -> list[Problem]:
    """Return every problem, sorted; with *paths* only of these files, as the command does."""
    project, problems = load(root, environ=environ, paths=paths)
    found = {*problems, *check(project)}
    found |= {*webhook_problems(project, sorted(found))}
    shown = {str(path) for path in paths}
    shown |= {table for table, users in project.tables.items() if users & shown}
    return sorted(one for one in found if not paths or one.file in shown)
