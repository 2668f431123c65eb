"""How values and choices are written into messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any


def choice(words: Sequence[str]) -> str:
    """Write ``a, b or c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


_CREDENTIALS = re.compile(r"(?<=//)[^/\s]*@")
"""Of an address: who it lets in is nobody else's to read, also where the address is wrong."""


def shown(value: Any) -> str:
    """Write a value, short; of credentials in an address nothing is shown."""
    if isinstance(value, str):
        value = _CREDENTIALS.sub("***@", value)
        return f"'{value[:60]}…'" if len(value) > 60 else f"'{value}'"
    if isinstance(value, Mapping):
        return "a map of keys"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else plain(value)


def plain(value: Any) -> str:
    """Write a value as YAML has it."""
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else str(value)
    )
