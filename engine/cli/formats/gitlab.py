"""``--format gitlab``: a Code Quality report, which merge requests of GitLab show."""

from __future__ import annotations

from typing import Any

from engine.cli.formats import Report, sentence
from engine.cli.formats.fingerprints import fingerprints


def document(report: Report) -> list[dict[str, Any]]:
    """Return the report as plain data."""
    marks = fingerprints(report.problems)
    return [
        {
            "description": sentence(problem),
            "check_name": problem.code,
            "fingerprint": mark,
            "severity": "major" if problem.severity == "error" else "minor",
            "location": {"path": report.path(problem.file), "lines": {"begin": problem.line}},
        }
        for problem, mark in zip(report.problems, marks, strict=True)
    ]
