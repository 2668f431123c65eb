"""S18: rates by caller, in a bounded memory."""

from __future__ import annotations

from engine.http.limits import Crowd, Load, Rates
from engine.policy import RateLimit

LIMIT = RateLimit(100, 1.0, 200)


def test_a_caller_has_its_rate_and_its_burst() -> None:
    rates = Rates()
    assert sum(rates.wait(LIMIT, "a", 0.0) == 0 for _ in range(1000)) == 200
    assert sum(rates.wait(LIMIT, "a", 1.0) == 0 for _ in range(1000)) == 100
    assert 0 < rates.wait(LIMIT, "a", 1.0) <= 0.01


def test_one_callers_excess_costs_another_nothing() -> None:
    rates = Rates()
    for _ in range(1000):
        rates.wait(LIMIT, "a", 0.0)
    assert sum(rates.wait(LIMIT, "b", 0.0) == 0 for _ in range(200)) == 200


def test_the_memory_is_bounded_and_the_busy_are_remembered() -> None:
    rates = Rates(10)
    for _ in range(300):
        rates.wait(LIMIT, "busy", 0.0)
    for number in range(1000):
        rates.wait(LIMIT, number, 0.0)
        assert rates.wait(LIMIT, "busy", 0.0) > 0
    assert len(rates) == 10


def test_a_changed_limit_holds_at_once() -> None:
    rates = Rates()
    for _ in range(300):
        rates.wait(LIMIT, "a", 0.0)
    assert rates.wait(RateLimit(5, 1.0), "a", 0.0) == 0
    assert rates.wait(None, "a", 0.0) == 0


def test_a_crowd_is_counted() -> None:
    crowd = Crowd(2)
    assert [crowd.enter("a") for _ in range(3)] == [True, True, False]
    assert crowd.enter("b")
    for _ in range(3):
        crowd.leave("a")
    assert crowd.count("a") == 0
    assert crowd.enter("a")


def test_load_is_full_by_calls_or_by_bytes() -> None:
    load = Load(2, 100)
    load.begin(1)
    assert not load.full
    load.begin(1)
    assert load.full
    load.end(1)
    load.begin(99)
    assert load.full
    load.end(99)
    load.end(1)
    assert not load.full
