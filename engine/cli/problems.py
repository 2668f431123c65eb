"""Problems of definitions for people: with the source and a caret on a terminal, one a line elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import Problem
from engine.telemetry.look import Look
from engine.telemetry.words import count

if TYPE_CHECKING:
    from engine.cli.session import Session

_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|\$\{[^}]*\}|[^\s:,{}\[\]]+")
_BEFORE = 2
"""Lines of context above the one with the problem."""


def show(session: Session, problems: Sequence[Problem]) -> None:
    """Write *problems* and how many they are to stderr."""
    screen = session.err
    for problem in problems:
        for line in render(problem, screen.look, session.root):
            screen.line(line)
    if problems:
        files = len({problem.file for problem in problems})
        if screen.look.terminal:
            screen.line()
        screen.line(f"{tally(problems, screen.look)} in {count(files, 'file')}")


def tally(problems: Sequence[Problem], look: Look) -> str:
    """Say how many: ``1 error, 2 warnings``."""
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    said = [look.paint(count(errors, "error"), "error")] if errors else []
    if warnings:
        said.append(look.paint(count(warnings, "warning"), "warning"))
    return ", ".join(said)


def render(problem: Problem, look: Look, root: Path) -> list[str]:
    """Write one problem."""
    if not look.terminal:
        return [str(problem)]
    head = _head(problem, look)
    if problem.severity == "warning":
        return [head, f"      {look.paint('help:', 'detail')} {problem.hint}"] if problem.hint else [head]
    excerpt = _excerpt(problem, look, root)
    if excerpt:
        return [head, *excerpt]
    return [head, f"      {look.paint('help:', 'detail')} {problem.hint}"] if problem.hint else [head]


def _head(problem: Problem, look: Look) -> str:
    place = look.paint(f"{problem.file}:{problem.line}:{problem.column}", "strong")
    kind = look.paint(problem.severity, problem.severity)
    path = f" {problem.path}" if problem.path else ""
    return f"{place}: {kind}{look.paint(f'[{problem.code}]', 'detail')}{path}: {problem.message}"


def _excerpt(problem: Problem, look: Look, root: Path) -> list[str]:
    """Give the source around the problem and a caret under it; nothing when the file cannot be read."""
    try:
        lines = (root / problem.file).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError:
        return []
    if not 0 < problem.line <= len(lines):
        return []
    first = max(1, problem.line - _BEFORE)
    wide = max(5, len(str(problem.line)) + 3)
    bar = look.paint(look.sign("│"), "detail")
    room = max(look.width - wide - 3, 20)
    source = lines[problem.line - 1].expandtabs(1)
    # a long line is shown from a little before the problem on
    start = max(0, problem.column - 1 - room // 2) if len(source) > room else 0
    excerpt = [
        f"{look.paint(f'{number:>{wide}}', 'detail')} {bar} {_window(lines[number - 1], start, room, look)}".rstrip()
        for number in range(first, problem.line + 1)
    ]
    under = " " * max(problem.column - 1 - start, 0) + "^" * _length(source, problem.column)
    return [*excerpt, *_pointed(f"{' ' * wide} {bar} ", under, problem.hint, room, look)]


def _window(line: str, start: int, room: int, look: Look) -> str:
    text = line.expandtabs(1)[start:]
    mark = look.sign("…")
    return text if len(text) <= room else text[: room - len(mark)] + mark


def _length(source: str, column: int) -> int:
    match = _TOKEN.match(source, column - 1)
    return max(1, min(len(match[0]) if match else 1, 40))


def _pointed(margin: str, under: str, hint: str, room: int, look: Look) -> list[str]:
    """Write the hint behind the caret where it fits, else on its own line below."""
    caret = margin + look.paint(under, "error")
    if not hint:
        return [caret]
    if len(under) + 1 + len(hint) <= room:
        return [f"{caret} {hint}"]
    return [caret, f"      {look.paint('help:', 'detail')} {hint}"]
