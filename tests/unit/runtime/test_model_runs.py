"""Whatever goes wrong, and in whatever order: nothing lost, nothing settled too early, little sent twice."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.store.memory import MemoryStore
from engine.store.memory.tables import Tables
from engine.store.sqlite import SqliteStore

from .model import CLEAN_FAULTS, LOSSY_FAULTS, SETTLE_FAULTS, Life, Out, Scenario, problems

QUIET = settings(
    deadline=None, derandomize=True, database=None, print_blob=True, suppress_health_check=list(HealthCheck)
)


def lives(faults, fulls=False, limits=False, most=4):
    life = st.builds(
        Life,
        writes=st.dictionaries(st.integers(1, 12), st.sampled_from(faults), max_size=3),
        settles=st.dictionaries(st.integers(1, 8), st.sampled_from(SETTLE_FAULTS), max_size=2),
        limit=st.none() | st.integers(1, 20) if limits else st.none(),
        full=st.booleans() if fulls else st.just(False),
    )
    return st.lists(life, max_size=most).map(tuple)


few = st.frozensets(st.integers(0, 39), max_size=6)


def outs(kinds, most=2):
    out = st.builds(
        Out,
        name=st.sampled_from(["a", "b", "c"]),
        kind=st.sampled_from(kinds),
        batch=st.integers(1, 12),
        keyed=st.booleans() if kinds != ["plain"] else st.just(True),
        atomic=st.booleans(),
        share=st.sampled_from([0, 0, 2, 3]),
        refuses=few,
        drops=st.booleans(),
    )
    return st.lists(out, min_size=1, max_size=most, unique_by=lambda one: one.name).map(tuple)


@st.composite
def scenarios(draw, kinds=("plain",), faults=(*CLEAN_FAULTS, *LOSSY_FAULTS)):
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
        outs=draw(outs(list(kinds))),
        lives=draw(lives(list(faults), fulls=plain and cursor != "none", limits=plain)),
    )


def memory():
    tables = Tables()
    return lambda: MemoryStore(tables)


@settings(QUIET, max_examples=300)
@given(scenarios())
def test_nothing_is_lost_and_no_checkpoint_stands_too_far(scenario):
    assert problems(scenario, memory()) == []


@settings(QUIET, max_examples=250)
@given(scenarios(("plain", "at_end", "rewinds"), CLEAN_FAULTS))
def test_a_file_holds_every_record_once_after_whatever_happened(scenario):
    assert problems(scenario, memory()) == []


@settings(QUIET, max_examples=25)
@given(scenarios(("plain", "rewinds"), CLEAN_FAULTS))
def test_the_same_with_a_store_on_disk(scenario):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine.db"
        assert problems(scenario, lambda: SqliteStore(path, reserve=0)) == []
