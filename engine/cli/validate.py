"""``engine validate``: every problem of every file, at once, offline."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.callers import webhook_problems
from engine.cli.commands import Command
from engine.cli.reporting import FORMATS, Found, tell
from engine.cli.session import Session, Stopped, pass_session
from engine.errors import Problem
from engine.telemetry.words import count

if TYPE_CHECKING:
    from engine.cli.changed import Change
    from engine.definition.model import Project

Told = Callable[[Problem], bool]


@click.command(cls=Command)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="How to write the problems; in GitHub Actions github, else text.",
)
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--skip-env", is_flag=True, help="Do not ask for variables and secrets, for CI.")
@click.option(
    "--changed",
    is_flag=False,
    flag_value="",
    metavar="[=REF]",
    help="Only what differs from the merge base with REF, and what depends on it; default: the usual branch.",
)
@click.option("--fix", is_flag=True, help="Type in the remedies that are sure, and show what changed.")
@click.option("--dry-run", "--diff", is_flag=True, help="With --fix: show what would change, write nothing.")
@pass_session
def validate(
    session: Session,
    paths: tuple[Path, ...],
    form: str | None,
    strict: bool,
    skip_env: bool,
    changed: str | None,
    fix: bool,
    dry_run: bool,
) -> None:
    """Find every problem of every file, at once, offline.

    With PATHs (files or folders) only their problems are told; the whole project is read all the same, because files
    refer to each other.
    """
    began = time.perf_counter()
    if dry_run and not fix:
        raise click.UsageError("--dry-run goes with --fix: it shows what that would change")
    form = form or ("github" if session.environ().get("GITHUB_ACTIONS") == "true" else "text")
    chosen = [inside(session, path) for path in paths]
    look = _Look(session, chosen, skip_env, _change(session, changed))
    if fix:
        _fix(session, look, form, dry_run)
    found = look.found(strict, began)
    if look.change and not found.labels and not found.problems and form in ("text", "github"):
        if not session.quiet:
            session.err.line(f"nothing changed since {look.change.name} ({look.change.base})")
        return
    tell(session, form, found)
    if any(problem.severity == "error" or strict for problem in found.problems):
        raise Stopped(2)


class _Look:
    """Looks at the project, and tells which problems were asked for."""

    def __init__(self, session: Session, chosen: Sequence[Path], skip_env: bool, change: Change | None) -> None:
        self._session, self._chosen, self._skip_env = session, chosen, skip_env
        self.change = change
        self._tables: Mapping[str, frozenset[str]] = {}

    def all(self, instead: Mapping[Path, bytes] | None = None) -> tuple[Project, list[Problem]]:
        """Load the project, and return every problem; *instead* as of the loader."""
        gc.disable()  # looking for cycles in what is loaded, and stays, would be a fifth of the time
        try:
            project, problems = self._session.load(self._chosen, skip_env=self._skip_env, instead=instead)
            self._tables = project.tables
            return project, sorted({*problems, *webhook_problems(project, problems, self._skip_env)})
        finally:
            gc.freeze()  # nor does the first look after this go through all of it
            gc.enable()

    def told(self, problem: Problem) -> bool:
        """Whether *problem* was asked for; a file of rows belongs to the definitions that name it."""
        if self.change is not None and not self.change.affected.concerns(problem):
            return False
        return any(_chosen(file, self._chosen) for file in (problem.file, *self._tables.get(problem.file, ())))

    def found(self, strict: bool, began: float) -> Found:
        """Return what was asked for."""
        project, problems = self.all()
        problems = [problem for problem in problems if self.told(problem)]
        labels = self._labels()
        files = len(labels) if self.change else _files(project, self._chosen)
        return Found(problems, files, strict, time.perf_counter() - began, labels)

    def _labels(self) -> list[str]:
        """Return the names of the files that were asked for."""
        from engine.definition.files import SETTINGS, everything, named

        root = self._session.root.resolve()
        labels = [label for _, label in everything(root, named(root, self._chosen)[0])]
        labels += [SETTINGS] if (root / SETTINGS).is_file() else []
        touched = self.change.affected if self.change else None
        return sorted(
            label
            for label in labels
            if _chosen(label, self._chosen) and (touched is None or touched.everything or label in touched.files)
        )


def _change(session: Session, changed: str | None) -> Change | None:
    if changed is None:
        return None
    from engine.cli.changed import since

    return since(session.root, changed)


def _fix(session: Session, look: _Look, form: str, dry_run: bool) -> None:
    """Type in what is sure, and show it: on stdout, or on stderr beside a format that others read."""
    from engine import whole
    from engine.cli.fixing import Fixer, difference

    root = session.root.resolve()
    fixer = Fixer(root, lambda instead: look.all(instead)[1], look.told)
    fixer.run()
    screen = session.out if form == "text" else session.err
    for path, data in sorted(fixer.contents.items()):
        label = path.relative_to(root).as_posix()
        for line in difference(label, fixer.originals[path], data):
            screen.line(line)
        if not dry_run:
            if path.read_bytes() != fixer.originals[path]:
                raise click.ClickException(
                    f"{label} was changed by another program meanwhile; nothing was written to it"
                )
            whole.write(path, data)
    session.out.flush()
    if not session.quiet:
        done = "would change" if dry_run else "changed"
        session.err.line(
            f"{done} {count(len(fixer.contents), 'file')}" if fixer.contents else "nothing to fix by itself"
        )


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


def _files(project: Project, chosen: Sequence[Path]) -> int:
    if not chosen:
        return project.files
    return sum(1 if path.suffix else len([*path.rglob("*.yaml"), *path.rglob("*.yml")]) for path in chosen)
