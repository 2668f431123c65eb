"""Keeps memory management out of the way of batches: their records come and go by reference counts alone.

Two things of CPython cost more than half as much again as the work itself, measured on JSON lines from file to file:

- The cycle collector looks at every container that lives, again and again, because a batch makes thousands. What is
  loaded and compiled stays for good, so it is set aside (``gc.freeze``), and what a batch makes is looked at rarely.
- An arena (1 MiB since 3.10; Objects/obmalloc.c) goes back to the system with the last object in it, and comes back
  with the next batch as fresh pages the kernel must clear. One object left in each of a few arenas keeps them.
"""

from __future__ import annotations

import gc

_SIZE = 400
_ARENAS = 32
_ARENA = 1 << 20
_COLLECT_AFTER = 50_000
"""Containers made and not yet gone, before the youngest of them are looked at; Python's own figure is 700."""

_kept: list[bytes] = []


def settle_down() -> None:
    """Do it; called when a run's pipeline is compiled. Costs about 20 ms the first time, nothing later."""
    if not _kept:
        many = [bytes(_SIZE) for _ in range(_ARENAS * _ARENA // _SIZE)]
        _kept.extend(many[:: _ARENA // _SIZE // 2])
        gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)
