"""Numbers, durations and moments as people say them. Pure: the time is given."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def duration(seconds: float) -> str:
    """Say how long: ``41 ms``, ``4.2 s``, ``41 s``, ``2 min 5 s``, ``1 h 20 min``, ``3 d 4 h``."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    for unit, name, smaller, smaller_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{whole} s"


def rate(per_second: float) -> str:
    """Say how fast: ``18.4k/s``, ``950/s``, ``3.2/s``."""
    if per_second >= 999_500:
        return f"{per_second / 1_000_000:.1f}M/s"
    if per_second >= 1000:
        return f"{per_second / 1000:.1f}k/s"
    return f"{per_second:.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def count(number: int, one: str, many: str = "", written: str = "") -> str:
    """Say how many: ``1 error``, ``2 errors``; *written* is the number as it shall look."""
    return f"{written or number} {one if number == 1 else many or one + 's'}"


def moment(iso: str, zone: tzinfo | None, *, seconds: bool = False) -> str:
    """Write a stored time in *zone* (None: this machine's): ``2026-11-21 18:01``.

    Where the zone is not this machine's, its offset is written too, so that no time can be misread.
    """
    if not iso:
        return ""
    at = datetime.fromisoformat(iso)
    local = at.astimezone(zone)
    text = local.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
    return text if local.utcoffset() == at.astimezone().utcoffset() else f"{text} {_offset(local)}"


def _offset(at: datetime) -> str:
    text = at.strftime("%z")
    return text[:3] if text.endswith("00") else f"{text[:3]}:{text[3:]}"


def ago(iso: str, now: datetime) -> str:
    """Say how long ago: ``just now``, ``5 min ago``, ``3 d ago``."""
    seconds = (now - datetime.fromisoformat(iso)).total_seconds()
    if seconds < 10:
        return "just now"
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} ago"
    return f"{int(seconds)} s ago"


def position(cursor: Any) -> str:
    """Write where a cursor stands: its values in order, ``2026-11-21 18:02:11, 50000``."""
    values = cursor.values() if isinstance(cursor, dict) else cursor
    return ", ".join("null" if value is None else str(value) for value in values)


def clip(text: str, width: int, ellipsis: str = "…") -> str:
    """Keep *text* on one line and within *width*."""
    line = " ".join(text.split()) if any(mark in text for mark in "\n\r\t") else text
    return line if len(line) <= width else line[: max(width - len(ellipsis), 0)] + ellipsis
