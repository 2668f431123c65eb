"""Remedies typed into a file's text: exactly where a key or scalar stands, and nothing else changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.definition.document import read
from engine.definition.document.spans import Spans
from engine.definition.retype import scalar
from engine.errors import Problem

MOST_FAULTS = 500
"""Mistakes of YAML itself that are mended in one file, one after the other."""

MOST_TRIES = 12
"""Of them in one line."""

_OF_VARIABLES = frozenset({"dollar-template", "flow-needs-quotes", "bad-variable", "yaml-syntax"})
"""Only these are about the text of a ``${…}``; others speak of what it stands for, which stands elsewhere."""


class Edit(NamedTuple):
    """One replacement in a text."""

    start: int
    end: int
    text: str
    """What stands there afterwards."""


def edits(text: str, problems: Iterable[Problem]) -> dict[Problem, Edit]:
    """Return, for each of *problems* of one file whose remedy can be typed, what to replace in its *text*."""
    fixable = [problem for problem in problems if problem.fix]
    if not fixable:
        return {}
    spans = Spans(text)
    found: dict[Problem, Edit] = {}
    for problem in fixable:
        span = spans.at(problem.line, problem.column)
        if span is None:
            continue
        written = text[slice(*span)]
        if "\n" in written or ("${" in written and problem.code not in _OF_VARIABLES) or written == problem.fix:
            continue
        found[problem] = Edit(*span, _as_written(problem.fix, written))
    return found


def _as_written(fix: str, written: str) -> str:
    """Return *fix* without quotes, where what it replaces has none and none are needed."""
    inner = fix[1:-1]
    return inner if fix == f'"{inner}"' and written[0] not in "\"'" and scalar(inner) == inner else fix


def applied(text: str, chosen: Iterable[Edit]) -> str:
    """Return *text* with *chosen* typed in; of two that touch the same place only the first."""
    taken: list[Edit] = []
    for edit in chosen:
        if all(edit.end <= other.start or edit.start >= other.end for other in taken):
            taken.append(edit)
    for edit in sorted(taken, reverse=True):
        text = f"{text[: edit.start]}{edit.text}{text[edit.end :]}"
    return text


def mended(file: str, text: str) -> str:
    """Return *text* with what is no YAML mended, as far as that is sure: each mistake hides those after it."""
    tries: Counter[int] = Counter()
    for _ in range(MOST_FAULTS):
        document = read(file, text.encode("utf-8", "surrogatepass"))
        found = edits(text, document.problems)
        lines = {problem.line for problem in found}
        if not found or all(tries[line] >= MOST_TRIES for line in lines):  # the remedy is none
            break
        tries.update(lines)
        text = applied(text, found.values())
    return text


class State(NamedTuple):
    """How bad a file is: less is better. What is no YAML hides what else is wrong."""

    unreadable: bool
    errors: int
    warnings: int


def state(file: str, data: bytes, problems: Sequence[Problem]) -> State:
    """Tell how bad a file with these problems is."""
    errors = sum(problem.severity == "error" for problem in problems)
    document = read(file, data)
    unreadable = document.value is None and bool(document.problems)
    return State(unreadable, errors, len(problems) - errors)
