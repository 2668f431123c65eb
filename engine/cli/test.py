"""``engine test``: the tests beside the pipelines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.commands import Command
from engine.cli.session import Session, Stopped, pass_session

if TYPE_CHECKING:
    from engine.definition.model import PipelineTest, Project
    from engine.errors import Problem
    from engine.telemetry.look import Meaning
    from engine.testing.coverage import Coverage
    from engine.testing.suite import Choice, Verdict


@click.command("test", cls=Command)
@click.argument("names", nargs=-1, metavar="[PATH|NAME]...")
@click.option("-k", "words", default="", metavar="WORDS", help="Only tests whose name has these words in it.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", help="How to write what came."
)
@click.option("--fail-fast", is_flag=True, help="Stop at the first test that fails.")
@click.option("--update", is_flag=True, help="Write what came into the files as what is expected, to be reviewed.")
@click.option("--coverage", is_flag=True, help="Say what no test took: filters, cases, targets, what can go wrong.")
@pass_session
def test(
    session: Session, names: tuple[str, ...], words: str, form: str, fail_fast: bool, update: bool, coverage: bool
) -> None:
    """Run the tests beside the pipelines: all, or those of files, folders or pipelines.

    Nothing is reached and nothing is written: systems answer what the tests say, the clock stands still, and secrets
    are made up.
    """
    from engine.testing.suite import Suite, chosen

    began = time.perf_counter()
    project, choice, problems = _load(session, names, words)
    tests = chosen(project, choice)
    _refuse(session, project, tests, [one for one in problems if not (update and _expected(one))], choice)
    if not tests:
        _nothing(session, project, choice)
    heard = _listening(project) if coverage else None
    suite = Suite(project, fail_fast=fail_fast) if heard is None else Suite(project, ears=heard.listen)
    verdicts = suite.run(tests)
    if update:
        _update(session, verdicts)
        return
    _report(session, verdicts, form, time.perf_counter() - began)
    if heard is not None:
        _covered(session, heard, verdicts)
    if not all(one.passed for one in verdicts):
        raise Stopped(1)


def _load(session: Session, names: Sequence[str], words: str) -> tuple[Project, Choice, list[Problem]]:
    from engine.cli.validate import inside
    from engine.compiler.check import check
    from engine.definition.loader import load
    from engine.definition.lookup import MadeUp
    from engine.testing.suite import Choice

    if not session.root.is_dir():
        raise click.UsageError(f"the project folder {session.root} does not exist; name it with --project DIR")
    named = [name for name in names if _is_path(session, name)]
    paths = [inside(session, Path(name)) for name in named]
    root = session.root.resolve()
    outside = [path for path in paths if path.is_absolute() or path.parts[:1] not in (("pipelines",), ("connections",))]
    project, problems = load(root, environ=MadeUp(), skip_env=True)
    if any(not path.is_dir() for path in outside):
        project, problems = load(root, environ=MadeUp(), skip_env=True, paths=paths)
    choice = Choice([path.as_posix() for path in paths], [name for name in names if name not in named], words)
    return project, choice, sorted({*problems, *check(project)})


def _expected(problem: Problem) -> bool:
    """Whether it is about an expectation that cannot come true: ``--update`` writes what comes in its place."""
    return problem.code in ("unknown-field", "type-mismatch") and ".expect.sent" in problem.path


def _is_path(session: Session, name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or (session.root / name).exists() or "/" in name


def _refuse(
    session: Session, project: Project, tests: Sequence[PipelineTest], problems: Sequence[Problem], choice: Choice
) -> None:
    """Tell what keeps the chosen tests from running. Raises Stopped."""
    from engine.cli.problems import show
    from engine.compiler.facts import connections_of
    from engine.definition.files import TESTS

    errors = [one for one in problems if one.severity == "error"]
    if all(test.pipeline in project.pipelines for test in tests):
        used = [project.pipelines[name] for name in {test.pipeline for test in tests}]
        files = {test.origin.file for test in tests} | {one.origin.file for one in used} | {"engine.yaml"}
        files |= {project.connections[name].origin.file for one in used for name in connections_of(one)}
        everything = not (choice.paths or choice.pipelines)
        errors = [
            one
            for one in errors
            if one.file in files or one.file in choice.paths or (everything and one.file.endswith(TESTS))
        ]
    if errors:
        show(session, errors)
        if all(map(_expected, errors)):
            session.err.line(
                "no test ran, because a test expects what this pipeline can never send: mend the one that is"
            )
            wrong = session.err.look.paint("engine test --update", "strong")
            session.err.line(f"wrong, or let the tests expect what comes:  {wrong}")
        raise Stopped(2)


def _nothing(session: Session, project: Project, choice: Choice) -> None:
    every = sum(map(len, project.tests.values()))
    strong = session.err.look.paint
    if every:
        said = ", ".join([*choice.paths, *choice.pipelines, *([f"-k {choice.words}"] if choice.words else [])])
        session.err.line(
            f"none of the {every} tests is meant by {said or 'that'}; "
            f"see their names: {strong('engine test -v', 'strong')}"
        )
    else:
        name = next(iter(project.pipelines), "NAME")
        session.err.line("there are no tests yet: they stand in *.test.yaml files beside the pipelines")
        session.err.line(f"write the first one:  {strong(f'engine new test {name}', 'strong')}")
    raise Stopped(2)


def _report(session: Session, verdicts: Sequence[Verdict], form: str, seconds: float) -> None:
    from engine.cli import verdicts as written

    if form == "json":
        session.out.json(written.as_json(verdicts, seconds), indent=2)
        return
    if form == "junit":
        for line in written.junit(verdicts, seconds):
            session.out.line(line)
        return
    look = session.out.look
    shown = [one for one in verdicts if not one.passed] if session.quiet else verdicts
    for line in written.text(shown, look, every=session.verbose):
        session.out.line(line)
    if not session.quiet or shown:
        session.out.line(written.summary(verdicts, seconds, look))


def _listening(project: Project) -> Coverage:
    from engine.testing.coverage import Coverage

    return Coverage(project)


_MEANING: dict[str, Meaning] = {"strong": "strong", "detail": "detail", "warning": "warning"}


def _update(session: Session, verdicts: Sequence[Verdict]) -> None:
    from engine.cli.yamltext import flow
    from engine.testing.updating import update

    done = update(session.root.resolve(), verdicts, flow)
    for file, count in done.written.items():
        session.out.line(
            f"wrote {file}   {count} {'place' if count == 1 else 'places'}; look at the difference before you keep it"
        )
    for why in done.left:
        session.err.line(f"left as it is: {why}")
    if not done.written and not done.left:
        session.out.line("nothing to write: all tests pass")
    if done.left:
        raise Stopped(1)


def _covered(session: Session, coverage: Coverage, verdicts: Sequence[Verdict]) -> None:
    from engine.testing.coverage import report

    look = session.out.look
    for one in verdicts:
        coverage.note(coverage.project.pipelines[one.test.pipeline], one.outcome)
    session.out.line()
    for line in report(coverage, verdicts, lambda text, meaning: look.paint(text, _MEANING[meaning])):
        session.out.line(line)
