"""Finds rows of the store: by id or the beginning of one, by age, all pages of a listing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

import click

from engine.store.base import Page, Where

if TYPE_CHECKING:
    from engine.store.base import Store, What

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_PAGE = 500


async def rows(store: Store, what: What, where: Where, limit: int | None = None) -> AsyncIterator[Any]:
    """Yield the rows of a listing page by page, at most *limit*."""
    after, left = None, limit
    while left is None or left > 0:
        page, after = await store.find(what, where, Page(_PAGE if left is None else min(_PAGE, left), after))
        for row in page:
            yield row
        left = None if left is None else left - len(page)
        if after is None:
            return


async def by_id(store: Store, what: What, text: str, kind: str) -> Any:
    """Return the row whose id is *text*, or begins with it, or is shortened to it (``01JD…0QK7M2``).

    Raises click.UsageError where none does, or more than one.
    """
    wanted = text.strip().upper()
    for exact in dict.fromkeys((text.strip(), wanted)):
        found, _ = await store.find(what, Where(id=exact), Page(1))
        if found:
            return found[0]
    matches = []
    async for row in rows(store, what, Where()):
        if _is(row.id.upper(), wanted):
            matches.append(row)
        if len(matches) > 1:
            ids = "\n  ".join(match.id for match in matches)
            raise click.UsageError(f"more than one {kind} is called {text}; write more of it:\n  {ids}")
    if matches:
        return matches[0]
    raise click.UsageError(f"no {kind} {text}")


def _is(identity: str, wanted: str) -> bool:
    head, dots, tail = wanted.replace("...", "…").replace("..", "…").partition("…")
    return identity.startswith(head) and (not dots or identity.endswith(tail))


def since(text: str | None, now: datetime, zone: tzinfo | None = None) -> str | None:
    """Turn ``--since`` (``2h``, ``3d``, ``2026-11-21``, ``2026-11-21 18:00``) into the store's time."""
    if text is None:
        return None
    match = _AGE.fullmatch(text.strip())
    if match:
        return _stored(now - timedelta(seconds=float(match[1]) * _SECONDS[match[2]]))
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise click.UsageError(f"--since {text}: write an age (30m, 2h, 7d) or a date (2026-11-21 18:00)") from None
    return _stored(at if at.tzinfo else at.replace(tzinfo=zone) if zone else at.astimezone())


def _stored(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


async def collect(store: Store, what: What, where: Where, limit: int | None = None) -> Sequence[Any]:
    """Return the rows of a listing as a list."""
    return [row async for row in rows(store, what, where, limit)]
