"""How ``engine validate`` writes what it found: one module a format, each a pure function from a report to text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from engine.errors import Problem


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of a text, 1-based, in characters; the end is behind its last one."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was found; secrets are masked already."""

    problems: tuple[Problem, ...]
    files: tuple[str, ...] = ()
    """Every file that was looked at, also the good ones."""
    count: int = 0
    """How many those are, in the project's own words."""
    strict: bool = False
    root: PurePath = field(default_factory=PurePath)
    """The project's folder."""
    base: PurePath = field(default_factory=PurePath)
    """What paths are relative to: the checkout, where the project is a folder of it."""
    regions: Mapping[Problem, Region] = field(default_factory=dict)
    """What each problem's remedy is typed over; only those whose remedy can be typed by a program."""
    help: Mapping[str, str] = field(default_factory=dict)
    """By code, its page."""
    version: str = ""

    def path(self, file: str) -> str:
        """Return *file* relative to the base, with slashes; as it is where it lies elsewhere."""
        whole = self.root / file
        return whole.relative_to(self.base).as_posix() if whole.is_relative_to(self.base) else file

    def fails(self, problem: Problem) -> bool:
        """Whether *problem* makes the command fail."""
        return self.strict or problem.severity == "error"


def sentence(problem: Problem) -> str:
    """Say the fact and the remedy."""
    return f"{problem.message}; {problem.hint}" if problem.hint else problem.message
