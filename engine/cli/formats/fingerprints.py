"""Marks by which a problem is known again after lines above it came or went."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

from engine.errors import Problem

_PLACE = re.compile(r":\d+(?::\d+)?")


def fingerprints(problems: Sequence[Problem]) -> list[str]:
    """Return one mark for each of *problems*: of what is said where in the file, not of line numbers."""
    seen: Counter[str] = Counter()
    marks = []
    for problem in problems:
        said = "\n".join((problem.file, problem.code, problem.path, _PLACE.sub("", problem.message)))
        seen[said] += 1
        marks.append(sha256(f"{said}\n{seen[said]}".encode("utf-8", "surrogatepass")).hexdigest()[:32])
    return marks
