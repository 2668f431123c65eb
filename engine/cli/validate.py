"""``engine validate``: every problem of every file, at once, offline."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.callers import webhook_problems
from engine.cli.commands import Command
from engine.cli.problems import render, tally
from engine.cli.session import Session, Stopped, pass_session
from engine.errors import Problem
from engine.telemetry.words import count, duration

if TYPE_CHECKING:
    from engine.definition.model import Project

_FIELDS = ("file", "line", "column", "code", "severity", "path", "message", "hint")


@click.command(cls=Command)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to write the problems."
)
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--skip-env", is_flag=True, help="Do not ask for variables and secrets, for CI.")
@pass_session
def validate(session: Session, paths: tuple[Path, ...], form: str, strict: bool, skip_env: bool) -> None:
    """Find every problem of every file, at once, offline.

    With PATHs (files or folders) only their problems are told; the whole project is read all the same, because files
    refer to each other.
    """
    began = time.perf_counter()
    chosen = [inside(session, path) for path in paths]
    gc.disable()  # looking for cycles in what is loaded, and stays, would be a fifth of the time
    try:
        project, problems = session.load(chosen, skip_env=skip_env)
        problems = sorted({*problems, *webhook_problems(project, problems, skip_env)})
    finally:
        gc.enable()
    problems = [problem for problem in problems if _told(problem.file, chosen, project.tables)]
    files = _files(project, chosen)
    if form == "json":
        listed = [{field: getattr(problem, field) for field in _FIELDS} for problem in problems]
        session.out.json({"problems": listed, "files": files}, indent=2)
    else:
        _report(session, problems, files, time.perf_counter() - began)
    if any(problem.severity == "error" or strict for problem in problems):
        raise Stopped(2)


def inside(session: Session, path: Path) -> Path:
    """Return *path* relative to the project, where it lies inside; raises click.UsageError when it does not exist."""
    found = next((base for base in (session.root / path, path) if base.exists()), None)
    if found is None:
        raise click.UsageError(f"{path} does not exist")
    try:
        return found.resolve().relative_to(session.root.resolve())
    except ValueError:
        return found


def _chosen(file: str, chosen: Sequence[Path]) -> bool:
    return not chosen or any(Path(file) == path or path in Path(file).parents for path in chosen)


def _told(file: str, chosen: Sequence[Path], tables: Mapping[str, frozenset[str]]) -> bool:
    """Whether a problem there is asked for; a file of rows belongs to the definitions that name it."""
    return any(_chosen(one, chosen) for one in (file, *tables.get(file, ())))


def _files(project: Project, chosen: Sequence[Path]) -> int:
    if not chosen:
        return project.files
    return sum(1 if path.suffix else len([*path.rglob("*.yaml"), *path.rglob("*.yml")]) for path in chosen)


def _report(session: Session, problems: Sequence[Problem], files: int, seconds: float) -> None:
    screen, look = session.err, session.err.look
    if not files and not problems:
        screen.line(f"nothing to check: no engine.yaml and no definitions in {session.root.resolve()}")
        screen.line(f"begin with:  {look.paint('engine init', 'strong')}")
        raise Stopped(2)
    shown = [problem for problem in problems if not session.quiet or problem.severity == "error"]
    for problem in shown:
        for line in render(problem, look, session.root):
            screen.line(line)
    if shown and look.terminal:
        screen.line()
    took = look.paint(f"({duration(seconds)})", "detail")
    if not problems:
        if not session.quiet:
            screen.line(f"{look.paint('no problems', 'done')} in {count(files, 'file')} {took}")
        return
    broken = len({problem.file for problem in problems})
    screen.line(f"{tally(problems, look)} in {broken} of {count(files, 'file')} {took}")
