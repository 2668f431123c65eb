"""Regular expressions, bounded: no pattern may run long on what a record holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import factorial
from typing import Any

from engine.errors import RecordError
from engine.expressions.library.allowance import timed
from engine.expressions.library.base import MAX_TEXT, function, shown, too_large

MAX_INPUT = 50_000
MAX_STEPS = 12_000_000
"""What matching may take at worst; each open-ended repeat multiplies it by the length of the text."""
MAX_OPEN = 4
MAX_PATTERN = 500
SHORT = 20
"""A text that no pattern which is let through takes long to read."""


@lru_cache(maxsize=512)
def compiled(pattern: str) -> tuple[re.Pattern[str], int]:
    """Compile a pattern that cannot run long, and give the characters it may read; raises RecordError."""
    if len(pattern) > MAX_PATTERN:
        raise RecordError("type", f"a pattern has at most {MAX_PATTERN} characters")
    try:
        made = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise RecordError("type", f"{shown(pattern)} is not a pattern: {error}") from None
    risk = _Risk()
    problem = risk.walk(_parsed(pattern), False)
    if problem:
        raise RecordError("type", f"the pattern {shown(pattern)} could run very long: {problem}")
    return made, risk.longest()


def _parsed(pattern: str) -> Any:
    from re import _parser  # type: ignore[attr-defined]

    return _parser.parse(pattern)


class _Risk:
    """Walks a parsed pattern and counts its open-ended repeats; one inside another is refused."""

    LONG = 20

    def __init__(self) -> None:
        self.open_repeats = 0
        self.product = 1

    def longest(self) -> int:
        """Return how many characters a text may have."""
        rounds = self.open_repeats + 1
        return min(MAX_INPUT, int((MAX_STEPS * factorial(rounds) / self.product) ** (1 / rounds)))

    def walk(self, parsed: Any, repeated: bool) -> str:
        """Return why the pattern could run long, or nothing."""
        for operator, argument in parsed:
            problem = self._one(str(operator), argument, repeated)
            if problem:
                return problem
        return "" if self.open_repeats <= MAX_OPEN else "too many open-ended repeats; bound them, as in [0-9]{1,9}"

    def _one(self, name: str, argument: Any, repeated: bool) -> str:
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self._repeat(int(argument[0]), int(argument[1]), argument[2], repeated)
        if name == "SUBPATTERN":
            return self.walk(argument[3], repeated)
        if name == "ATOMIC_GROUP":
            return self.walk(argument, repeated)
        if name in ("ASSERT", "ASSERT_NOT"):
            return self.walk(argument[1], repeated)
        if name == "BRANCH":
            if repeated:
                return "alternatives inside a repeat"
            return next(filter(None, (self.walk(branch, repeated) for branch in argument[1])), "")
        return "a reference to a group" if name in ("GROUPREF", "GROUPREF_EXISTS") else ""

    def _repeat(self, least: int, most: int, inner: Any, repeated: bool) -> str:
        if repeated and least != most:
            return "a repeat inside a repeat"
        if most > self.LONG and most != least:
            self.open_repeats += 1
        elif most != least:
            self.product *= most - least + 1
            if self.product > 10_000:
                return "too many optional parts"
        return self.walk(inner, repeated or most > 1)


def _ready(text: str, pattern: str, name: str) -> re.Pattern[str]:
    made, most = compiled(pattern)
    if len(text) > most:
        why = "; bound its repeats, as in [0-9]{1,9}, for more" if most < MAX_INPUT else ""
        raise RecordError(
            "too-large", f"{name}() reads at most {most} characters with this pattern, got {len(text)}{why}"
        )
    return made


def _safely(ready: re.Pattern[str], text: str, work: Callable[[], Any]) -> Any:
    """Do the matching; where it may take long its time is counted: a loop would take it many times."""
    return work() if len(text) < SHORT or compiled(ready.pattern)[1] == MAX_INPUT else timed(work)


@function("text", "text")
def matches(text: str, pattern: str) -> bool:
    """Say whether the whole text matches a regular expression."""
    ready = _ready(text, pattern, "matches")
    return _safely(ready, text, lambda: ready.fullmatch(text)) is not None


@function("text", "text", "integer", optional=1)
def extract(text: str, pattern: str, group: int | None = None) -> str | None:
    """Give the first match (its first group where there is one), or null."""
    ready = _ready(text, pattern, "extract")
    found = _safely(ready, text, lambda: ready.search(text))
    wanted = (1 if ready.groups else 0) if group is None else group
    if not 0 <= wanted <= ready.groups:
        raise RecordError("type", f"the pattern {shown(pattern)} has no group {wanted}")
    return found[wanted] if found else None


@function("text", "text")
def extract_all(text: str, pattern: str) -> list[str]:
    """Give every match (its first group where there is one)."""
    ready = _ready(text, pattern, "extract_all")
    group = 1 if ready.groups else 0
    found: list[str] = _safely(ready, text, lambda: [one[group] for one in ready.finditer(text)])
    return found


@function("text", "text", "text")
def substitute(text: str, pattern: str, new: str) -> str:
    r"""Replace every match; ``\1`` is the first group."""
    ready = _ready(text, pattern, "substitute")
    if (len(text) + 1) * (len(new) + len(text)) > MAX_TEXT * 8:
        raise too_large("substitute()")
    try:
        made: str = _safely(ready, text, lambda: ready.sub(new, text))
    except (re.error, IndexError) as error:
        raise RecordError("type", f"{shown(new)} does not fit the pattern: {error}") from None
    if len(made) > MAX_TEXT:
        raise too_large("substitute()")
    return made
