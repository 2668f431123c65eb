"""R11 and R12 through the scheduler: both changes of the clocks, jumps, suspends; and no busy loop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter

from engine.events import Fired, Noted
from engine.pipeline import TimerPlan
from engine.service import scheduler, timers
from tests.unit.service.time_rig import World, at, timer, twice

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


@pytest.mark.parametrize(
    ("trigger", "zone", "begin", "end", "expected"),
    [
        # the gap: 02:00 to 03:00 is left out; a fixed time is made up for at its end, an interval is not
        ({"cron": "30 2 * * *"}, BERLIN, "2026-03-28T12:00:00", "2026-03-30T12:00:00", ["03-29 01:00", "03-30 00:30"]),
        ({"cron": "0 3 * * *"}, BERLIN, "2026-03-28T12:00:00", "2026-03-30T12:00:00", ["03-29 01:00", "03-30 01:00"]),
        (
            {"cron": "*/30 * * * *"}, BERLIN, "2026-03-28T23:50:00", "2026-03-29T02:10:00",
            ["03-29 00:00", "03-29 00:30", "03-29 01:00", "03-29 01:30", "03-29 02:00"],
        ),
        # the fold: 02:00 to 03:00 comes twice; a fixed time fires in the first one only, an interval in both
        ({"cron": "30 2 * * *"}, BERLIN, "2026-10-24T12:00:00", "2026-10-26T12:00:00", ["10-25 00:30", "10-26 01:30"]),
        (
            {"cron": "*/30 2 * * *"}, BERLIN, "2026-10-24T12:00:00", "2026-10-25T12:00:00",
            ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30"],
        ),
        (
            {"every": "1h"}, BERLIN, "2026-10-24T22:50:00", "2026-10-25T02:10:00",
            ["10-24 23:00", "10-25 00:00", "10-25 01:00", "10-25 02:00"],
        ),
        (
            {"cron": "30 1 * * *"}, NEW_YORK, "2026-10-31T12:00:00", "2026-11-02T12:00:00",
            ["11-01 05:30", "11-02 06:30"],
        ),
        (
            {"cron": "30 2 * * *"}, NEW_YORK, "2026-03-07T12:00:00", "2026-03-09T12:00:00",
            ["03-08 07:00", "03-09 06:30"],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("restarts", [False, True])
async def test_both_changes_of_the_clocks(trigger, zone, begin, end, expected, restarts):
    """R11: a fixed time once, an interval as time passes; also when the process is killed every half hour."""
    world, plan = World(begin), timer(trigger, zone)
    until = at(end)
    if restarts:
        step = datetime.fromtimestamp(world.now, until.tzinfo)
        while step < until:
            step += timedelta(minutes=30, seconds=7)
            await world.live([plan], min(step, until).isoformat()[:19])
    else:
        await world.live([plan], end)
    assert await world.slots() == expected
    assert all(one.lag <= 1 for one in world.of(Fired))


async def test_croniter_alone_fires_twice_in_autumn():
    """The control of R11: the scheduler fires what its plan says; what is right about the fold is the plan."""

    def naive(now: datetime) -> datetime:
        found: datetime = croniter("30 1 * * *", now.astimezone(ZoneInfo(NEW_YORK))).get_next(datetime)
        return found.astimezone(UTC)

    world = World("2026-10-31T12:00:00")
    await world.live([TimerPlan("t", naive, pipeline="p")], "2026-11-02T12:00:00")
    assert await world.slots() == ["11-01 05:30", "11-01 06:30", "11-02 06:30"]


def quarters(first: str, last: str) -> list[str]:
    """Every quarter of an hour from *first* to *last*."""
    slots, slot = [], at(f"2026-03-04T{first}:00")
    while slot <= at(f"2026-03-04T{last}:00"):
        slots.append(slot.strftime("%m-%d %H:%M"))
        slot += timedelta(minutes=15)
    return slots


async def jumping(missed: str, *jumps: tuple[str, float], zone: str = "UTC") -> World:
    """From 11:50 on, quarter by quarter, with a clock that shows so many seconds more at those times."""
    world = World("2026-03-04T11:50:00")
    world.jumps = [(at(f"2026-03-04T{when}").timestamp(), seconds) for when, seconds in jumps]
    await world.live([timer({"cron": "*/15 * * * *"}, missed=missed)], "2026-03-04T14:20:00")
    return world


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("all", quarters("12:00", "14:15")),
        # 12:30, 12:45 and 13:00 were jumped over, 13:15 is a quarter late
        ("last", ["03-04 12:00", "03-04 12:15", *quarters("13:15", "14:15")]),
        ("none", ["03-04 12:00", "03-04 12:15", *quarters("13:30", "14:15")]),
    ],
)
async def test_an_hour_forward(missed, expected):
    """R12: nothing is lost beyond what ``missed`` says, nothing is fired twice. A suspend looks the same."""
    world = await jumping(missed, ("12:20:00", 3600 + 300))
    assert await world.slots() == expected
    assert bool(world.of(Noted)) == (missed != "all")


@pytest.mark.parametrize("missed", ["all", "last", "none"])
async def test_an_hour_back(missed):
    """R12: what was fired before the clock was set back is not fired again, and the clock's hour is waited for."""
    world = await jumping(missed, ("12:20:00", -3600))
    assert await world.slots() == quarters("12:00", "14:15")
    assert world.of(Noted) == []


async def test_forward_and_back():
    """R12: slots of the hour that was skipped come at once, and not again when that hour really comes."""
    world = await jumping("all", ("12:20:00", 3600), ("13:25:00", -3600))
    assert await world.slots() == quarters("12:00", "14:15")


@pytest.mark.parametrize("jump", [0.0, 3600.0, -3600.0, 0.3, -0.3])
async def test_one_look_a_second(jump):
    """Idle or not, whatever the clock does: no busy loop, and no look that comes too late."""
    world = World("2026-03-04T11:59:30")
    world.leaps = False
    if jump:
        world.jumps = [(at("2026-03-04T12:00:10").timestamp(), jump)]
    world.now += 0.37
    began, world.looks = world.now, 0
    plans = [timer({"every": "30s"}, pipeline="p"), timer({"cron": "0 3 * * *"}, pipeline="q")]
    await world.live(plans, "2026-03-04T13:05:00" if jump > 1 else "2026-03-04T12:02:00")
    lived = world.now - began - jump
    assert lived - 2 <= world.looks <= lived + 4
    slots = [one.slot or "" for one in await world.firings()]
    assert len(slots) >= 4
    assert not twice(slots)


async def test_put_off_firings_share_looks():
    """A thousand that are spread over a minute: none half a second late, and few commits."""
    world = World("2026-03-04T11:59:59")
    world.leaps = False
    plans = [timer({"cron": "0 * * * *"}, pipeline=f"p{number}", jitter=60.0) for number in range(1000)]
    await world.live(plans, "2026-03-04T12:01:01")
    lags = [one.lag for one in world.of(Fired)]
    assert len(lags) == 1000
    assert max(lags) <= 0.3
    assert world.looks <= 62 * 5


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_clock_that_was_years_ahead_does_not_silence_timers(guarded, monkeypatch):
    """Set right again, they go on at once; without the guard, the control, they wait for three years."""
    if not guarded:
        monkeypatch.setattr(timers, "AHEAD", timedelta(days=100_000))
        monkeypatch.setattr(scheduler, "AHEAD", timedelta(days=100_000))
    world = World("2026-03-04T11:50:00")
    world.jumps = [(at("2026-03-04T12:10:00").timestamp(), 3 * 365 * 86400.0)]
    plan = timer({"cron": "0 * * * *"}, missed="last")

    def set_right(world: World) -> None:
        if not world.jumps and world.of(Fired)[-1].slot > "2027":
            world.now, world.meanwhile = at("2026-03-04T12:12:00").timestamp(), lambda world: None

    world.meanwhile = set_right
    world.leaps = False
    await world.live([plan], "2026-03-04T15:10:00")
    after = ["2026-03-04T13:00", "2026-03-04T14:00", "2026-03-04T15:00"] if guarded else []
    assert [one.slot[:16] for one in world.of(Fired)] == ["2026-03-04T12:00", "2029-03-03T12:00", *after]


async def test_a_scheduler_that_does_not_rest_is_noticed(monkeypatch):
    """The control of the counted looks."""
    monkeypatch.setattr(scheduler.Scheduler, "_rest", lambda self: 0.01)
    world = World("2026-03-04T11:59:30")
    world.leaps = False
    await world.live([timer({"every": "30s"})], "2026-03-04T12:00:00")
    assert world.looks > 1000


async def test_a_machine_that_starts_in_1970_catches_up_when_its_clock_is_set():
    """Its places lie ahead by decades; they count as soon as the clock is right."""
    world = World("2026-03-04T11:50:00")
    plan = timer({"cron": "0 * * * *"}, missed="all")
    await world.live([plan], "2026-03-04T12:10:00")
    world.now = at("1970-01-01T00:00:05").timestamp()
    world.jumps = [(world.now + 60, at("2026-03-04T14:30:00").timestamp() - world.now - 60)]
    await world.live([plan], "2026-03-04T14:40:00")
    assert await world.slots() == ["03-04 12:00", "03-04 13:00", "03-04 14:00"]
