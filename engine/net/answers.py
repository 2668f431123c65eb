"""What an HTTP status says became of a request: a table as pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from engine.errors import ConnectorError, Misconfigured, Rejected, Transient

_TRANSIENT = frozenset({408, 425, 429})
_MISCONFIGURED = frozenset({401, 403, 405, 407, 501, 505})
_GONE = frozenset({404, 410})
_HINTS = {
    401: "it does not accept the credentials; look at `auth` of the connection",
    403: "the credentials are not allowed to do this",
    404: "nothing is there; look at `base_url` and `path`",
    405: "it does not take this method here; look at `method` and `path`",
    407: "the proxy wants a user name and password",
    410: "it is gone; look at `base_url` and `path`",
}


def judge(
    status: int, headers: Mapping[str, str], what: str, *, path_from_record: bool = False
) -> ConnectorError | None:
    """Return what an answer means, None for taken; *what* begins the message: ``crm: POST /orders answered 422``."""
    if 200 <= status < 300:
        return None
    if status in _GONE and not path_from_record:
        return Misconfigured(f"{what}: {_HINTS[status]}")
    if status in _MISCONFIGURED:
        hint = _HINTS.get(status)
        return Misconfigured(f"{what}: {hint}" if hint else what)
    if status < 400:
        where = headers.get("Location", "")
        return Misconfigured(f"{what}: it sends callers on to {where or 'nowhere'}; write the address it means")
    if status in _TRANSIENT or status >= 500:
        return Transient(what, retry_after(headers))
    return Rejected(what)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds an answer asks to wait, None where it does not say.

    A date is read against the answer's own ``Date``, so the two clocks need not agree; without one against *now*.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = _date(text)
    if until is None:
        return None
    answered = _date(headers.get("Date", "")) or now or datetime.now(UTC)
    return max(0.0, (until - answered).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
