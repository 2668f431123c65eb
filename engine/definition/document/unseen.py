"""Whether good YAML may have something in it that its author does not see; the careful reading then says what."""

from __future__ import annotations

import re

LOOKALIKES = "\u00a0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
"""Characters that look like a space, or like nothing; as a class of a regular expression."""
HIDDEN = "[\u200b-\u200f\u2060\ufeff]"
CURLED = {"\u201c": "\u201d", "\u2018": "\u2019", "\u201e": "\u201c", "\u00ab": "\u00bb"}
"""Typographic quotes: what opens, and what closes."""
_NOTE = re.compile(r":[ \t]+#[^\s#]")


def suspicious(text: str) -> bool:
    """Tell whether it is worth a careful look."""
    if _NOTE.search(text):
        return True
    # compiled where it is needed: nearly all files are plain
    return not text.isascii() and bool(
        re.search(rf"^[ \t-]*[{LOOKALIKES}]|{HIDDEN}|[{''.join(CURLED)}]", text, re.MULTILINE)
    )
