"""A time zone as stretches of time in which its clocks run evenly. All datetimes here are naive UTC, or wall clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


class Stretch(NamedTuple):
    """A time without a change of the clocks; at the turn of a year a new one begins too, equal or not."""

    start: datetime
    end: datetime
    offset: timedelta
    """The wall clock shows UTC and this."""
    before: timedelta
    """The offset of the stretch before."""


class Zone:
    """Knows when a zone's clocks change; years are looked at once."""

    def __init__(self, info: tzinfo) -> None:
        self._info = info
        self._years: dict[int, tuple[Stretch, ...]] = {}
        self._last = Stretch(datetime.max, datetime.max, timedelta(), timedelta())

    def stretch(self, utc: datetime) -> Stretch:
        """Return the stretch that *utc* lies in."""
        last = self._last
        if last.start <= utc < last.end:
            return last
        year = self._years.get(utc.year)
        if year is None:
            year = self._years[utc.year] = tuple(self._look(utc.year))
        found = self._last = next(one for one in year if utc < one.end)
        return found

    def _offset(self, utc: datetime) -> timedelta:
        offset = utc.replace(tzinfo=UTC).astimezone(self._info).utcoffset()
        assert offset is not None
        return offset

    def _look(self, year: int) -> list[Stretch]:
        start, end = datetime(year, 1, 1), datetime(year + 1, 1, 1)
        offset, before = self._offset(start), self._offset(start - TICK)
        found: list[Stretch] = []
        day = start
        while day < end:
            if self._offset(day + _DAY) != offset:
                change = self._change(day, day + _DAY, offset)
                if change >= end:
                    break
                found.append(Stretch(start, change, offset, before))
                start, before, offset = change, offset, self._offset(change)
            day += _DAY
        return [*found, Stretch(start, end, offset, before)]

    def _change(self, early: datetime, late: datetime, offset: timedelta) -> datetime:
        """Return the second at which *offset* is no longer true."""
        while late - early > _SECOND:
            middle = early + (late - early) // _SECOND // 2 * _SECOND
            if self._offset(middle) == offset:
                early = middle
            else:
                late = middle
        return late


@lru_cache(maxsize=256)
def zone(name: str) -> Zone:
    """Return the zone of that name; everyone has the same."""
    return Zone(ZoneInfo(name))
