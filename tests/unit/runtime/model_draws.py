"""Random scenarios for the model of the runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from engine.store.memory import MemoryStore
from engine.store.memory.tables import Tables

from .model_peers import CLEAN_FAULTS, LOSSY_FAULTS, SETTLE_FAULTS
from .model_scenario import Life, Out, Scenario

DEPTH = int(os.environ.get("MODEL_DEPTH", "1"))
"""So many times as many scenarios, and others each time."""
QUIET = settings(
    deadline=None, derandomize=DEPTH == 1, database=None, print_blob=True, suppress_health_check=list(HealthCheck)
)
"""The same examples on every machine: a red test stays red until it is mended."""


def drawn(examples: int) -> settings:
    """Settings for so many scenarios."""
    return settings(QUIET, max_examples=examples * DEPTH)


def memory() -> Callable[[], MemoryStore]:
    """Stores over the same tables: lives of one store."""
    tables = Tables()
    return lambda: MemoryStore(tables)


def lives(
    faults: Sequence[str],
    settles: Sequence[str] = SETTLE_FAULTS,
    fulls: bool = False,
    limits: bool = False,
) -> st.SearchStrategy[tuple[Life, ...]]:
    life = st.builds(
        Life,
        writes=st.dictionaries(st.integers(1, 12), st.sampled_from(faults), max_size=3),
        settles=st.dictionaries(st.integers(1, 8), st.sampled_from(settles), max_size=2),
        limit=st.none() | st.integers(1, 20) if limits else st.none(),
        full=st.booleans() if fulls else st.just(False),
    )
    return st.lists(life, max_size=4).map(tuple)


SLOW = st.sampled_from([0, 0, 1, 5, 30])
few = st.frozensets(st.integers(0, 39), max_size=6)


def outs(kinds: Sequence[str], drops: bool = True) -> st.SearchStrategy[tuple[Out, ...]]:
    out = st.builds(
        Out,
        name=st.sampled_from(["a", "b", "c"]),
        kind=st.sampled_from(kinds),
        batch=st.integers(1, 12),
        keyed=st.booleans() if "rewinds" in kinds else st.just(True),
        atomic=st.booleans(),
        share=st.sampled_from([0, 0, 2, 3]),
        refuses=few,
        drops=st.booleans() if drops else st.just(False),
    )
    return st.lists(out, min_size=1, max_size=2, unique_by=lambda one: one.name).map(tuple)


@st.composite
def scenarios(
    draw: st.DrawFn, kinds: Sequence[str] = ("plain",), faults: Sequence[str] = (*CLEAN_FAULTS, *LOSSY_FAULTS)
) -> Scenario:
    """Anything at all; *kinds* of targets, and what may go wrong with a write."""
    cursor = draw(st.sampled_from(["unique", "ties", "none"]))
    plain = tuple(kinds) == ("plain",)
    return Scenario(
        cursor=cursor,
        rows=draw(st.integers(0, 40)),
        tie=draw(st.integers(2, 9)) if cursor == "ties" else 1,
        read=draw(st.integers(1, 25)),
        dropped=draw(few),
        failing=draw(few),
        children=draw(st.sampled_from([1, 1, 2, 4])),
        unrouted=draw(st.sampled_from(["reject", "drop"])),
        lookback=draw(st.sampled_from([0, 0, 3])) if plain and cursor != "none" else 0,
        outs=draw(outs(kinds)),
        lives=draw(lives(faults, fulls=plain and cursor != "none", limits=plain)),
        slow=draw(SLOW),
    )


FILES = scenarios(("plain", "at_end", "rewinds"), CLEAN_FAULTS)


@st.composite
def few_interruptions(draw: st.DrawFn) -> Scenario:
    """One target, one record for each row, a value of the cursor each: here the number of repeats is bounded."""
    life = st.builds(
        Life,
        writes=st.dictionaries(st.integers(1, 14), st.sampled_from(CLEAN_FAULTS), max_size=1),
        settles=st.dictionaries(st.integers(2, 6), st.sampled_from(SETTLE_FAULTS), max_size=1),
    )
    return Scenario(
        rows=draw(st.integers(60, 120)),
        read=draw(st.integers(1, 60)),
        outs=(Out("out", batch=draw(st.integers(1, 8))),),
        lives=draw(st.lists(life, min_size=1, max_size=2).map(tuple)),
        bounded=True,
        slow=draw(st.sampled_from([0, 5, 30])),
    )


@st.composite
def many_letters(draw: st.DrawFn) -> Scenario:
    """Much is refused, settlements are cut off, and ties leave dead letters without a checkpoint for a while."""
    some = st.frozensets(st.integers(0, 39), max_size=15)
    tie = draw(st.sampled_from([1, 4, 9]))
    return Scenario(
        cursor="unique" if tie == 1 else "ties",
        tie=tie,
        rows=draw(st.integers(20, 40)),
        read=draw(st.integers(1, 25)),
        failing=draw(some),
        outs=(Out("out", batch=draw(st.integers(1, 4)), refuses=draw(few)),),
        lives=draw(lives(("cancel", "taken cancel", "stop", "misconfigured", "die"), ("cancel", "full awhile"))),
        slow=draw(SLOW),
    )


@st.composite
def replayed_scenarios(draw: st.DrawFn) -> Scenario:
    """Something is refused, nothing is dropped for it, and nothing goes wrong before the replay."""
    return Scenario(
        cursor=draw(st.sampled_from(["unique", "ties", "none"])),
        rows=draw(st.integers(1, 40)),
        read=draw(st.integers(1, 25)),
        dropped=draw(few),
        failing=draw(few),
        children=draw(st.sampled_from([1, 2, 4])),
        unrouted="drop",
        outs=draw(outs(("plain", "rewinds"), drops=False)),
    )


def replays() -> st.SearchStrategy[tuple[Life, ...]]:
    """What goes wrong while dead letters are sent again."""
    return lives(CLEAN_FAULTS)
