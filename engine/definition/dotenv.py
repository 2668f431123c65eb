"""Reads the ``.env`` beside engine.yaml."""

from __future__ import annotations

import re

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse(text: str) -> tuple[dict[str, str], list[int]]:
    """Return the variables, and the numbers of the lines that are none (not shown: they may hold a secret)."""
    values: dict[str, str] = {}
    bad: list[int] = []
    for number, written in enumerate(text.splitlines(), start=1):
        line = written.strip()
        if not line or line.startswith("#"):
            continue
        if match := _LINE.fullmatch(line):
            values[match[1]] = _value(match[2])
        else:
            bad.append(number)
    return values, bad


def _value(text: str) -> str:
    quoted = re.match(r"""'([^']*)'|"((?:[^"\\]|\\.)*)\"""", text)
    if quoted and quoted[1] is not None:
        return quoted[1]
    if quoted:
        return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), quoted[2])
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].rstrip()
