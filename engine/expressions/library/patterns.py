"""Regular expressions, bounded: no pattern may run long on what a record holds."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from engine.errors import RecordError
from engine.expressions.library.base import MAX_TEXT, function, shown, too_large

MAX_INPUT = 10_000
MAX_PATTERN = 500


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern that cannot run long; raises RecordError."""
    if len(pattern) > MAX_PATTERN:
        raise RecordError("type", f"a pattern has at most {MAX_PATTERN} characters")
    try:
        made = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise RecordError("type", f"{shown(pattern)} is not a pattern: {error}") from None
    problem = hazard(pattern)
    if problem:
        raise RecordError("type", f"the pattern {shown(pattern)} could run very long: {problem}")
    return made


def hazard(pattern: str) -> str:
    """Return why a pattern could run long, or nothing."""
    from re import _parser  # type: ignore[attr-defined]

    return _Risk().walk(_parser.parse(pattern), False)


class _Risk:
    """Walks a parsed pattern; an open-ended repeat inside another one, or many side by side, is refused."""

    LONG = 20
    SIDE_BY_SIDE = 2

    def __init__(self) -> None:
        self.open_repeats = 0
        self.product = 1

    def walk(self, parsed: Any, repeated: bool) -> str:
        for operator, argument in parsed:
            problem = self._one(str(operator), argument, repeated)
            if problem:
                return problem
        return ""

    def _one(self, name: str, argument: Any, repeated: bool) -> str:
        if name in {"MAX_REPEAT", "MIN_REPEAT"}:
            return self._repeat(int(argument[0]), int(argument[1]), argument[2], repeated)
        if name == "POSSESSIVE_REPEAT":
            return self.walk(argument[2], repeated)
        if name == "SUBPATTERN":
            return self.walk(argument[3], repeated)
        if name == "ATOMIC_GROUP":
            return self.walk(argument, repeated)
        if name in {"ASSERT", "ASSERT_NOT"}:
            return self.walk(argument[1], repeated)
        if name == "BRANCH":
            if repeated:
                return "alternatives inside a repeat"
            return next(filter(None, (self.walk(branch, repeated) for branch in argument[1])), "")
        if name in {"GROUPREF", "GROUPREF_EXISTS"}:
            return "a reference to a group"
        return ""

    def _repeat(self, least: int, most: int, inner: Any, repeated: bool) -> str:
        if most > self.LONG or (most > 1 and repeated):
            if repeated:
                return "a repeat inside a repeat"
            if most > self.LONG and most != least:
                self.open_repeats += 1
                if self.open_repeats > self.SIDE_BY_SIDE:
                    return f"more than {self.SIDE_BY_SIDE} open-ended repeats; use [^x]* once, or match in steps"
        elif most > 1 or least == 0:
            self.product *= max(2, most - least + 1)
            if self.product > 100_000:
                return "too many optional parts"
        return self.walk(inner, repeated or most > 1)


def _ready(text: str, pattern: str, name: str) -> re.Pattern[str]:
    if len(text) > MAX_INPUT:
        raise RecordError("too-large", f"{name}() reads at most {MAX_INPUT} characters, got {len(text)}")
    return compiled(pattern)


@function("text", "text")
def matches(text: str, pattern: str) -> bool:
    """Say whether the whole text matches a regular expression."""
    return _ready(text, pattern, "matches").fullmatch(text) is not None


@function("text", "text", "integer", optional=1)
def extract(text: str, pattern: str, group: int | None = None) -> str | None:
    """Give the first match (its first group where there is one), or null."""
    ready = _ready(text, pattern, "extract")
    found = ready.search(text)
    wanted = (1 if ready.groups else 0) if group is None else group
    if not 0 <= wanted <= ready.groups:
        raise RecordError("type", f"the pattern {shown(pattern)} has no group {wanted}")
    return found[wanted] if found else None


@function("text", "text")
def extract_all(text: str, pattern: str) -> list[str]:
    """Give every match (its first group where there is one)."""
    ready = _ready(text, pattern, "extract_all")
    return [found[1 if ready.groups else 0] for found in ready.finditer(text)]


@function("text", "text", "text")
def substitute(text: str, pattern: str, new: str) -> str:
    r"""Replace every match; ``\1`` is the first group."""
    ready = _ready(text, pattern, "substitute")
    if (len(text) + 1) * (len(new) + len(text)) > MAX_TEXT * 8:
        raise too_large("substitute()")
    try:
        made = ready.sub(new, text)
    except (re.error, IndexError) as error:
        raise RecordError("type", f"{shown(new)} does not fit the pattern: {error}") from None
    if len(made) > MAX_TEXT:
        raise too_large("substitute()")
    return made
