"""A checkpoint never passes an undelivered record, and a streak of refusals keeps everything open."""

from engine.runtime.ledger import FEWEST, FIRST, Ledger


def chunk(ledger, sequence, size=1, safe=True, entries=(), open=None):
    ledger.take(sequence, {"at": sequence} if safe else None, entries, range(size), size if open is None else open)
    ledger.done(sequence, 0)


def test_the_frontier_waits_for_the_oldest():
    ledger = Ledger()
    chunk(ledger, 0)
    chunk(ledger, 1)
    ledger.done(1, 1)
    assert ledger.frontier().empty
    ledger.done(0, 1)
    assert ledger.frontier().checkpoint == {"at": 1}
    assert ledger.frontier().empty


def test_an_unsafe_chunk_does_not_move_the_checkpoint_but_the_next_safe_one_covers_it():
    ledger = Ledger()
    chunk(ledger, 0, safe=False)
    ledger.done(0, 1, [(0, "letter")])
    assert ledger.frontier().empty
    chunk(ledger, 1, size=2)
    ledger.done(1, 2)
    frontier = ledger.frontier()
    assert (frontier.checkpoint, frontier.dead) == ({"at": 1}, ["letter"])


def test_dead_letters_without_any_checkpoint_come_out_when_they_are_many_or_at_the_end():
    ledger = Ledger(patience=2)
    for sequence in range(3):
        chunk(ledger, sequence, size=2, safe=False)
        ledger.done(sequence, 2, [(0, f"letter {sequence}")])
    assert len(ledger.frontier().dead) == 3
    chunk(ledger, 3, size=2, safe=False)
    ledger.done(3, 2, [(0, "last")])
    assert ledger.frontier().empty
    assert ledger.frontier(final=True).dead == ["last"]


def test_entries_settle_without_a_checkpoint():
    ledger = Ledger()
    chunk(ledger, 0, size=2, safe=False, entries=["a", "b"])
    ledger.done(0, 2)
    assert ledger.frontier().entries == ["a", "b"]


def test_a_partly_delivered_chunk_stays_open():
    ledger = Ledger()
    chunk(ledger, 0, size=5)
    ledger.done(0, 3)
    assert ledger.frontier().empty
    ledger.done(0, 2)
    assert not ledger.frontier().empty


def test_a_chunk_that_was_dropped_whole_moves_the_checkpoint():
    ledger = Ledger()
    ledger.take(0, {"at": 0}, (), (), 0)
    ledger.done(0, 0)
    assert ledger.frontier().checkpoint == {"at": 0}


def test_a_trailing_refusal_is_held_until_a_record_is_taken():
    ledger = Ledger()
    chunk(ledger, 0, size=3)
    ledger.done(0, 3, [(2, "letter")])
    assert ledger.frontier().empty
    chunk(ledger, 1)
    ledger.done(1, 1)
    frontier = ledger.frontier()
    assert (frontier.checkpoint, frontier.dead) == ({"at": 1}, ["letter"])


def test_a_hundred_in_a_row_are_a_mistake_and_nothing_of_them_settles():
    ledger = Ledger()
    chunk(ledger, 0)
    ledger.done(0, 1)
    for sequence in range(1, FIRST + 1):
        assert not ledger.mistaken
        chunk(ledger, sequence)
        ledger.done(sequence, 1, [(0, "letter")])
    assert ledger.mistaken
    frontier = ledger.frontier()
    assert (frontier.checkpoint, frontier.dead) == ({"at": 0}, [])


def test_ninety_nine_in_a_row_are_data():
    ledger = Ledger()
    chunk(ledger, 0, size=FIRST)
    ledger.done(0, FIRST, [(index, "letter") for index in range(1, FIRST)])
    assert not ledger.mistaken
    assert ledger.close() is False
    assert len(ledger.frontier(final=True).dead) == FIRST - 1


def test_a_hundred_in_the_middle_of_a_chunk_are_seen():
    ledger = Ledger()
    chunk(ledger, 0, size=FIRST + 2)
    ledger.done(0, FIRST + 2, [(index, "letter") for index in range(1, FIRST + 1)])
    assert ledger.mistaken


def test_dropped_records_do_not_break_a_streak():
    ledger = Ledger()
    ledger.take(0, {"at": 0}, (), range(0, FIRST * 2, 2), FIRST)
    ledger.done(0, FIRST, [(index, "letter") for index in range(0, FIRST * 2, 2)])
    assert ledger.mistaken


def test_a_short_run_refused_whole_is_a_mistake_from_twenty_on():
    few = Ledger()
    chunk(few, 0, size=FEWEST - 1)
    few.done(0, FEWEST - 1, [(index, "letter") for index in range(FEWEST - 1)])
    assert few.close() is False
    assert len(few.frontier(final=True).dead) == FEWEST - 1
    enough = Ledger()
    chunk(enough, 0, size=FEWEST)
    enough.done(0, FEWEST, [(index, "letter") for index in range(FEWEST)])
    assert enough.close() is True
    assert enough.frontier(final=True).dead == []


def test_a_replay_is_lenient():
    ledger = Ledger(lenient=True)
    chunk(ledger, 0, size=FIRST * 2, entries=["a"], safe=False)
    ledger.done(0, FIRST * 2, [(index, "letter") for index in range(FIRST * 2)])
    assert not ledger.mistaken
    assert ledger.close() is False
    assert len(ledger.frontier(final=True).dead) == FIRST * 2
