"""Cases every Store must pass; each takes a Harness over empty data and raises AssertionError.

A store's author writes a Harness and runs every case of ``CASES`` with a fresh one.
"""

from engine.store.conformance import clearing, history, lanes, settling
from engine.store.conformance.harness import Clock, Harness, Tear, Torn

CASES = (*lanes.CASES, *settling.CASES, *clearing.CASES, *history.CASES)

__all__ = ["CASES", "Clock", "Harness", "Tear", "Torn"]
