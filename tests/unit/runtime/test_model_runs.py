"""Whatever goes wrong, and in whatever order: nothing lost, nothing settled too early, little sent twice.

The laws themselves are in ``model``. That they would see a mistake is shown by ``test_model_controls``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given

from engine.store.sqlite import SqliteStore

from .model import played
from .model_draws import FILES, drawn, few_interruptions, many_letters, memory, replayed_scenarios, replays, scenarios


@drawn(80)
@given(scenarios())
def test_nothing_is_lost_and_no_checkpoint_stands_too_far(scenario):
    assert played(scenario, memory()).problems == []


@drawn(80)
@given(FILES)
def test_a_file_holds_every_record_once_after_whatever_happened(scenario):
    assert played(scenario, memory()).problems == []


@drawn(40)
@given(few_interruptions())
def test_an_interruption_repeats_at_most_the_writes_in_flight_and_not_yet_settled(scenario):
    assert played(scenario, memory()).problems == []


@drawn(40)
@given(many_letters())
def test_every_dead_letter_is_there_once_although_settlements_are_cut_off(scenario):
    assert played(scenario, memory()).problems == []


@drawn(40)
@given(replayed_scenarios(), replays())
def test_a_replay_brings_every_dead_letter_to_its_place_whatever_goes_wrong(scenario, lives):
    assert played(scenario, memory(), lives).problems == []


@drawn(8)
@given(FILES)
def test_the_same_with_a_store_on_disk(scenario):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine.db"
        assert played(scenario, lambda: SqliteStore(path, reserve=0)).problems == []
