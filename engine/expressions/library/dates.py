"""Date functions. Dates are ISO 8601 text; those without an offset are read in the pipeline's timezone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from engine.errors import RecordError
from engine.expressions.library.base import function, shown

_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?\s?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?\Z", re.ASCII
)
_FRACTION = re.compile(r"[.,](\d+)")
_DIRECTIVES = frozenset("YmdHIMSfyjzZ%p")
_NUMERIC = _DIRECTIVES - {"Z", "p"}
_UNITS = {
    "day": "days",
    "hour": "hours",
    "minute": "minutes",
    "second": "seconds",
    "week": "weeks",
    "millisecond": "milliseconds",
}


class HasZone(Protocol):
    """The part of the settings that dates need."""

    @property
    def timezone(self) -> tzinfo:
        """Reads times without an offset."""
        ...


def read_time(value: Any, zone: tzinfo) -> datetime:
    """Read ISO text (or what a driver gave) as an aware time."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=zone)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=zone)
    text = value.strip() if isinstance(value, str) else ""
    try:
        if _DATE.match(text):
            return datetime.fromisoformat(text).replace(tzinfo=zone)
        if _TIME.match(text):
            made = datetime.fromisoformat(
                _FRACTION.sub(
                    lambda part: "." + part[1][:6].ljust(6, "0"),
                    text.replace(" +", "+").replace(" -", "-").replace(" Z", "Z").upper(),
                )
            )
            return made if made.tzinfo else made.replace(tzinfo=zone)
    except (ValueError, OverflowError):
        pass
    hint = "ISO 8601, such as 2026-12-31T23:59:00-03:00"
    raise RecordError("type", f"{shown(value)} is not a date and time ({hint})")


def read_date(value: Any, zone: tzinfo) -> date:
    """Read ISO text as a date; a time with an offset counts in *zone*."""
    if isinstance(value, str) and not _DATE.match(value.strip()) and not _TIME.match(value.strip()):
        raise RecordError("type", f"{shown(value)} is not a date (ISO 8601, such as 2026-12-31)")
    try:
        return read_time(value, zone).astimezone(zone).date()
    except OverflowError:
        raise RecordError("type", f"{shown(value)} is not a date") from None


def write_time(moment: datetime) -> str:
    """Write as ISO 8601 with offset."""
    return moment.isoformat()


@lru_cache(maxsize=256)
def check_format(pattern: str) -> str:
    """Return what is wrong with a strftime *pattern*, or nothing: only what means the same everywhere is taken."""
    used = re.findall(r"%(.?)", pattern.replace("%%", ""))
    if not used:
        return f"{shown(pattern)} has no directive such as %d, %m or %Y"
    wrong = [mark for mark in used if mark not in _NUMERIC]
    return f"%{wrong[0]} is not allowed in {shown(pattern)}; use %Y %m %d %H %M %S %f %z %y %j %I" if wrong else ""


def write_format(moment: date, pattern: str) -> str:
    """Write by a strftime *pattern*; the year always has four digits."""
    problem = check_format(pattern)
    if problem:
        raise RecordError("type", problem)
    return moment.strftime(pattern.replace("%%", "\0").replace("%Y", f"{moment.year:04d}").replace("\0", "%%"))


@function("text", "text", "text", optional=2, needs="settings")
def parse_date(settings: HasZone, text: str, pattern: str | None = None, zone: str | None = None) -> str:
    """Read a date by a pattern such as ``%d/%m/%Y``; gives a date, or with an hour a time with offset."""
    where = _zone(zone) if zone else settings.timezone
    if pattern is None:
        stripped = text.strip()
        return read_date(stripped, where).isoformat() if _DATE.match(stripped) else write_time(read_time(text, where))
    problem = check_format(pattern)
    if problem:
        raise RecordError("type", problem)
    try:
        made = datetime.strptime(text.strip(), pattern)
    except ValueError:
        raise RecordError("type", f"{shown(text)} is not a date written as {pattern}") from None
    if not any(mark in pattern for mark in ("%H", "%I")):
        return made.date().isoformat()
    return write_time(made if made.tzinfo else made.replace(tzinfo=where))


@function("text", "text", "text", optional=1, needs="settings")
def format_date(settings: HasZone, text: str, pattern: str, zone: str | None = None) -> str:
    """Write a date by a pattern such as ``%d/%m/%Y``, in a timezone when one is given."""
    moment = read_time(text, settings.timezone)
    return write_format(moment.astimezone(_zone(zone)) if zone else moment, pattern)


@function("text", "number", "text", needs="settings")
def date_add(settings: HasZone, text: str, amount: Any, unit: str) -> str:
    """Add seconds, minutes, hours, days, weeks, months or years; days and longer keep the time on the clock."""
    moment = read_time(text, settings.timezone)
    name = unit.rstrip("s") if unit != "s" else "second"
    try:
        if name in {"month", "year"}:
            made = _months(moment, _whole(amount) * (12 if name == "year" else 1))
        elif name in {"day", "week"}:
            made = moment + timedelta(**{_UNITS[name]: float(amount)})
        elif name in _UNITS:
            made = (moment.astimezone(UTC) + timedelta(**{_UNITS[name]: float(amount)})).astimezone(moment.tzinfo)
        else:
            raise RecordError(
                "type",
                f"{shown(unit)} is not a unit of time; use seconds, minutes, hours, days, weeks, months or years",
            )
    except (OverflowError, ValueError):
        raise RecordError("type", f"{shown(text)} and {shown(amount)} {unit} make no date") from None
    keep_date = _DATE.match(text.strip()) and name in {"day", "week", "month", "year"}
    return made.date().isoformat() if keep_date else write_time(made)


def _whole(amount: Any) -> int:
    if amount != int(amount):
        raise RecordError("type", f"{shown(amount)} is not a whole number of months or years")
    return int(amount)


def _months(moment: datetime, months: int) -> datetime:
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    following = datetime(year + month // 11, (month + 1) % 12 + 1, 1)
    last = (following - timedelta(days=1)).day
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


@function("text", "text", "text", optional=1, needs="settings")
def date_diff(settings: HasZone, first: str, second: str, unit: str = "days") -> int | float:
    """Count the seconds, minutes, hours or days from the first to the second."""
    seconds = (read_time(second, settings.timezone) - read_time(first, settings.timezone)).total_seconds()
    sizes = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
    size = sizes.get(unit.rstrip("s"))
    if size is None:
        raise RecordError(
            "type", f"{shown(unit)} is not a unit to count in; use seconds, minutes, hours, days or weeks"
        )
    made = seconds / size
    return int(made) if made == int(made) else made


@function("text", "text", needs="settings")
def to_timezone(settings: HasZone, text: str, zone: str) -> str:
    """Write a time in another timezone, such as ``America/Sao_Paulo`` or ``UTC``."""
    return write_time(_shifted(read_time(text, settings.timezone), _zone(zone)))


def _shifted(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError:
        raise RecordError("type", f"{shown(moment.isoformat())} is too near the end of time") from None


@function("number", "text", optional=1, needs="settings")
def from_epoch(settings: HasZone, number: Any, unit: str = "seconds") -> str:
    """Read seconds (or ``milliseconds``) since 1970 as a time in the pipeline's timezone."""
    if unit not in {"seconds", "milliseconds"}:
        raise RecordError("type", f"{shown(unit)} is not a unit of an epoch; use seconds or milliseconds")
    try:
        span = timedelta(**{unit: float(number)})
        moment = datetime(1970, 1, 1, tzinfo=UTC) + span
    except (OverflowError, ValueError):
        raise RecordError("type", f"{shown(number)} {unit} since 1970 is no date") from None
    return write_time(_shifted(moment, settings.timezone))


@function("text", "text", optional=1, needs="settings")
def to_epoch(settings: HasZone, text: str, unit: str = "seconds") -> int:
    """Count the whole seconds (or ``milliseconds``) since 1970."""
    if unit not in {"seconds", "milliseconds"}:
        raise RecordError("type", f"{shown(unit)} is not a unit of an epoch; use seconds or milliseconds")
    span = read_time(text, settings.timezone) - datetime(1970, 1, 1, tzinfo=UTC)
    return span // timedelta(**{unit: 1})


@function("text", optional=1, needs="now")
def now(moment: datetime, zone: str | None = None) -> str:
    """Give the time, the same for a whole batch."""
    return write_time(moment.astimezone(_zone(zone)) if zone else moment)


@function("text", optional=1, needs="now")
def today(moment: datetime, zone: str | None = None) -> str:
    """Give the date, the same for a whole batch."""
    return (moment.astimezone(_zone(zone)) if zone else moment).date().isoformat()


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    try:
        return UTC if name in {"UTC", "Z"} else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise RecordError("type", f"{shown(name)} is not a timezone; write it like America/Sao_Paulo") from None
