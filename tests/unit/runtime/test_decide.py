"""The table "What happens when it fails" of the language, row by row."""

import pytest

from engine.errors import CircuitOpen, Disconnected, Misconfigured, Rejected, Transient, Uncertain
from engine.policy import Retry
from engine.record import Receipt
from engine.runtime.decide import LONGEST_WAIT, Situation, decide, decide_read

RETRY = Retry(attempts=3, initial=2, jitter="none")


def situation(outcome, size=4, attempt=1, **more):
    values = {"keyed": True, "atomic": False, "retry_written": False, "retry": RETRY, "random": 0.5, **more}
    return Situation(outcome, size, attempt, **values)


def test_a_clean_receipt_is_the_end():
    decision = decide(situation(Receipt()))
    assert not decision.refuse
    assert not decision.again
    assert decision.fail is None


@pytest.mark.parametrize("error", [Disconnected("gone"), Transient("busy"), Transient("busy", 5.0), Uncertain("lost")])
def test_what_may_pass_is_tried_again_and_then_fails(error):
    first = decide(situation(error))
    assert list(first.again) == [0, 1, 2, 3]
    assert first.wait == (5.0 if getattr(error, "retry_after", None) else 2.0)
    assert decide(situation(error, attempt=3)).fail is error


def test_a_remote_that_asks_for_too_long_a_pause_ends_the_run():
    assert decide(situation(Transient("busy", LONGEST_WAIT + 1))).fail is not None


@pytest.mark.parametrize("error", [Misconfigured("401"), CircuitOpen("hub", 5.0)])
def test_what_cannot_pass_fails_at_once(error):
    assert decide(situation(error)).fail is error


def test_an_uncertain_write_without_key_is_not_repeated_unless_the_author_wrote_retry():
    decision = decide(situation(Uncertain("lost"), keyed=False))
    assert isinstance(decision.fail, Uncertain)
    assert "key" in str(decision.fail)
    assert decide(situation(Uncertain("lost"), keyed=False, retry_written=True)).again


def test_a_refused_record_is_refused():
    assert decide(situation(Rejected("no"), size=1)).refuse == {0: ("refused", "no")}


@pytest.mark.parametrize(
    ("atomic", "keyed", "split"), [(True, False, True), (False, True, True), (True, True, True), (False, False, False)]
)
def test_a_refused_batch_is_split_where_that_is_safe(atomic, keyed, split):
    decision = decide(situation(Rejected("no"), atomic=atomic, keyed=keyed))
    assert decision.split is split
    assert (decision.fail is None) is split


def test_partial_refusals_leave_the_rest_taken():
    decision = decide(situation(Receipt(rejected={1: "bad", 3: "worse"})))
    assert decision.refuse == {1: ("refused", "bad"), 3: ("refused", "worse")}
    assert not decision.again


def test_what_the_target_could_not_take_now_goes_again_alone():
    decision = decide(situation(Receipt(rejected={0: "bad"}, retry={2: "later"}, retry_after=9.0)))
    assert (decision.refuse, list(decision.again), decision.wait) == ({0: ("refused", "bad")}, [2], 9.0)


def test_few_uncertain_records_are_repeated_and_then_put_aside_not_blocking_the_pipeline():
    receipt = Receipt(uncertain={2: "no item"})
    assert list(decide(situation(receipt)).again) == [2]
    assert decide(situation(receipt, attempt=3)).refuse == {2: ("uncertain", "no item")}


def test_a_wholly_uncertain_answer_fails_the_run_after_its_tries():
    receipt = Receipt(uncertain=dict.fromkeys(range(4), "nothing at data"))
    assert isinstance(decide(situation(receipt, attempt=3)).fail, Uncertain)


def test_uncertain_records_without_key_fail_the_run():
    assert isinstance(decide(situation(Receipt(uncertain={2: "no item"}), keyed=False)).fail, Uncertain)


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        (Disconnected("gone"), 1, 2.0),
        (Uncertain("cut"), 2, 4.0),
        (Transient("busy", 30.0), 1, 30.0),
        (Transient("busy", LONGEST_WAIT * 2), 1, None),
        (Disconnected("gone"), 3, None),
        (Misconfigured("401"), 1, None),
        (Rejected("400"), 1, None),
    ],
)
def test_reads_may_always_be_repeated(error, attempt, expected):
    assert decide_read(error, attempt, RETRY, 0.0) == expected
