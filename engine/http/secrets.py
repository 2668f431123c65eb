"""Comparing what must not be guessed: always in constant time, and always through these."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Any


def same(given: str, wanted: str) -> bool:
    """Whether two texts are equal, in a time that tells nothing about either, not even how long they are."""
    return hmac.compare_digest(_fixed(given), _fixed(wanted))


def one_of(given: str, wanted: Iterable[str]) -> bool:
    """Whether *given* is one of the texts; all are looked at, so that nobody learns which."""
    found = False
    for text in wanted:
        found |= same(given, text)
    return found


def _fixed(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def listed(value: Any) -> Sequence[str]:
    """Return one text or a list of texts, as YAML writes secrets, as a list."""
    return [value] if isinstance(value, str) else list(value or ())
