"""What to write in place of an expression that is wrong in one word or sign, as YAML; nothing where it is not sure."""

from __future__ import annotations

import re

_QUOTES = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`")
_LONGEST = 2048


def written(text: str) -> str:
    """Write *text* as a quoted YAML scalar; a text of several lines is for a person."""
    if "\n" in text or len(text) > _LONGEST:
        return ""
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def replaced(text: str, begin: int, end: int, by: str) -> str:
    """Write *text* with another part between *begin* and *end*."""
    return written(f"{text[:begin]}{by}{text[end:]}")


def without(text: str, prefix: str) -> str:
    """Return *text* without *prefix* where a name begins with it outside of quotes; nothing where none does."""
    bare = _QUOTES.sub(lambda found: "\0" * len(found[0]), text[:_LONGEST])
    places = [found.start() for found in re.finditer(rf"(?<![\w.]){re.escape(prefix)}(?=[A-Za-z_])", bare)]
    plain = text
    for at in reversed(places):
        plain = plain[:at] + plain[at + len(prefix) :]
    return plain if places else ""


def renamed(text: str, word: str, meant: str) -> str:
    """Write *text* with *meant* for every *word* that begins something and stands in no quotes."""
    if not meant or len(text) > _LONGEST:  # looked at for each word of a text: a long one is left to a person
        return ""
    bare = _QUOTES.sub(lambda found: "\0" * len(found[0]), text)
    places = [found.start() for found in re.finditer(rf"(?<![\w.]){re.escape(word)}(?!\w)", bare)]
    for at in reversed(places):
        text = f"{text[:at]}{meant}{text[at + len(word) :]}"
    return written(text) if places else ""
