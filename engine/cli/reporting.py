"""What ``engine validate`` found, on its way to people or programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.formats import Region, Report
from engine.cli.formats.text import footer, render
from engine.cli.problems import tally
from engine.cli.session import Session, Stopped
from engine.errors import Problem
from engine.telemetry.words import count, duration

if TYPE_CHECKING:
    from engine.definition.fixes import Edit

FORMATS = ("text", "json", "github", "sarif", "junit", "gitlab")


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the project gave."""

    problems: Sequence[Problem]
    files: int
    strict: bool
    seconds: float
    labels: Sequence[str] = ()
    """The files by name."""


def tell(session: Session, form: str, found: Found) -> None:
    """Write what was *found* in the format *form*: data to stdout, words for people to stderr."""
    if form == "text":
        people(session, found)
        return
    report = _report(session, form, found)
    if form == "json":
        from engine.cli.formats.listed import document as listed

        session.out.json(listed(report), indent=2)
    elif form == "sarif":
        from engine.cli.formats.sarif import document as sarif

        session.out.json(sarif(report), indent=2)
    elif form == "gitlab":
        from engine.cli.formats.gitlab import document as gitlab

        session.out.json(gitlab(report), indent=2)
    elif form == "junit":
        from engine.cli.formats.junit import text as junit

        session.out.line(junit(report).rstrip("\n"))
    else:
        from engine.cli.formats.github import text as github

        for line in github(report).splitlines():
            session.out.line(line)
        session.out.flush()
        people(session, found)


def people(session: Session, found: Found) -> None:
    """Write it for people, to stderr."""
    screen, look, problems = session.err, session.err.look, found.problems
    if not found.files and not problems:
        screen.line(f"nothing to check: no engine.yaml and no definitions in {session.root.resolve()}")
        screen.line(f"begin with:  {look.paint('engine init', 'strong')}")
        raise Stopped(2)
    shown = [problem for problem in problems if not session.quiet or found.strict or problem.severity == "error"]
    for problem in shown:
        for line in render(problem, look, session.root):
            screen.line(line)
    if shown and look.terminal:
        screen.line()
    took = look.paint(f"({duration(found.seconds)})", "detail")
    if not problems:
        if not session.quiet:
            screen.line(f"{look.paint('no problems', 'done')} in {count(found.files, 'file')} {took}")
        return
    broken = len({problem.file for problem in problems})
    whole = max(found.files, broken)  # settings may have problems, and are not counted
    screen.line(f"{tally(problems, look)} in {broken} of {count(whole, 'file')} {took}")
    if found.strict and all(problem.severity == "warning" for problem in problems):
        screen.line("warnings fail too, with --strict")
    if shown and look.terminal:
        screen.line(footer(list(dict.fromkeys(problem.code for problem in shown)), look))


def _report(session: Session, form: str, found: Found) -> Report:
    """Gather what a program's format needs; secrets are masked here, before anything is escaped."""
    masked: list[Problem] = []
    regions: dict[Problem, Region] = {}
    known = _regions(session.root, found.problems)
    for problem in found.problems:
        said = _masked(problem, session)
        masked.append(said)
        if problem in known and said.fix == problem.fix:
            regions[said] = known[problem]
    root = session.root.resolve()
    pages = dict(_pages({problem.code for problem in masked})) if form == "sarif" else {}
    base = _base(session.environ(), root)
    from engine import __version__

    labels = tuple(found.labels)
    return Report(tuple(masked), labels, found.files, found.strict, root, base, regions, pages, __version__)


def _masked(problem: Problem, session: Session) -> Problem:
    words: dict[str, Any] = {name: session.out.mask(getattr(problem, name)) for name in ("message", "hint", "path")}
    return replace(problem, fix=str(session.out.mask(problem.fix)), **words)


def _base(environ: Mapping[str, str], root: Path) -> Path:
    """Return the checkout that a CI looks into, where the project lies in it."""
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        if environ.get(name):
            base = Path(environ[name]).resolve()
            if root.is_relative_to(base):
                return base
    return root


def _regions(root: Path, problems: Sequence[Problem]) -> dict[Problem, Region]:
    """Return what each remedy that a program can type is typed over."""
    from engine.definition.fixes import edits

    regions: dict[Problem, Region] = {}
    by_file: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.fix:
            by_file.setdefault(problem.file, []).append(problem)
    for file, ones in by_file.items():
        try:
            text = (root / file).read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            continue
        regions |= {problem: _region(problem, text, edit) for problem, edit in edits(text, ones).items()}
    return regions


def _region(problem: Problem, text: str, edit: Edit) -> Region:
    return Region(problem.line, problem.column, problem.line, problem.column + edit.end - edit.start)


def _pages(codes: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the page of each code that has one."""
    from engine.data import folder

    for code in codes:
        path = folder("codes") / f"{code}.md"
        if path.is_file():
            yield code, path.read_text(encoding="utf-8")
