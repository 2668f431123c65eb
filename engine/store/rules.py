"""What every store does alike: time stamps, entry ids, marks of pages, wake-ups, the merging of dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from engine.errors import StoreError
from engine.store.base import DeadLetter, Settlement, Where

REMEMBERED = 256
"""How many settlement ids of each lane are known: the last ones; only those can be repeated by mistake."""

KINDS = ("runs", "logs", "dead", "dead_open", "dedupe")
"""What ``purge`` removes, in this order."""

UNFINISHED = ("queued", "running", "cancelling")
"""Runs in these states are not history yet and are never purged."""


def stamp(seconds: float) -> str:
    """Write a wall clock's seconds as ISO 8601 in UTC with microseconds; such texts sort by time."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def sortable(text: str) -> str:
    """Bring a time given by people or programs to the form of ``stamp``; without an offset it is UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise StoreError(f"{text!r} is not a time; write it like 2026-01-31T08:00:00Z") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="microseconds")


def entry_id(number: int) -> str:
    """Write an entry's number so that ids sort as text."""
    return f"{number:016x}"


def entry_number(text: str) -> int:
    """Read what ``entry_id`` wrote; any other text is the number of no entry."""
    try:
        return int(text, 16) if len(text) == 16 else -1
    except ValueError:
        return -1


def page_mark(text: str | None, parts: int) -> tuple[int, ...] | None:
    """Read the ``after`` of a listing by number."""
    if text is None:
        return None
    numbers = text.split("-")
    if len(numbers) != parts or not all(number.isascii() and number.isdigit() for number in numbers):
        raise StoreError(f"{text!r} is not the end of a page; give back what the listing before this one gave")
    return tuple(map(int, numbers))


def names_a_lane(prefix: str) -> bool:
    """Tell a lane's full name from a prefix: those are empty or end with a slash."""
    return bool(prefix) and not prefix.endswith("/")


def check_move(lane: str, to: str | None) -> None:
    """Refuse to move entries to where they are, or to what names no lane."""
    if to is not None and (to == lane or not names_a_lane(to)):
        raise StoreError(f"{lane}: its entries cannot be moved to {to!r}; name another lane")


def in_use(lane: str, owner: str | None) -> StoreError:
    """Say that somebody works the lane."""
    return StoreError(f"{lane}: its entries are being worked by {owner}; stop or pause that pipeline first")


def replay_lane(pipeline: str) -> str:
    """Name the lane that replayed dead letters of *pipeline* enter."""
    return f"{pipeline}/in/replay"


def scope_of(scope: str, lane: str) -> str:
    """Give the space in which a dedupe text is unique: the lane itself where none is named."""
    return scope or f"lane:{lane}"


def moves_on(settlement: Settlement) -> bool:
    """Tell whether work was finished, as against a row of history or a log line being written."""
    return bool(settlement.checkpoint is not None or settlement.done or settlement.dead or settlement.state)


def merged(old: DeadLetter, new: DeadLetter, now: str) -> DeadLetter:
    """Give the one dead letter two are: the newest content under the first one's id, open, counted."""
    return new._replace(id=old.id, status="open", times=old.times + 1, first=old.first, last=now)


def check_kinds(older: Mapping[str, str]) -> dict[str, str]:
    """Bring the times of ``purge`` to one form; an unknown kind is an error, not a silent nothing."""
    if unknown := set(older) - set(KINDS):
        raise StoreError(f"nothing of the kind {sorted(unknown)[0]!r} is kept here; there are {', '.join(KINDS)}")
    return {kind: sortable(time) for kind, time in older.items()}


def check_amendment(where: Where, do: str) -> None:
    """Refuse what ``amend`` cannot do, and an edit that does not say of which letter."""
    if do not in ("replay", "edit", "drop"):
        raise StoreError(f"{do!r} cannot be done to dead letters; there are replay, edit and drop")
    if do == "edit" and where.id is None:
        raise StoreError("an edit changes one dead letter; say its id")


_CONCERNED = 10_000


class Wakeups:
    """Wakes who waits for entries under a prefix, also when they came between two waits."""

    def __init__(self) -> None:
        self._news: dict[str, asyncio.Event] = {}
        self._concerned: dict[str, tuple[asyncio.Event, ...]] = {}
        """Lane → whom it wakes: as long as nobody waits for a new prefix, each lane is compared with all once."""

    def tell(self, lanes: Iterable[str]) -> None:
        """Say that *lanes* got entries."""
        for lane in lanes:
            concerned = self._concerned.get(lane)
            if concerned is None:
                concerned = self._find(lane)
            for news in concerned:
                if not news.is_set():
                    news.set()

    def _find(self, lane: str) -> tuple[asyncio.Event, ...]:
        if len(self._concerned) >= _CONCERNED:
            self._concerned.clear()
        lengths = {len(prefix) for prefix in self._news}
        found = tuple(self._news[lane[:length]] for length in lengths if lane[:length] in self._news)
        self._concerned[lane] = found
        return found

    async def wait(self, prefix: str, timeout: float) -> None:
        """Return at news under *prefix* since the last wait for it, or after *timeout* seconds."""
        news = self._news.get(prefix)
        if news is None:
            news = self._news[prefix] = asyncio.Event()
            self._concerned.clear()
        try:
            async with asyncio.timeout(timeout):
                await news.wait()
        except TimeoutError:
            return
        news.clear()
