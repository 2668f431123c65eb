"""``every``: aligned to local midnight, in windows whose end is excluded, over both changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiler.triggers.calendars import span, weekdays
from engine.compiler.triggers.plans import timer_slots

BERLIN = "Europe/Berlin"


def firings(trigger: dict[str, str], day: str, days: int = 1, name: str = BERLIN) -> list[str]:
    """The firings of so many local days: weekday and wall clock."""
    info = ZoneInfo(name)
    first = datetime.fromisoformat(day)
    begin, end = first.replace(tzinfo=info), (first + timedelta(days=days)).replace(tzinfo=info)
    slots = timer_slots(trigger, name, {})
    found, slot = [], slots.next_after(begin - timedelta(microseconds=1))
    while slot is not None and slot < end.astimezone(UTC):
        found.append(slot.astimezone(info).strftime("%a %H:%M"))
        slot = slots.next_after(slot)
    return found


def test_it_counts_from_midnight():
    """Not from when the process began; what does not divide the day begins anew."""
    assert firings({"every": "7h"}, "2026-03-04") == ["Wed 00:00", "Wed 07:00", "Wed 14:00", "Wed 21:00"]
    assert firings({"every": "1d"}, "2026-03-04", 2) == ["Wed 00:00", "Thu 00:00"]
    assert firings({"every": "7d"}, "2026-03-01", 15) == ["Mon 00:00", "Mon 00:00"], "weeks begin on Mondays"


def test_midnight_is_the_zone_s():
    """00:00 in São Paulo is 03:00 UTC."""
    slots = timer_slots({"every": "12h"}, "America/Sao_Paulo", {})
    assert slots.next_after(datetime(2026, 3, 4, 0, 0, tzinfo=UTC)) == datetime(2026, 3, 4, 3, 0, tzinfo=UTC)


def test_between_has_its_beginning_and_not_its_end():
    """The last one is half an hour before."""
    found = firings({"every": "30m", "between": "09:00-11:00"}, "2026-03-04")
    assert found == ["Wed 09:00", "Wed 09:30", "Wed 10:00", "Wed 10:30"]
    assert firings({"every": "6h", "between": "12:00-24:00"}, "2026-03-04") == ["Wed 12:00", "Wed 18:00"]


def test_over_midnight_belongs_to_the_day_it_begins():
    """Friday's night goes on into Saturday, and Sunday's is not Monday's."""
    trigger = {"every": "3h", "between": "21:00-06:00", "weekdays": "fri"}
    assert firings(trigger, "2026-03-06", 3) == ["Fri 21:00", "Sat 00:00", "Sat 03:00"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("mon-fri", "01234"), ("sat,sun", "56"), ("sat-mon", "560"), ("mon,wed-fri", "0234"), ("tue", "1")],
)
def test_weekdays_are_read(text, expected):
    """Ranges, lists, and ranges over Sunday."""
    assert weekdays(text) == frozenset(map(int, expected))


def test_weekdays_leave_days_out():
    """Friday evening, then Monday morning."""
    found = firings({"every": "30m", "between": "09:00-10:00", "weekdays": "mon-fri"}, "2026-03-06", 4)
    assert found == ["Fri 09:00", "Fri 09:30", "Mon 09:00", "Mon 09:30"]


def test_span_is_read():
    """An end that is not later is on the next day."""
    assert span("09:00-19:30") == (timedelta(hours=9), timedelta(hours=19, minutes=30))
    assert span("22:00-06:00") == (timedelta(hours=22), timedelta(hours=30))


def test_both_changes_of_the_clocks():
    """On the wall clock both days: what comes twice fires twice, what is left out is made up for at its end."""
    assert firings({"every": "30m", "between": "01:00-04:00"}, "2026-03-29") == [
        f"Sun {at}" for at in ("01:00", "01:30", "03:00", "03:30")
    ]
    assert firings({"every": "2h", "between": "00:00-05:00"}, "2026-03-29") == ["Sun 00:00", "Sun 03:00", "Sun 04:00"]
    assert firings({"every": "2h", "between": "00:00-05:00"}, "2026-10-25") == [
        f"Sun {at}" for at in ("00:00", "02:00", "02:00", "04:00")
    ]


def test_made_up_firings_keep_out_of_what_is_closed():
    """03:00 is the excluded end of the window, also on the day without a 02:30."""
    assert firings({"every": "30m", "between": "02:00-03:00"}, "2026-03-29") == []


def test_a_day_s_interval_fires_once_where_midnight_comes_twice():
    """Havana goes from 01:00 back to 00:00."""
    found = firings({"every": "1d"}, "2026-11-01", 1, "America/Havana")
    assert found == ["Sun 00:00"]
    assert firings({"every": "12h"}, "2026-11-01", 1, "America/Havana") == ["Sun 00:00", "Sun 00:00", "Sun 12:00"]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 86_399).map(lambda seconds: timedelta(seconds=seconds)),
    st.sampled_from([BERLIN, "America/Sao_Paulo", "Australia/Lord_Howe", "UTC"]),
    st.datetimes(datetime(2017, 12, 30), datetime(2027, 1, 1), timezones=st.just(UTC)),
)
def test_it_stays_on_the_wall_clock(interval, name, now):
    """Every firing is a multiple of the interval since midnight, or the end of a gap; and none is left out."""
    slots, some = timer_slots({"every": f"{interval.seconds}s"}, name, {}), [now]
    for _ in range(30):
        some.append(slots.next_after(some[-1]))
    shown = [slot.astimezone(ZoneInfo(name)).replace(tzinfo=None) for slot in some]
    for (before, slot), (_, wall) in zip(pairwise(some), pairwise(shown), strict=True):
        just_before = (slot - timedelta(seconds=1)).astimezone(ZoneInfo(name)).replace(tzinfo=None)
        midnight = wall.replace(hour=0, minute=0, second=0)
        assert (wall - midnight) % interval == timedelta() or wall - just_before > timedelta(seconds=1)
        assert timedelta() < slot - before <= interval + timedelta(hours=1)
