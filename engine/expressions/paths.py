"""Plain paths (``customer.address[0].city``), told apart and read without the JMESPath parser."""

from __future__ import annotations

import json
import re

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_QUOTED = r'"(?:[^"\\]|\\.)+"'
_PLAIN = re.compile(rf"(?:{_NAME}|{_QUOTED})(?:\[-?\d+\]|\.(?:{_NAME}|{_QUOTED}))*\Z")
_STEP = re.compile(rf"({_NAME})|({_QUOTED})|\[(-?\d+)\]")
IDENTIFIER = re.compile(rf"{_NAME}\Z")


def plain_path(text: str) -> tuple[str | int, ...] | None:
    """Return the steps when the whole *text* is identifiers, indexes and dots, else None."""
    text = text.strip(" \t\r\n")
    if not _PLAIN.match(text):
        return None
    steps: list[str | int] = []
    for name, quoted, index in _STEP.findall(text):
        try:
            steps.append(int(index) if index else json.loads(quoted) if quoted else name)
        except ValueError:
            return None
    return tuple(steps)


def field_path(text: str) -> tuple[str, ...] | None:
    """Return the steps of a path of names only, else None."""
    steps = plain_path(text) or ()
    names = tuple(step for step in steps if isinstance(step, str))
    return names if names and len(names) == len(steps) else None


def is_template(text: str) -> bool:
    """Return whether *text* is Jinja."""
    return "{{" in text or "{%" in text
