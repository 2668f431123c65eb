"""Calendars: a trigger fires only while they are open, or closed, as it says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.compiler.triggers.calendars import calendar, days
from engine.compiler.triggers.plans import timer_slots

SAO_PAULO = "America/Sao_Paulo"
CALENDARS: dict[str, dict[str, Any]] = {
    "bank-days": {
        "weekdays": "mon-fri",
        "hours": "10:00-16:00",
        "holidays": {"2026-02-16..2026-02-17": "Carnival", "12-25": "Christmas", "01-01": "New Year"},
    },
    "split": {"hours": ["08:00-12:00", "13:00-17:00"]},
    "plant": {"shifts": {"early": "06:00-14:00", "night": "22:00-06:00"}, "weekdays": "mon-fri"},
    "freeze": {"open": {"2026-11-20..2026-12-01": "Black Friday"}},
    "working": {
        "weekdays": "mon-fri",
        "holidays": {"2026-04-21": "Tiradentes"},
        "open": {"2026-04-25": "in its place"},
    },
    "shutdown": {"open": {"12-24..01-02": "between the years"}},
    "berlin": {"timezone": "Europe/Berlin", "hours": "09:00-10:00"},
    "never": {"open": {"2025-02-01": "gone"}},
}


def firings(trigger: dict[str, Any], begin: str, count: int, name: str = SAO_PAULO) -> list[str]:
    """The next firings after a local time."""
    info, found = ZoneInfo(name), []
    slots = timer_slots(trigger, name, CALENDARS)
    slot = slots.next_after(datetime.fromisoformat(begin).replace(tzinfo=info))
    while slot is not None and len(found) < count:
        found.append(slot.astimezone(info).strftime("%m-%d %H:%M"))
        slot = slots.next_after(slot)
    return found


@pytest.mark.parametrize(
    ("trigger", "begin", "expected"),
    [
        # Friday afternoon, Carnival on Monday and Tuesday
        ({"cron": "0 * * * *", "calendar": "bank-days"}, "2026-02-13 14:30", ["02-13 15:00", "02-18 10:00"]),
        ({"every": "1h", "calendar": "bank-days"}, "2026-02-13 14:30", ["02-13 15:00", "02-18 10:00"]),
        ({"cron": "0 12 * * *", "calendar": "bank-days"}, "2026-12-24 13:00", ["12-28 12:00", "12-29 12:00"]),
        ({"cron": "0 11 1 * *", "calendar": "bank-days"}, "2026-12-02", ["02-01 11:00", "03-01 11:00"]),
        ({"every": "1h", "calendar": "split"}, "2026-03-04 10:30", ["03-04 11:00", "03-04 13:00"]),
        # Friday's night shift ends on Saturday morning
        ({"every": "4h", "calendar": "plant"}, "2026-03-06 12:30", ["03-07 00:00", "03-07 04:00", "03-09 08:00"]),
        # only and except
        ({"cron": "0 9 * * *", "calendar": {"except": "freeze"}}, "2026-11-18 10:00", ["11-19 09:00", "12-02 09:00"]),
        ({"cron": "0 9 * * *", "calendar": {"only": "freeze"}}, "2026-11-01", ["11-20 09:00", "11-21 09:00"]),
        (
            {"cron": "0 12 * * *", "calendar": {"only": ["bank-days", "split"], "except": ["freeze"]}},
            "2026-11-18 13:00",
            [],
        ),
        (
            {"cron": "30 11 * * *", "calendar": {"only": ["bank-days", "split"], "except": ["freeze"]}},
            "2026-11-18 13:00",
            ["11-19 11:30", "12-02 11:30"],
        ),
        # a Saturday that is worked in place of a holiday
        ({"cron": "0 8 * * *", "calendar": "working"}, "2026-04-20 09:00", ["04-22 08:00", "04-23 08:00"]),
        ({"cron": "0 8 * * *", "calendar": "working"}, "2026-04-24 09:00", ["04-25 08:00", "04-27 08:00"]),
        (
            {"cron": "0 0 * * *", "calendar": "shutdown"},
            "2026-12-30",
            ["12-31 00:00", "01-01 00:00", "01-02 00:00", "12-24 00:00"],
        ),
        # its own time zone: 09:00 in Berlin is 05:00 here, 04:00 in summer there
        ({"every": "30m", "calendar": "berlin"}, "2026-03-27 12:00", ["03-28 05:00", "03-28 05:30", "03-29 04:00"]),
        (
            {"every": "1h", "between": "10:00-12:00", "calendar": "split"},
            "2026-03-04 10:30",
            ["03-04 11:00", "03-05 10:00"],
        ),
        ({"every": "1h", "calendar": "never"}, "2026-03-04", []),
        ({"cron": "0 3 * * *", "calendar": "bank-days"}, "2026-03-04", []),
    ],
)
def test_a_trigger_fires_only_when_its_calendars_allow(trigger, begin, expected):
    """Open, closed, and where several speak all must agree."""
    assert firings(trigger, begin, len(expected) or 1) == expected


def test_without_its_calendar_it_fires():
    """The control: it is the calendar that keeps a firing back."""
    assert firings({"cron": "0 12 * * *"}, "2026-12-24 13:00", 1) == ["12-25 12:00"]


def test_a_state_is_true_as_long_as_it_says():
    """Minute by minute over a fortnight with a holiday and a change of the clocks."""
    hours = ["22:00-03:00", "09:00-12:30"]
    made = calendar({"weekdays": "mon-fri", "hours": hours, "holidays": {"2026-03-25": ""}}, "Europe/Berlin")
    at, until, said = datetime(2026, 3, 20), datetime.min, None
    while at < datetime(2026, 4, 3):
        now, certain = made.state(at)
        assert certain > at
        if at < until:
            assert now == said
        until, said = certain, now
        wall = at.replace(tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
        assert now == by_hand(wall)
        at += timedelta(minutes=1)


def by_hand(wall: datetime) -> bool:
    """The same calendar, said otherwise."""

    def day_opens(day: date) -> bool:
        return day.weekday() < 5 and day != date(2026, 3, 25)

    minutes = wall.hour * 60 + wall.minute
    yesterday = wall.date() - timedelta(days=1)
    today = day_opens(wall.date()) and (540 <= minutes < 750 or minutes >= 1320)
    return today or (day_opens(yesterday) and minutes < 180)


@pytest.mark.parametrize(
    ("text", "day", "expected"),
    [
        ("2026-12-25", "2026-12-25", True),
        ("2026-12-25", "2027-12-25", False),
        ("12-25", "2031-12-25", True),
        ("02-29", "2028-02-29", True),
        ("12-24..01-02", "2026-12-31", True),
        ("12-24..01-02", "2026-01-02", True),
        ("12-24..01-02", "2026-01-03", False),
        ("2026-12-24..2027-01-02", "2027-01-01", True),
        ("2026-12-24..2027-01-02", "2028-01-01", False),
    ],
)
def test_days_are_read(text, day, expected):
    """Of one year or of every one; a range goes over New Year."""
    assert days(text).has(date.fromisoformat(day)) is expected


@pytest.mark.parametrize("text", ["2027-02-29", "2026-12-25..12-31", "2026-12-31..2026-12-24", "Christmas"])
def test_what_is_no_day_is_refused(text):
    """Also what a pattern cannot tell."""
    with pytest.raises(ValueError):
        days(text)
