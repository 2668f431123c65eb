"""What becomes of a firing while runs of the same pipeline go on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from engine.pipeline import Overlap
from engine.service.firing import Firing

Choice = Literal["start", "wait", "drop", "cancel"]


def choose(policy: Overlap, firing: Firing, running: Sequence[Firing], waiting: Sequence[Firing]) -> Choice:
    """Say what becomes of *firing*; what waits starts in its order when nothing runs any more.

    - ``skip``: dropped where one with equal params runs or waits, else it waits.
    - ``queue_one``: waits, and takes the place of what waited (``replaced``).
    - ``queue``: waits.
    - ``cancel``: what runs is cancelled (``cancel``), and it waits for that end in the place of what waited.
    - ``allow``: starts at once, side by side.

    What callers or people asked for is neither dropped nor cancelled nor replaced: it queues in its order.
    """
    if policy == "allow" or not (running or waiting):
        return "start"
    if policy == "skip" and not _promised(firing):
        return "drop" if any(firing.params == one.params for one in (*running, *waiting)) else "wait"
    if policy == "cancel" and running and not firing.accepted and not any(map(_promised, running)):
        return "cancel"
    return "wait"


def replaced(policy: Overlap, firing: Firing, waiting: Sequence[Firing]) -> list[int]:
    """Say which of *waiting* (their indexes) give way to *firing*, which waits now: they start no run any more."""
    if policy not in ("queue_one", "cancel") or firing.accepted:
        return []
    return [index for index, one in enumerate(waiting) if not _promised(one)]


def _promised(firing: Firing) -> bool:
    """Tell whether a caller was told that it will be worked, or a person asked for it."""
    return firing.accepted or firing.kind in ("manual", "rerun")
