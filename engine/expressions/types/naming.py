"""The name somebody probably meant, and the text with that name in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import SequenceMatcher

from engine.errors import Path
from engine.expressions.paths import IDENTIFIER

NEAR = 0.6
CLEAR = 0.1
"""By how much the nearest name must be nearer than the next one to be written without asking."""
MAX_SHOWN = 8

_LITERALS = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`")


def nearest(word: str, names: Iterable[str]) -> tuple[str, bool]:
    """Return the most similar of *names*, empty when none is; and whether no other is about as similar."""
    plain = _plain(word)
    found: list[tuple[float, str]] = []
    for name in names:
        other = _plain(name)
        matcher = SequenceMatcher(None, plain, other)
        if plain == other:
            found.append((1.0, name))
        elif matcher.real_quick_ratio() >= NEAR and (ratio := matcher.ratio()) >= NEAR:
            found.append((ratio, name))
    found.sort(key=lambda one: (-one[0], one[1]))
    if not found:
        return "", False
    return found[0][1], len(found) == 1 or found[0][0] - found[1][0] >= CLEAR


def _plain(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()


def listing(names: Iterable[str]) -> str:
    """Write the first few names."""
    shown = list(names)
    more = ", …" if len(shown) > MAX_SHOWN else ""
    return ", ".join(shown[:MAX_SHOWN]) + more


def spots(text: str, name: str, template: bool) -> list[tuple[int, int]]:
    """Return where a field's name stands in an expression: begin and end, with its quotes where it has any."""
    word = re.escape(name)
    if template:
        inner = re.finditer(rf"(?<=\.)\s*({word})(?![\w(])|(?<=['\"])({word})(?=['\"])|(?<=['\"])({word})(?=\.)", text)
        return [match.span(match.lastindex or 0) for match in inner]
    bare = _LITERALS.sub(lambda match: "·" * len(match[0]), text)
    quoted = re.escape(json.dumps(name, ensure_ascii=False))
    pattern = rf"(?<![\w\"·]){word}(?![\w\"])(?!\s*[(:])|{quoted}(?!\s*:)"
    return [match.span() for match in re.finditer(pattern, bare)]


def renamed(text: str, old: str, new: str, template: bool) -> str:
    """Return the text with a field's name replaced; empty where it is not clear which one."""
    found = spots(text, old, template)
    if len(found) != 1:
        return ""
    begin, end = found[0]
    if template:
        word = new if IDENTIFIER.match(new) or text[begin - 1] in "'\"" else ""
    else:
        word = written(new)
    return text[:begin] + word + text[end:] if word else ""


def written(name: str) -> str:
    """Write a field's name into JMESPath."""
    return name if IDENTIFIER.match(name) else json.dumps(name, ensure_ascii=False)


def path_text(steps: Iterable[str | int]) -> str:
    """Write a plain path as an expression."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else ("." if text else "") + written(step)
    return text


def raw(path: Path) -> bool:
    """Tell whether the node at *path* is a field's name and no expression: an item of ``$copy``, or ``$field``."""
    return bool(path) and (path[-1] == "$field" or (len(path) > 1 and path[-2] == "$copy"))
