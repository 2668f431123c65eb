"""Run and dead-letter ids: short, opaque, sortable by time of birth.

The ULID layout (github.com/ulid/spec): 48 bits of milliseconds and 80 random bits, as 26 characters of base 32.
"""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> str:
    """Make an id for now."""
    return ulid(time.time_ns() // 1_000_000, os.urandom(10))


def ulid(milliseconds: int, entropy: bytes) -> str:
    """Write a time and ten random bytes as 26 characters."""
    number = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(entropy, "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
