"""``--format sarif``: SARIF 2.1.0, which code scanning and editors read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from engine.cli.formats import Region, Report, sentence
from engine.cli.formats.fingerprints import fingerprints
from engine.errors import Problem

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"
_OTHER = re.compile(r"([^\s()'\"]+\.[A-Za-z]+):(\d+)(?::(\d+))?")
"""How messages write the other place."""
_HERE = re.compile(r"the first is at (\d+):(\d+)")


def document(report: Report) -> dict[str, Any]:
    """Return the log as plain data."""
    codes = sorted({problem.code for problem in report.problems})
    marks = fingerprints(report.problems)
    driver: dict[str, Any] = {"name": "engine validate", "rules": [_rule(code, report) for code in codes]}
    if report.version:
        driver["semanticVersion"] = report.version
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(report, problem, codes.index(problem.code), mark)
            for problem, mark in zip(report.problems, marks, strict=True)
        ],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, report: Report) -> dict[str, Any]:
    page = report.help.get(code, "")
    severities = {problem.severity for problem in report.problems if problem.code == code}
    rule: dict[str, Any] = {
        "id": code,
        "name": "".join(word.capitalize() for word in code.split("-")),
        "shortDescription": {"text": _summary(page) or code.replace("-", " ")},
        "defaultConfiguration": {"level": "error" if "error" in severities else "warning"},
    }
    if page:
        rule["help"] = {"text": page, "markdown": page}
    return rule


def _summary(page: str) -> str:
    """Return the first sentence of a code's page."""
    for line in page.splitlines():
        plain = line.strip()
        if plain and not plain.startswith(("#", "|", "```", "---", ">", "<", "*")):
            return plain.partition(". ")[0].rstrip(".").replace("`", "")
    return ""


def _result(report: Report, problem: Problem, index: int, mark: str) -> dict[str, Any]:
    location = _location(report, problem.file, _region(problem, report.regions.get(problem)))
    if problem.path:
        location["logicalLocations"] = [{"fullyQualifiedName": problem.path}]
    result: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": sentence(problem)},
        "locations": [location],
        "partialFingerprints": {"engineProblem/v1": mark},
    }
    if problem in report.regions:
        result["fixes"] = [_fix(report, problem, report.regions[problem])]
    if others := list(_others(report, problem)):
        result["relatedLocations"] = others
    return result


def _region(problem: Problem, region: Region | None) -> dict[str, int]:
    if region is None:
        return {"startLine": problem.line, "startColumn": problem.column}
    return {
        "startLine": region.line,
        "startColumn": region.column,
        "endLine": region.end_line,
        "endColumn": region.end_column,
    }


def _artifact(report: Report, file: str) -> dict[str, str]:
    return {"uri": quote(report.path(file)), "uriBaseId": _ROOT}


def _location(report: Report, file: str, region: dict[str, int]) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": _artifact(report, file), "region": region}}


def _fix(report: Report, problem: Problem, region: Region) -> dict[str, Any]:
    replacement = {"deletedRegion": _region(problem, region), "insertedContent": {"text": problem.fix}}
    return {
        "description": {"text": problem.hint or f"write {problem.fix}"},
        "artifactChanges": [
            {"artifactLocation": _artifact(report, problem.file), "replacements": [replacement]},
        ],
    }


def _others(report: Report, problem: Problem) -> Iterator[dict[str, Any]]:
    """Yield the other places that a message names, where it names a file that was looked at."""
    found = [(file, line, column) for file, line, column in _OTHER.findall(problem.message) if file in report.files]
    found += [(problem.file, line, column) for line, column in _HERE.findall(problem.message)]
    for number, (file, line, column) in enumerate(found, 1):
        other = _location(report, file, {"startLine": int(line), "startColumn": int(column or 1)})
        yield {"id": number, "message": {"text": "the other place"}, **other}
