"""What is due: on time, missed, put off; and no slot twice, whatever the clock does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pipeline import TimerPlan
from engine.schedule import due, judge, moment, wake

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def hourly(now: datetime) -> datetime:
    return (now + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)


def secondly(now: datetime) -> datetime:
    return (now + timedelta(seconds=1)).replace(microsecond=0)


def at(hours: float) -> datetime:
    """So many hours from noon."""
    return NOON + timedelta(hours=hours)


HOURLY = TimerPlan("hourly", hourly, pipeline="p")


@pytest.mark.parametrize(
    ("missed", "window", "last", "now", "expected"),
    [
        # nothing yet; on time; a little late
        ("none", None, 0, 0.9, []),
        ("none", None, 0, 1, [1]),
        ("none", None, 0, 1 + 59 / 3600, [1]),
        # down for five hours
        ("none", None, 0, 5.5, []),
        ("last", None, 0, 5.5, [5]),
        ("all", None, 0, 5.5, [1, 2, 3, 4, 5]),
        # back right at a slot: that one is on time
        ("none", None, 0, 5, [5]),
        ("last", None, 0, 5, [5]),
        # too old to be made up for
        ("last", 1200, 0, 5.5, []),
        ("last", 1800, 0, 5.5, [5]),
        ("all", 2.5 * 3600, 0, 5.5, [3, 4, 5]),
        ("all", 0, 0, 5, [5]),
        # the clock was set back
        ("all", None, 3, 1.5, []),
        ("all", None, 3, 3, []),
    ],
)
def test_what_is_made_up_for(missed, window, last, now, expected):
    """none, last and all, each with a window."""
    plan = replace(HOURLY, missed=missed, missed_window=window)
    assert due(plan, at(last), at(now)) == [at(hour) for hour in expected]


def test_a_trigger_that_appears_has_missed_nothing():
    """What was before its first appearance was never promised."""
    plan = replace(HOURLY, missed="all")
    seen = judge(plan, None, at(0.5))
    assert (seen.slots, seen.last) == ([], at(0.5))
    assert due(plan, seen.last, at(2)) == [at(1), at(2)]


def test_what_is_passed_over_is_counted_and_remembered():
    """Nothing is swallowed, and nothing is judged twice."""
    seen = judge(replace(HOURLY, missed="none"), at(0), at(5.5))
    assert (seen.slots, seen.last, seen.passed) == ([], at(5), 5)
    again = judge(replace(HOURLY, missed="all"), seen.last, at(5.5))
    assert (again.slots, again.passed) == ([], 0)


def test_all_is_capped_at_the_newest():
    """A hundred, and it is said that there were more."""
    seen = judge(replace(HOURLY, missed="all"), at(-24 * 30), at(0.5))
    assert seen.slots == [at(hour) for hour in range(-99, 1)]
    assert seen.passed >= 100


def test_a_year_of_seconds_is_not_walked_through():
    """The newest hundred of 31 million are found in a few thousand steps."""
    steps = 0

    def counting(now: datetime) -> datetime:
        nonlocal steps
        steps += 1
        return secondly(now)

    plan = TimerPlan("quick", counting, missed="all")
    slots = due(plan, NOON - timedelta(days=365), NOON)
    assert slots == [NOON - timedelta(seconds=99 - number) for number in range(100)]
    assert steps < 20_000


def test_bursts_far_apart_give_the_newest_too():
    """A thousand slots on one day of a year."""

    def burst(now: datetime) -> datetime:
        first = datetime(now.year, 1, 1, tzinfo=UTC)
        after = secondly(now)
        if after < first + timedelta(seconds=1000):
            return after
        return datetime(now.year + 1, 1, 1, tzinfo=UTC)

    plan = TimerPlan("burst", burst, missed="all")
    slots = due(plan, datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
    first = datetime(2026, 1, 1, tzinfo=UTC)
    assert slots == [first + timedelta(seconds=number) for number in range(900, 1000)]


@given(
    st.lists(st.integers(0, 400), max_size=60),
    st.lists(st.integers(0, 100_000), max_size=40),
    st.integers(1, 110_000),
    st.sampled_from(["none", "last", "all"]),
    st.integers(1, 12),
)
def test_the_newest_are_found_however_they_lie(close, far, seconds, missed, cap):
    """The same as walking through all of them; bursts and silences in any order."""
    moments = sorted({NOON + timedelta(seconds=one) for one in (*close, *far)})

    def next_after(now: datetime) -> datetime | None:
        return next((one for one in moments if one > now), None)

    now = NOON + timedelta(seconds=seconds)
    seen = judge(TimerPlan("t", next_after, missed=missed), NOON, now, cap)
    whole = [one for one in moments if NOON < one <= now]
    wanted = whole[-cap:] if missed == "all" else whole[-1:]
    if missed == "none":
        wanted = [one for one in wanted if (now - one).total_seconds() <= 60]
    assert seen.slots == wanted
    assert seen.last == (whole[-1] if whole else NOON)
    assert min(len(whole) - len(wanted), 8) <= seen.passed <= len(whole) - len(wanted)


def test_a_day_of_minutes_is_judged_in_a_few_steps():
    """Ten thousand timers that were down for a day are judged in seconds."""
    steps = 0

    def minutely(now: datetime) -> datetime:
        nonlocal steps
        steps += 1
        return (now + timedelta(minutes=1)).replace(second=0, microsecond=0)

    seen = judge(TimerPlan("quick", minutely, missed="last"), NOON - timedelta(days=1), NOON)
    assert seen.slots == [NOON]
    assert steps < 30


def test_the_end_of_a_schedule():
    """No slot, no moment to wake at."""
    over = TimerPlan("over", lambda now: None, jitter=5)
    assert (due(over, at(0), at(9)), wake(over, at(0))) == ([], None)


# jitter


def test_jitter_is_the_same_after_a_restart_and_differs_otherwise():
    """Of pipeline, trigger and slot; not of chance."""
    plan = replace(HOURLY, jitter=600)
    several = (plan, replace(plan, id="b"), replace(plan, pipeline="q"))
    moments = [moment(one, at(hour)) for one in several for hour in (0, 1)]
    assert moments == [moment(one, at(hour)) for one in several for hour in (0, 1)]
    offsets = {(made - NOON) % timedelta(hours=1) for made in moments}
    assert len(offsets) == 6
    # pinned: a new release that moves every firing of every user should know it
    assert moment(plan, NOON) == datetime(2026, 3, 4, 12, 7, 39, 307500, tzinfo=UTC)


def test_jitter_spreads():
    """A thousand pipelines at noon come evenly over ten minutes."""
    plans = [replace(HOURLY, jitter=600, pipeline=f"p{number}") for number in range(1000)]
    offsets = [(moment(plan, NOON) - NOON).total_seconds() for plan in plans]
    tenths = [sum(60 * part <= offset < 60 * part + 60 for offset in offsets) for part in range(10)]
    assert sum(tenths) == 1000
    assert all(60 <= count <= 140 for count in tenths)


@given(st.floats(0.001, 10**6), st.integers(0, 5000))
def test_jitter_stays_before_the_next_slot(jitter, hours):
    """However long it is: firings keep their order."""
    plan = replace(HOURLY, jitter=jitter)
    slot = at(hours)
    assert slot <= moment(plan, slot) < hourly(slot)


def test_a_firing_that_is_put_off_is_not_yet_due():
    """It is due at its moment, also when the process was restarted in between, and on time then."""
    plan = replace(HOURLY, jitter=600, missed="none")
    fires = moment(plan, at(1))
    early = judge(plan, at(0), fires - timedelta(milliseconds=1))
    assert (early.slots, early.last) == ([], at(0))
    assert wake(plan, early.last) == fires
    late = judge(plan, early.last, fires)
    assert (late.slots, late.last) == ([at(1)], at(1))


def test_a_missed_one_does_not_wait_for_one_that_is_put_off():
    """Both are fired, each at its moment."""
    plan = replace(HOURLY, jitter=600, missed="last")
    seen = judge(plan, at(-5), at(0))
    assert (seen.slots, seen.last) == ([at(-1)], at(-1))
    assert judge(plan, seen.last, moment(plan, at(0))).slots == [at(0)]


@given(st.lists(st.integers(-3, 40), min_size=1, max_size=30), st.sampled_from([0.0, 500.0]))
def test_a_clock_that_jumps_fires_every_slot_once(jumps, jitter):
    """R12: forwards and backwards, each slot at most once, and with ``all`` none is lost."""
    plan = replace(HOURLY, missed="all", jitter=jitter)
    now, last, fired = at(0), at(0), []
    for jump in jumps:
        now += timedelta(minutes=20 * jump)
        seen = judge(plan, last, now, cap=1000)
        assert seen.last >= last
        last = seen.last
        fired += seen.slots
    whole = [at(hour) for hour in range(1, len(fired) + 1)]
    assert fired == whole
