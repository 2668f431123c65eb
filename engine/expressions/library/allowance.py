"""What the functions of one evaluation may make and take together: a loop multiplies what each may alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from engine.errors import RecordError

MAX_MADE = 4 << 20
"""Characters that functions make for one record."""
MAX_BATCH = 64 << 20
"""For a batch; beyond it the records go one by one, each with its own allowance."""
MAX_SECONDS = 0.5
"""Of the processor, that regular expressions with a risk take for one record."""


class _Left(threading.local):
    made = MAX_MADE
    seconds = MAX_SECONDS


_left = _Left()


def begin(records: int = 1) -> None:
    """Start an evaluation."""
    _left.made = min(MAX_BATCH, MAX_MADE * records)
    _left.seconds = MAX_SECONDS


def making(value: Any) -> Any:
    """Return *value*, which a function made; raises RecordError when it is too much of all that was made."""
    if value.__class__ is str:
        _left.made -= len(value)
    elif value.__class__ is list:
        _left.made -= len(value) * 8
    if _left.made < 0:
        raise RecordError("too-large", f"functions make more than {MAX_MADE >> 20} MiB of text for this record")
    return value


def timed(work: Callable[[], Any]) -> Any:
    """Do what may take long; raises RecordError when all such work of this record takes too long."""
    began = time.thread_time()
    try:
        return work()
    finally:
        _left.seconds -= time.thread_time() - began
        if _left.seconds < 0:
            raise RecordError("too-large", "regular expressions take too long on this record; bound their repeats")
