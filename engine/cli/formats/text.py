"""``--format text``: with the source and a caret on a terminal, one line a problem elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.cli.formats.cells import back, cut, safe, width
from engine.errors import Problem
from engine.telemetry.look import Look

_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|\$\{[^}]*\}|[^\s:,{}\[\]]+")
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_BEFORE = 2
"""Lines of context above the one with the problem."""
_LONGEST = 40
"""Carets under one token."""


def render(problem: Problem, look: Look, root: Path) -> list[str]:
    """Write one problem."""
    problem = replace(
        problem,
        file=safe(problem.file),
        message=safe(problem.message),
        hint=safe(problem.hint),
        path=safe(problem.path),
    )
    if not look.terminal:
        return [str(problem)]
    excerpt = _excerpt(problem, look, lines(root / problem.file))
    if not excerpt and problem.hint:
        excerpt = [_help(problem.hint, look)]
    return [_head(problem, look), *excerpt]


def footer(codes: Sequence[str], look: Look) -> str:
    """Say where there is more about *codes*."""
    rest = f"      also: {', '.join(codes[1:])}" if len(codes) > 1 else ""
    return look.paint(f"more:  engine explain {codes[0]}{rest}", "detail")


def lines(path: Path) -> list[str]:
    """Read the lines of a file as YAML counts them; none where it cannot be read."""
    try:
        return _BREAK.split(path.read_text(encoding="utf-8-sig", errors="replace"))
    except OSError:
        return []


def _head(problem: Problem, look: Look) -> str:
    place = look.paint(f"{safe(problem.file)}:{problem.line}:{problem.column}", "strong")
    kind = look.paint(problem.severity, problem.severity)
    path = f" {problem.path}" if problem.path else ""
    return f"{place}: {kind}{look.paint(f'[{problem.code}]', 'detail')}{path}: {problem.message}"


def _help(hint: str, look: Look) -> str:
    return f"      {look.paint('help:', 'detail')} {hint}"


def _excerpt(problem: Problem, look: Look, source: Sequence[str]) -> list[str]:
    """Give the source around the problem and a caret under it; nothing where there is none."""
    if not 0 < problem.line <= len(source):
        return []
    first = max(1, problem.line - _BEFORE)
    margin = max(5, len(str(problem.line)) + 3)
    bar = look.paint(look.sign("│"), "detail")
    room = max(look.width - margin - 3, 20)
    line = safe(source[problem.line - 1])
    # a long line is shown from a little before the problem on
    start = back(line, problem.column - 1, room // 2) if width(line) > room else 0
    excerpt = [
        f"{look.paint(f'{number:>{margin}}', 'detail')} {bar} "
        f"{cut(safe(source[number - 1])[start:], room, look.sign('…'))}".rstrip()
        for number in range(first, problem.line + 1)
    ]
    lead = width(line[start : problem.column - 1])
    carets = "^" * _length(line, problem.column, room - lead)
    under, taken = " " * lead + look.paint(carets, problem.severity), lead + len(carets)
    return [*excerpt, *_pointed(f"{' ' * margin} {bar} {under}", problem.hint, room - taken, look)]


def _length(line: str, column: int, room: int) -> int:
    match = _TOKEN.match(line, column - 1)
    return max(1, min(width(match[0][:_LONGEST]) if match else 1, _LONGEST, room))


def _pointed(under: str, hint: str, left: int, look: Look) -> list[str]:
    """Write the hint behind the caret where it fits, else on its own line below."""
    if not hint:
        return [under]
    return [f"{under} {hint}"] if len(hint) < left else [under, _help(hint, look)]
