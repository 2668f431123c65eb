"""Text functions."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from engine.errors import RecordError
from engine.expressions.library.base import MAX_TEXT, function, kind_of, too_large

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ł": "l", "Ł": "L"})


@function("text")
def upper(text: str) -> str:
    """Write in capitals."""
    return text.upper()


@function("text")
def lower(text: str) -> str:
    """Write in small letters."""
    return text.lower()


@function("text", "text", optional=1)
def trim(text: str, characters: str | None = None) -> str:
    """Take white space, or the given characters, off both ends."""
    return text.strip(characters)


@function("text")
def title(text: str) -> str:
    """Begin every word with a capital."""
    return _WORD.sub(lambda word: word[0][:1].upper() + word[0][1:].lower(), text)


@function("text")
def capitalize(text: str) -> str:
    """Begin with a capital, the rest in small letters."""
    return text.capitalize()


@function("text")
def collapse(text: str) -> str:
    """Make every run of white space one space, and take it off both ends."""
    return " ".join(text.split())


@function("text", "text", "text")
def replace(text: str, old: str, new: str) -> str:
    """Put *new* wherever *old* stands."""
    if not old:
        raise RecordError("type", "replace() needs a text to look for")
    if len(new) > len(old) and len(text) + text.count(old) * (len(new) - len(old)) > MAX_TEXT:
        raise too_large("replace()")
    return text.replace(old, new)


@function("text", "text", optional=1)
def split(text: str, separator: str | None = None) -> list[str]:
    """Cut at a separator, or at white space."""
    if separator == "":
        raise RecordError("type", "split() needs a separator that is not empty")
    return text.split(separator)


@function("text", "integer", "text", optional=1)
def pad(text: str, width: int, fill: str = " ") -> str:
    """Fill up on the left to a width; a negative width fills on the right."""
    if len(fill) != 1:
        raise RecordError("type", f"pad() fills with one character, got {len(fill)}")
    if abs(width) > 10_000:
        raise RecordError("too-large", f"pad() goes to 10 000 characters, got {width}")
    return text.rjust(width, fill) if width >= 0 else text.ljust(-width, fill)


@function("text", "integer", "integer", optional=1)
def substring(text: str, start: int, length: int | None = None) -> str:
    """Take *length* characters from *start*, which counts from 0, or from the end when negative."""
    if length is not None and length < 0:
        raise RecordError("type", f"substring() needs a length of 0 or more, got {length}")
    begin = max(0, len(text) + start) if start < 0 else start
    return text[begin:] if length is None else text[begin : begin + length]


@function("text")
def ascii_(text: str) -> str:
    """Write without accents; what has no plain letter is left out."""
    spread = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return spread.encode("ascii", "ignore").decode("ascii")


@function("text", "text", optional=1)
def slug(text: str, separator: str = "-") -> str:
    """Write as small letters, digits and hyphens."""
    return separator.join(part for part in _NOT_SLUG.split(ascii_(text).lower()) if part)


@function("text")
def digits(text: str) -> str:
    """Keep the digits 0 to 9 only."""
    return "".join(character for character in text if "0" <= character <= "9")


@function("text", "integer")
def truncate(text: str, length: int) -> str:
    """Cut after *length* characters."""
    if length < 0:
        raise RecordError("type", f"truncate() needs a length of 0 or more, got {length}")
    return text[:length]


@function("any", many=True)
def concat(*parts: Any) -> str:
    """Join texts and numbers without anything between."""
    from engine.expressions.convert import to_text

    texts = []
    for part in parts:
        if part is None or isinstance(part, (list, dict)):
            raise RecordError("type", f"concat() needs texts and numbers, got {kind_of(part)}")
        texts.append(to_text(part))
    if sum(map(len, texts)) > MAX_TEXT:
        raise too_large("concat()")
    return "".join(texts)
