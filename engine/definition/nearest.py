"""The name somebody probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from heapq import nsmallest
from itertools import islice

_DIGITS = re.compile(r"[0-9]+")
MAX_WORD = 80
MAX_NAMES = 600
MAX_COMPARED = 24
"""Comparing letter by letter takes long: of more names only those are compared that share most with the word."""


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the most similar of *names*, None when none is similar."""
    plain = _plain(word[: MAX_WORD + 1])
    if not plain or len(plain) > MAX_WORD:
        return None
    best: tuple[float, str] | None = None
    for name in _likely(plain, names):
        other = _plain(name)
        allowed = max(1, min(3, min(len(plain), len(other)) // 3))
        distance: float = _distance(plain, other) if abs(len(plain) - len(other)) <= allowed else allowed + 1
        if distance > allowed and len(plain) > 3 and len(other) > 3 and (plain in other or other in plain):
            distance = allowed + 0.5
            allowed += 1
        if distance <= allowed and (best is None or (distance, name) < best):
            best = (distance, name)
    return best[1] if best else None


def _likely(plain: str, names: Iterable[str]) -> Iterable[str]:
    """Return the names worth comparing: all of a few, of many those in which most parts of the word stand."""
    some = list(islice(names, MAX_NAMES))
    if len(some) <= MAX_COMPARED:
        return some
    most = max(1, min(3, len(plain) // 3))
    step = max(1, len(plain) // (most + 1))
    parts = [plain[at : at + step] for at in range(0, len(plain) - step + 1, step)]
    ranked = [
        (-shared, abs(len(other) - len(plain)), name)
        for name, other in zip(some, map(_plain, some), strict=True)
        if (shared := sum([part in other for part in parts]))
    ]
    return [name for _, _, name in nsmallest(MAX_COMPARED, ranked)]


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return the hint ``did you mean 'name'?``, empty when nothing is similar."""
    name = nearest(word, names)
    return f"did you mean '{name}'?" if name else ""


def surely(word: str, meant: str | None) -> str:
    """Return *meant* where a program may write it for *word*: ``pump-7`` is not a slip for ``pump-8``."""
    return meant if meant and _DIGITS.findall(word) == _DIGITS.findall(meant) else ""


@lru_cache(maxsize=4096)
def _plain(word: str) -> str:
    return word.lower().replace("-", "_").strip("_ ")


def _distance(one: str, two: str) -> int:
    """Count the edits between two words; two neighbours that changed places are one edit."""
    begin, shorter = 0, min(len(one), len(two))
    while begin < shorter and one[begin] == two[begin]:  # what they have in common at both ends costs nothing
        begin += 1
    end = 0
    while end < shorter - begin and one[-1 - end] == two[-1 - end]:
        end += 1
    one, two = one[begin : len(one) - end], two[begin : len(two) - end]
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(two, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
