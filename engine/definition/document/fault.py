"""What a syntax error is told as, and how texts of YAML are taken apart for it."""

from __future__ import annotations

import re
from typing import NamedTuple

Spot = tuple[int, int]
"""Line and column, 1-based."""

_KEY = r"[^\s'\"{}\[\],#&*!|>%@`:][^:{}\[\],\"']*|\"[^\"]*\"|'[^']*'"
VALUE = re.compile(rf"^\s*(?:- +)*(?:(?P<key>{_KEY}):\s+)?(?P<value>\S.*?)\s*$")
IN_QUOTES = re.compile(r"'[^'\n]*'|\"(?:[^\"\\\n]|\\.)*\"|(?<!\S)#[^\n]*")


class Fault(NamedTuple):
    """A syntax error, explained."""

    line: int
    column: int
    code: str
    message: str
    hint: str
    written: str = ""
    """What stands at the place and is wrong; empty where that is not sure."""
    fix: str = ""
    """What to write instead of it."""


def quoted(text: str) -> str:
    """Write *text* as a quoted YAML scalar, as a person would."""
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def said(text: str) -> str:
    """Leave out the comment that follows a value on its line."""
    after = max(text.rfind(sign) for sign in "}\"']") + 1
    at = text.find(" #", after)
    return text[:at].rstrip() if at >= 0 else text


def indent(line: str) -> int:
    """Count the spaces a line begins with."""
    return len(line) - len(line.lstrip(" "))
