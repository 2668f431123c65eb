"""Durations and sizes as people write them, as seconds and bytes."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)([A-Za-z]+)")


def seconds(text: str) -> float:
    """Return the seconds of ``500ms 30s 5m 2h 1d``. Raises ValueError."""
    return round(_parse(text, _SECONDS), 6)


def size(text: str) -> int:
    """Return the bytes of ``64KiB 1MiB``. Raises ValueError."""
    return int(_parse(text, _BYTES))


def _parse(text: str, units: dict[str, float] | dict[str, int]) -> float:
    found = _AMOUNT.fullmatch(text)
    if not found or found[2] not in units:
        raise ValueError(f"'{text}' needs a number and one of {', '.join(units)}")
    return float(found[1]) * units[found[2]]
