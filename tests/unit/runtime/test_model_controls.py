"""The controls of ``test_model_runs``: a runtime with a mistake in it breaks the laws, and the model sees it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from engine.record import Receipt
from engine.runtime import delivery, position
from engine.runtime.decide import decide
from engine.runtime.ledger import Ledger
from engine.runtime.reader import _Held
from engine.runtime.settler import NOTHING, Settler
from engine.store.memory import MemoryStore

from .model import played
from .model_draws import FILES, QUIET, few_interruptions, many_letters, memory, replayed_scenarios, replays, scenarios
from .rig import rig
from .test_model_ends import test_what_others_append_after_a_complete_run_is_theirs as appended_by_others

NEVER = st.none()


def caught(strategy, lives=NEVER, examples=300) -> str:
    """Give the first law that a drawn scenario breaks, empty when none does."""
    broken = []

    @settings(QUIET, max_examples=examples, phases=[Phase.generate])
    @given(strategy, lives)
    def laws(scenario, replays):
        found = played(scenario, memory(), replays).problems
        broken.extend(found[:1])
        assert not found

    try:
        laws()
    except AssertionError as error:
        return broken[0] if broken else str(error)
    return ""


def test_without_a_mistake_nothing_is_caught():
    assert caught(scenarios(), examples=30) == ""


def test_settling_what_is_read_and_not_yet_delivered_is_caught(monkeypatch):
    frontier, take = Ledger.frontier, Ledger.take
    seen = {}

    def note(self, sequence, safe, *more):
        take(self, sequence, safe, *more)
        seen[id(self)] = safe or seen.get(id(self))

    def early(self, final=False):
        found = frontier(self, final)
        return found if found.checkpoint is None else found._replace(checkpoint=seen[id(self)])

    monkeypatch.setattr(Ledger, "take", note)
    monkeypatch.setattr(Ledger, "frontier", early)
    assert "has not" in caught(scenarios())


def test_a_checkpoint_inside_a_tie_is_caught(monkeypatch):
    piece = _Held._piece
    monkeypatch.setattr(_Held, "_piece", lambda self, start, stop, fields, safe: piece(self, start, stop, fields, True))
    assert caught(scenarios())


def test_losing_what_a_cut_off_settlement_held_is_caught(monkeypatch):
    settle = Settler.settle

    async def forgetful(self, close=None, *, complete=False):
        self._begun, self._owed = None, NOTHING
        await settle(self, close, complete=complete)

    monkeypatch.setattr(Settler, "settle", forgetful)
    assert "without the dead letters" in caught(many_letters())


def test_dead_letters_that_are_not_written_are_caught(monkeypatch):
    frontier = Ledger.frontier
    monkeypatch.setattr(Ledger, "frontier", lambda self, final=False: frontier(self, final)._replace(dead=()))
    assert "dead letters" in caught(scenarios())


def test_dead_letters_of_what_is_read_again_are_caught_twice(monkeypatch):
    frontier = Ledger.frontier
    monkeypatch.setattr(Ledger, "frontier", lambda self, final=False: frontier(self, True))
    assert "dead letters" in caught(many_letters())


def test_taking_an_uncertain_answer_for_a_yes_is_caught(monkeypatch):
    def trusting(now):
        plain = isinstance(now.outcome, Receipt)
        outcome = now.outcome._replace(retry={}, uncertain={}) if plain else now.outcome
        return decide(now._replace(outcome=outcome))

    monkeypatch.setattr(delivery, "decide", trusting)
    assert caught(scenarios())


def test_writers_that_do_not_wait_for_settlements_are_caught(monkeypatch):
    async def go(self):
        return None

    monkeypatch.setattr(Settler, "room", go)
    assert "were sent again" in caught(few_interruptions())


def test_a_cursor_that_a_lookback_moves_back_is_caught(monkeypatch):
    monkeypatch.setattr("engine.runtime.settler.later", lambda left, right, fields: True)
    looking_back = scenarios().map(lambda one: replace(one, cursor="unique", tie=1, lookback=3))
    assert "went back" in caught(looking_back)


def test_not_knowing_where_a_file_stood_before_the_first_write_is_caught(monkeypatch):
    async def start(self):
        await self.tell()

    monkeypatch.setattr(Settler, "start", start)
    assert " holds " in caught(FILES)


def test_not_flushing_before_settling_is_caught(monkeypatch):
    async def flush(self):
        return None

    monkeypatch.setattr(Settler, "_flush", flush)
    assert caught(FILES)


def test_one_queue_of_places_for_all_files_is_caught(monkeypatch):
    """A writer that is ahead hides the places of one that lags behind."""
    wrote = Settler.wrote

    def mixed(self, target, sequence):
        wrote(self, target, sequence)
        for name in [name for name in self._progress if name != target]:
            self._progress[name].clear()

    monkeypatch.setattr(Settler, "wrote", mixed)
    assert caught(FILES)


def test_settling_before_the_end_of_a_file_that_shows_itself_only_then_is_caught(monkeypatch):
    made = Settler.__post_init__

    def eager(self):
        made(self)
        self.at_end = False

    monkeypatch.setattr(Settler, "__post_init__", eager)
    assert "has not" in caught(FILES)


def test_a_replay_that_does_not_know_where_the_file_stands_is_caught(monkeypatch):
    advance = Settler._advance

    def only_with_a_checkpoint(self, frontier):
        return {} if frontier.checkpoint is None else advance(self, frontier)

    monkeypatch.setattr(Settler, "_advance", only_with_a_checkpoint)
    assert "after the replay" in caught(replayed_scenarios(), replays())


async def test_keeping_the_place_of_a_file_after_a_complete_run_would_cut_off_what_others_append(monkeypatch):
    """The control of ``test_what_others_append_after_a_complete_run_is_theirs``."""
    leave = position.leave

    async def keeping(*arguments):
        return {lease: point for lease, point in (await leave(*arguments)).items() if "targets" not in lease.lane}

    monkeypatch.setattr(position, "leave", keeping)
    async with rig(MemoryStore) as bench:
        with pytest.raises(AssertionError):
            await appended_by_others(bench)
