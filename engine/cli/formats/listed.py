"""``--format json``: the shape that other programs build on."""

from __future__ import annotations

from typing import Any

from engine.cli.formats import Report

_FIELDS = ("file", "line", "column", "code", "severity", "path", "message", "hint")


def document(report: Report) -> dict[str, Any]:
    """Return the problems as plain data; ``fix`` only where a program can type it."""
    listed = []
    for problem in report.problems:
        one: dict[str, Any] = {field: getattr(problem, field) for field in _FIELDS}
        if problem in report.regions:
            one["fix"] = problem.fix
        listed.append(one)
    return {"problems": listed, "files": report.count}
