"""Findings in a document to problems at their places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from engine.definition.document import KEY, Document
from engine.definition.explain import Finding
from engine.definition.shape import Shape
from engine.definition.variables import Resolved
from engine.errors import Path, Problem, dotted

Severity = Literal["error", "warning"]


def problem(document: Document, finding: Finding, severity: Severity = "error", instead: str = "") -> Problem:
    """Return *finding* with the place of its key or value in *document*."""
    path = finding.path
    place = document.place((*path, KEY) if finding.key and path else path)
    shown = path[:-1] if finding.key and finding.code in _AT_THE_KEY else path
    said = finding.said(instead)
    return Problem(*place, finding.code, severity, dotted(shown), said, finding.hint, finding.fix)


_AT_THE_KEY = frozenset({"unknown-key", "not-yet", "unknown-connector", "too-many", "bad-name"})
"""These are about a key that should not be there: the path says where it stands, the message names it."""


def problems(document: Document, found: Iterable[Finding], resolved: Resolved, shape: Shape) -> Iterator[Problem]:
    """Return the problems of *found*, without what follows from a value that could not be had, nor any secret."""
    excused = document.broken | resolved.unknown
    told = set(resolved.findings)
    for finding in dict.fromkeys(found):
        if finding not in told and _below(finding.path, excused):
            continue
        yield problem(document, finding, "error", _instead(finding.path, resolved, shape))


def _below(path: Path, excused: set[Path]) -> bool:
    return any(path[:length] in excused for length in range(len(path) + 1))


def _instead(path: Path, resolved: Resolved, shape: Shape) -> str:
    if path in resolved.written:
        return f"what '{resolved.written[path]}' stands for"
    here = shape.at(path)
    return "the secret" if here is not None and here.secret else ""
