"""The name somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the most similar of *names*, None when none is similar."""
    plain = _plain(word)
    if not plain:
        return None
    best: tuple[float, str] | None = None
    for name in names:
        other = _plain(name)
        allowed = max(1, min(3, min(len(plain), len(other)) // 3))
        distance: float = _distance(plain, other) if abs(len(plain) - len(other)) <= allowed else allowed + 1
        if distance > allowed and len(plain) > 3 and len(other) > 3 and (plain in other or other in plain):
            distance = allowed + 0.5
            allowed += 1
        if distance <= allowed and (best is None or (distance, name) < best):
            best = (distance, name)
    return best[1] if best else None


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return the hint ``did you mean 'name'?``, empty when nothing is similar."""
    name = nearest(word, names)
    return f"did you mean '{name}'?" if name else ""


def _plain(word: str) -> str:
    return word.lower().replace("-", "_").strip("_ ")


def _distance(one: str, two: str) -> int:
    """Count the edits between two words; two neighbours that changed places are one edit."""
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
