"""``engine run``: pipelines in the foreground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.commands import Command
from engine.cli.params import parse
from engine.cli.session import Session, pass_session, unknown
from engine.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from engine.app import Request
    from engine.definition.model import PipelineDefinition, Project

PREVIEWS = 10
"""Records a dry run shows when ``--limit`` is not given."""


@click.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="NAME...|FILE")
@click.option("--param", "params", multiple=True, metavar="K=V", help="An input of the run; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent; send nothing, move nothing.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Read no more than N records.")
@click.option("--fresh", is_flag=True, help="Start over a run with reset that was interrupted.")
@click.option("--strict", is_flag=True, help="Exit 1 also when records were rejected or all were dropped.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a run instead of the summary.")
@click.option("--record", type=click.Path(path_type=Path), metavar="FILE", help="Write the run as a test: x.test.yaml.")
@click.option("--force", is_flag=True, help="With --record: overwrite FILE.")
@pass_session
def run(
    session: Session,
    names: tuple[str, ...],
    params: tuple[str, ...],
    dry_run: bool,
    limit: int | None,
    fresh: bool,
    strict: bool,
    as_json: bool,
    record: Path | None,
    force: bool,
) -> int:
    """Run pipelines now, in this order; a failed one skips those that come after it.

    Ctrl-C ends at the end of a batch, and the next run goes on from there; a second one stops at once.
    """
    project, chosen = select(session, names)
    from engine.app import Request
    from engine.cli.runner import Foreground, Job

    most = limit or (PREVIEWS if dry_run else None)
    jobs = [
        Job(one.name, Request(params=parse(params, one.params, one.name), limit=most, dry_run=dry_run, fresh=fresh))
        for one in chosen
    ]
    if record is not None:
        return _record(session, project, chosen, jobs[0].request, (record, force))
    foreground = Foreground(session, project, as_json, strict)
    try:
        return foreground.run(jobs)
    finally:
        if not foreground.served:
            _inactive(session, chosen, as_json)


def _record(
    session: Session,
    project: Project,
    chosen: Sequence[PipelineDefinition],
    request: Request,
    where: tuple[Path, bool],
) -> int:
    from engine.cli import recording

    if len(chosen) > 1 or request.dry_run:
        raise click.UsageError("--record writes one real run of one pipeline")
    recording.refuse_existing(session.root / where[0], where[1])
    return recording.record(session, project, chosen[0], recording.limited(request), session.root / where[0])


def select(session: Session, names: Sequence[str]) -> tuple[Project, list[PipelineDefinition]]:
    """Load the project and find pipelines by name or file.

    Raises DefinitionError for an error in what they need; a broken file elsewhere does not hinder them.
    """
    from engine.compiler.check import check

    files = {name: _file(session, name) for name in names if name.endswith((".yaml", ".yml"))}
    project, problems = session.read()
    known = {Path(one.origin.file) for one in project.pipelines.values()} | {Path(one.file) for one in problems}
    outside = [file for file in files.values() if file not in known]
    if outside:
        project, problems = session.read(outside)
    chosen = [_find(session, project, problems, name, files.get(name)) for name in names]
    problems += check(replace(project, pipelines={one.name: one for one in chosen}))
    session.refuse(sorted({problem for problem in problems if _concerns(problem, project, chosen)}))
    lost = [name for one in chosen for name in _used(one) if name not in project.connections]
    if lost:
        raise click.UsageError(f"the connection '{lost[0]}' could not be loaded; see why: engine validate")
    return project, chosen


def _concerns(problem: Problem, project: Project, chosen: Sequence[PipelineDefinition]) -> bool:
    """Tell whether *problem* lies in what the chosen pipelines need."""
    if problem.file in {one.origin.file for one in chosen} | {"engine.yaml", ".env"}:
        return True
    if any(one.origin.concerned(problem) for one in chosen):
        return True
    for name in {name for one in chosen for name in _used(one)}:
        found = project.connections.get(name)
        # a connection with an error is not loaded, so its file is not known, but its place is
        if problem.file == found.origin.file if found else problem.path.startswith(f"connections.{name}"):
            return True
    return False


def _used(definition: PipelineDefinition) -> list[str]:
    from engine.compiler.facts import connections_of

    return connections_of(definition)


def _file(session: Session, name: str) -> Path:
    from engine.cli.validate import inside

    return inside(session, Path(name))


def _find(
    session: Session, project: Project, problems: Sequence[Problem], name: str, file: Path | None
) -> PipelineDefinition:
    if file is not None:
        found = [one for one in project.pipelines.values() if Path(one.origin.file) == file]
        if found:
            return found[0]
        session.refuse([problem for problem in problems if Path(problem.file) == file])
        raise click.UsageError(f"{name} is not a pipeline: its first key must be pipeline:")
    if name in project.pipelines:
        return project.pipelines[name]
    # the pipeline may be there and be broken: then its problems are the answer
    broken = [one for one in problems if one.severity == "error" and _mentions(session.root / one.file, name)]
    if broken:
        raise DefinitionError(broken)
    raise click.UsageError(unknown("pipeline", name, project.pipelines, "engine list"))


def _mentions(file: Path, name: str) -> bool:
    try:
        return f"pipeline: {name}" in file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return False


def _inactive(session: Session, chosen: Sequence[PipelineDefinition], as_json: bool) -> None:
    """Say once that what only the server acts on does nothing here."""
    idle = [key for key in ("triggers", "promises") if any(getattr(one, key) for one in chosen)]
    if idle and not session.quiet and not as_json:
        session.out.flush()
        session.err.line(session.err.look.paint(f"{', '.join(idle)}: not active without `engine serve`", "detail"))
