"""Findings in a document to problems at their places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import replace
from itertools import groupby
from typing import Literal

from engine.definition.document import KEY, Document
from engine.definition.explain import MORE, Finding
from engine.definition.shape import Shape
from engine.definition.variables import Resolved
from engine.errors import Path, Place, Problem, dotted

Severity = Literal["error", "warning"]


def problem(document: Document, finding: Finding, severity: Severity = "error", instead: str = "") -> Problem:
    """Return *finding* with the place of its key or value in *document*."""
    path = finding.path
    place = document.place((*path, KEY) if finding.key and path else path)
    shown = path[:-1] if finding.key and finding.code in _AT_THE_KEY else path
    said = finding.said(instead)
    hint = finding.discreet if instead and finding.discreet is not None else finding.hint
    fix = "" if instead and not finding.key else finding.fix  # a key is no variable, whatever its value is
    return Problem(*place, finding.code, severity, dotted(shown), said, hint, fix)


MAX_TOLD = 50
"""Problems of one file that are shown."""


def shown(found: Iterable[Problem]) -> list[Problem]:
    """Return *found*, sorted; of a file with very many the first errors, and one more that says so."""
    kept: list[Problem] = []
    for _, some in groupby(sorted(found), key=lambda one: one.file):
        every = list(some)
        if len(every) > MAX_TOLD:
            # errors first: a warning must not hide what fails
            every = sorted(sorted(every, key=lambda one: (one.code == MORE.code, one.severity))[:MAX_TOLD])
            last = every[-1]
            every.append(
                Problem(last.file, last.line, last.column, MORE.code, every[0].severity, "", MORE.message, MORE.hint)
            )
        kept += every
    return kept


_AT_THE_KEY = frozenset({"unknown-key", "not-yet", "unknown-connector", "too-many", "bad-name", "mixed-field"})
"""These are about a key that should not be there: the path says where it stands, the message names it."""


def problems(document: Document, found: Iterable[Finding], resolved: Resolved, shape: Shape) -> Iterator[Problem]:
    """Return the problems of *found*, without what follows from a value that could not be had, nor any secret."""
    excused = document.broken | resolved.unknown
    told = set(resolved.findings)
    for finding in dict.fromkeys(found):
        if finding not in told and _below(finding.path, excused):
            continue
        instead = "" if finding in told else _instead(finding.path, resolved, shape)
        yield problem(document, finding, "error", instead)


def _below(path: Path, excused: set[Path]) -> bool:
    return any(path[:length] in excused for length in range(len(path) + 1))


def _instead(path: Path, resolved: Resolved, shape: Shape) -> str:
    if path in resolved.written:
        return f"what '{resolved.written[path]}' stands for"
    here = shape.at(path)
    return "the secret" if here is not None and here.secret else ""


_BETTER = frozenset({"bad-name", "unknown-pipeline", "looks-constant"})
"""What another problem may say better, or bring about."""


def told_once(found: Set[Problem]) -> Iterable[Problem]:
    """Return *found* without what another one says better, or what only follows from it."""
    doubtful = sorted(one for one in found if one.code in _BETTER)
    if not doubtful:
        return found
    at: dict[Place, dict[str, Problem]] = {}
    for one in found:
        at.setdefault(Place(one.file, one.line, one.column), {})[one.code] = one
    renamed = {f"'{one.fix}'" for one in doubtful if one.code == "bad-name" and one.path == "pipeline" and one.fix}
    kept, missed = set(found), set()
    for one in doubtful:
        beside = at[Place(one.file, one.line, one.column)]
        test = (one.file, one.message) if one.path.startswith("tests[") else None
        if one.code == "bad-name":
            needless = bool(beside.keys() & {"unknown-connection", "unknown-pipeline"})
        elif one.code == "unknown-pipeline":
            needless = any(name in one.message for name in renamed) or test in missed  # many tests of one pipeline
            missed |= {test} - {None}
        else:
            needless = "unknown-field" in beside
            if needless:
                kept -= {beside["unknown-field"]}
                kept |= {replace(beside["unknown-field"], hint=one.hint, fix=one.fix)}
        kept -= {one} if needless else set()
    return kept
