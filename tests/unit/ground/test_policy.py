"""Policies are arithmetic: tested by table, with time and chance given."""

import pytest

from engine.policy import Breaker, CircuitBreaker, Limiter, RateLimit, Retry


@pytest.mark.parametrize(
    ("retry", "attempt", "random", "asked", "expected"),
    [
        (Retry(jitter="none"), 1, 0.9, None, 1.0),
        (Retry(jitter="none"), 4, 0.0, None, 8.0),
        (Retry(jitter="none"), 40, 0.0, None, 30.0),
        (Retry(jitter="none"), 10_000, 0.0, None, 30.0),
        (Retry(jitter="none", backoff="linear"), 3, 0.0, None, 3.0),
        (Retry(jitter="none", backoff="constant", initial=5), 7, 0.0, None, 5.0),
        (Retry(), 3, 0.5, None, 2.0),
        (Retry(jitter="equal"), 3, 0.5, None, 3.0),
        (Retry(), 1, 0.0, 7.0, 7.0),
        (Retry(max=2), 1, 0.99, 120.0, 120.0),
        (Retry(jitter="none", initial=9), 1, 0.0, 1.0, 9.0),
    ],
)
def test_delay_grows_is_capped_and_never_less_than_asked(retry, attempt, random, asked, expected):
    assert retry.delay(attempt, random, asked) == pytest.approx(expected)


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate():
    limiter = Limiter(RateLimit(limit=2, per=1.0, burst=3))
    assert [limiter.permit(0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limiter.permit(0.0) == pytest.approx(0.5)
    assert limiter.permit(0.5) == 0.0
    assert limiter.permit(0.5) == pytest.approx(0.5)


def test_a_bucket_does_not_save_up_more_than_its_burst():
    limiter = Limiter(RateLimit(limit=1, per=1.0, burst=2))
    assert [limiter.permit(1000.0) for _ in range(2)] == [0.0, 0.0]
    assert limiter.permit(1000.0) > 0


def test_a_clock_that_goes_back_gives_no_permits():
    limiter = Limiter(RateLimit(limit=1, per=1.0, burst=1))
    assert limiter.permit(10.0) == 0.0
    assert limiter.permit(5.0) > 0


def test_a_sliding_window_never_exceeds_its_limit_in_any_window():
    limiter = Limiter(RateLimit(limit=3, per=10.0, window="sliding"))
    now, granted = 0.0, []
    for _ in range(12):
        while (wait := limiter.permit(now)) > 0:
            now += wait
        granted.append(now)
    for start in granted:
        assert sum(start <= at < start + 10.0 for at in granted) <= 3


def test_a_breaker_opens_at_its_count_within_its_window():
    breaker = Breaker(CircuitBreaker(failures=3, window=10, reset_after=60))
    breaker.failure(0)
    breaker.failure(1)
    assert breaker.admit(2) is None
    breaker.failure(11.5)  # the first two have left the window
    assert breaker.state == "closed"
    breaker.failure(12)
    breaker.failure(13)
    assert breaker.state == "open"
    assert breaker.admit(14) == 73


def test_a_half_open_breaker_admits_few_and_closes_on_success():
    breaker = Breaker(CircuitBreaker(failures=1, window=10, reset_after=60, half_open_calls=2))
    breaker.failure(0)
    assert breaker.admit(59.9) == 60
    assert breaker.admit(60) is None
    assert breaker.admit(60) is None
    assert breaker.admit(60) is not None
    breaker.success(61)
    assert breaker.state == "closed"
    assert breaker.admit(61) is None


def test_a_failed_probe_opens_the_breaker_again_for_the_whole_time():
    breaker = Breaker(CircuitBreaker(failures=1, window=10, reset_after=60))
    breaker.failure(0)
    assert breaker.admit(60) is None
    breaker.failure(61)
    assert breaker.state == "open"
    assert breaker.admit(120) == 121


def test_an_abandoned_probe_is_given_back():
    breaker = Breaker(CircuitBreaker(failures=1, window=10, reset_after=60))
    breaker.failure(0)
    assert breaker.admit(60) is None
    assert breaker.admit(60) is not None
    breaker.abandon()
    assert breaker.admit(60) is None
