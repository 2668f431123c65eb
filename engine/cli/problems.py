"""Problems of definitions for people, wherever a command meets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.cli.formats.text import render
from engine.errors import Problem
from engine.telemetry.look import Look
from engine.telemetry.words import count

if TYPE_CHECKING:
    from engine.cli.session import Session


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
