"""``--format github``: workflow commands, which GitHub Actions shows beside the lines they are about."""

from __future__ import annotations

from engine.cli.formats import Report, sentence
from engine.errors import Problem

_TITLE = 120


def text(report: Report) -> str:
    """Return one command a line."""
    return "".join(f"{_command(report, problem)}\n" for problem in report.problems)


def _command(report: Report, problem: Problem) -> str:
    place = {
        "file": report.path(problem.file),
        "line": str(problem.line),
        "col": str(problem.column),
        "title": f"{problem.code}: {problem.path}"[:_TITLE] if problem.path else problem.code,
    }
    if region := report.regions.get(problem):
        place |= {"endLine": str(region.end_line), "endColumn": str(region.end_column)}
    properties = ",".join(f"{name}={_property(value)}" for name, value in place.items())
    return f"::{problem.severity} {properties}::{_data(sentence(problem))}"


def _data(text: str) -> str:
    """What the runner would read as an end of the command is written as it asks."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
