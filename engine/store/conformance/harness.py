"""What a store's author writes so that the cases can run, and what the cases are written with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from engine.store.base import DeadLetter, Entry, Lease, NewEntry, RunRow, Settlement, Store, What, Where
from engine.store.rules import stamp

LANE = "orders/in/0"
TTL = 30.0
ROOM = 1024 * 1024


class Torn(Exception):
    """Raised inside a store by ``Harness.tear``: the process stumbles in the middle of a change."""


@dataclass(slots=True)
class Clock:
    """The store's wall clock, which only moves when told."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        """Give the seconds."""
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds

    def text(self, offset: float = 0.0) -> str:
        """Write the time as stores stamp it."""
        return stamp(self.seconds + offset)


@dataclass(slots=True)
class Tear:
    """Where to stumble: before the single change number *step* of a call; *reached* tells whether it came so far."""

    step: int
    reached: bool = False

    def count(self) -> None:
        """Count one single change, and stumble once."""
        self.step -= 1
        if self.step == 0:
            self.reached = True
            raise Torn


class Harness(Protocol):
    """One store's data, empty at first, through several lives."""

    clock: Clock
    """What the store under test was given as its clock."""

    async def start(self) -> Store:
        """Open a store over the data. Call it first."""
        ...

    async def restart(self) -> Store:
        """Let the process die that has the store open, giving nothing up, and open the data anew as another one."""
        ...

    def tear(self, step: int) -> Tear:
        """Let the next call that changes something stumble before its single change number *step* (1-based)."""
        ...

    async def fill(self) -> None:
        """Leave no room for 64 KiB more."""

    async def free(self) -> None:
        """Make room again."""


def expect(actual: object, wanted: object, why: str) -> None:
    """Fail the case unless both are equal."""
    if actual != wanted:
        raise AssertionError(f"{why}: wanted {wanted!r}, got {actual!r}")


async def expect_error(awaitable: Any, kind: type[Exception], why: str) -> None:
    """Fail the case unless the call raises *kind*."""
    try:
        given = await awaitable
    except kind:
        return
    raise AssertionError(f"{why}: wanted {kind.__name__}, and it gave {given!r}")


async def lease_of(store: Store, lane: str = LANE, ttl: float = TTL) -> Lease:
    """Take one lane that must be free."""
    taken = await store.acquire(lane, 1, ttl)
    expect([lease.lane for lease in taken], [lane], "a free lane can be taken")
    return taken[0]


async def put(store: Store, *bodies: Any, lane: str = LANE) -> list[str]:
    """Append bodies to a lane; give their ids."""
    return [entry for entry, _ in await store.append([NewEntry(lane, body) for body in bodies])]


async def all_of(store: Store, lease: Lease) -> list[Entry]:
    """Fetch until nothing is left."""
    found: list[Entry] = []
    while more := await store.fetch(lease, 100, ROOM):
        found += more
    return found


async def rows(store: Store, what: What, **where: Any) -> list[Any]:
    """List rows on one page."""
    found, _ = await store.find(what, Where(**where))
    return list(found)


async def dead(store: Store, lease: Lease, *letters: DeadLetter) -> None:
    """Settle dead letters."""
    await store.settle(Settlement(f"dead-{letters[0].id}-{letters[0].message}", lease, dead=letters))


def letter(name: str, **changes: Any) -> DeadLetter:
    """Make a dead letter."""
    plain = DeadLetter(
        *(name, "orders", "run-1", "refused", "no such customer", "target", {"id": name}, "", "erp", {"no": name}),
        *(name, {"file": "a.csv"}, 3),
    )
    return plain._replace(**changes)


def run(name: str, **changes: Any) -> RunRow:
    """Make a run's row."""
    plain = RunRow(name, "orders", "running", "cron", {"full": True}, "rev-1", "2026-01-01T00:00:00.000000+00:00")
    return plain._replace(**changes)
