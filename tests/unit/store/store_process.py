"""A process with a SQLite store, to be killed, locked out and starved: COMMAND FILE [WORD]."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.store.base import Lease, NewEntry, Settlement
from engine.store.conformance import settling
from engine.store.sqlite import SqliteStore, connect
from engine.store.sqlite import settle as settle_of_store

LANES = 8
TTL = 600.0


def say(*words: object) -> None:
    """Write one line at once; what is written survives the process."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def work(store: SqliteStore, lease: Lease, too_early: bool) -> None:
    """Settle for ever: finish the entry before, append the next, move the checkpoint; say each that is settled."""
    number = ((await store.load(lease)).checkpoint or {"n": 0})["n"]
    while True:
        number += 1
        done = [entry.id for entry in await store.fetch(lease, 10, 10_000)]
        settlement = Settlement(
            f"{lease.lane}-{number}-{lease.token}",
            lease,
            {"n": number},
            {"n": str(number).encode()},
            done,
            append=[NewEntry(lease.lane, number)],
        )
        if too_early:
            say(lease.lane, number)
        await store.settle(settlement)
        if not too_early:
            say(lease.lane, number)


async def settle(store: SqliteStore, word: str) -> None:
    leases = [(await store.acquire(f"work/{number}", 1, TTL))[0] for number in range(LANES)]
    await asyncio.gather(*(work(store, lease, word == "too-early") for lease in leases))


async def hold(store: SqliteStore, word: str) -> None:
    say("open")
    await asyncio.to_thread(sys.stdin.read)


async def outgrow(store: SqliteStore, word: str) -> None:
    """Append until the system refuses to write, then again with all the room there is."""
    await store.append([NewEntry("a/in/0", "before")])
    wal = store.path.with_name(store.path.name + "-wal")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, limit[1]))
    for _ in range(2):
        try:
            await store.append([NewEntry("a/in/0", "x" * 10_000)])
        except EngineError as error:
            say(type(error).__name__, error)
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


async def append(store: SqliteStore, word: str) -> None:
    """Append one by one, and say how each ended."""
    for number in range(int(word)):
        try:
            await store.append([NewEntry("a/in/0", number)])
            say(number)
        except EngineError as error:
            say(number, type(error).__name__)


async def stumble(store: SqliteStore, word: str) -> None:
    """Settle something of every kind, and die before the single change number *word*."""
    lease, other, done = await settling.prepared(store)
    Dying.left = int(word)
    await store.settle(settling.everything(lease, done, other))
    say("settled")


async def pause(store: SqliteStore, word: str) -> None:
    """Be two owners: one stands still with the whole process, one takes over what ran out; say how each ended.

    *word*: the lease's seconds. The first goes on only when the second is done, as it would after a long pause.
    """
    lane = "p/in/0"
    await store.append([NewEntry(lane, 1)])
    [paused] = await store.acquire(lane, 1, float(word))
    [mine] = await store.fetch(paused, 1, 1000)
    say("holding")
    taken: Sequence[Lease] = ()
    while not taken:
        await asyncio.sleep(0.01)
        taken = await store.acquire(lane, 1, TTL)
    [theirs] = await store.fetch(taken[0], 1, 1000)
    await store.settle(
        Settlement("awake", taken[0], {"at": 2}, done=[theirs.id], append=[NewEntry("p/out/x", "awake")])
    )
    say("taken over")
    try:
        await store.settle(
            Settlement("paused", paused, {"at": 1}, done=[mine.id], append=[NewEntry("p/out/x", "late")])
        )
        say("late settled")
    except EngineError as error:
        say("late", type(error).__name__)


async def stand(store: SqliteStore, word: str) -> None:
    """Be the only owner of a lease of *word* seconds that runs out; settle when told."""
    [lease] = await store.acquire("p/in/0", 1, float(word))
    say("holding")
    await asyncio.to_thread(sys.stdin.readline)
    await store.settle(Settlement("late", lease, {"at": 1}))
    say("settled")


def without_fencing() -> None:
    """Let every owner pass that has the lane's name."""

    def advance(connection: sqlite3.Connection, written: settle_of_store.Written, at: str) -> None:
        connection.execute("UPDATE lanes SET changed = ? WHERE lane = ?", (at, written.plain.lease.lane))

    settle_of_store._advance = advance


class Dying(sqlite3.Connection):
    """Kills its process before one statement."""

    left = 0

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        self._count(sql)
        return super().execute(sql, *args)

    def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
        self._count(sql)
        return super().executemany(sql, *args)

    def _count(self, sql: str) -> None:
        if Dying.left and sql.split()[0] in ("INSERT", "UPDATE", "DELETE", "COMMIT"):
            Dying.left -= 1
            if not Dying.left:
                os.kill(os.getpid(), signal.SIGKILL)


async def main(command: str, path: str, word: str = "") -> None:
    class Store(SqliteStore):
        connection_class = Dying if command == "stumble" else sqlite3.Connection

    if command == "append-carelessly":  # what is usually advised for this kind of log
        connect._WRITER = (*connect._WRITER, "synchronous=NORMAL")

    if command == "pause-unfenced":
        without_fencing()

    async with AsyncExitStack() as stack:
        store = Store(Path(path), wait=0.0, reserve=0, min_free=0)
        await store.open(stack, f"test {command}")
        await COMMANDS[command](store, word)


COMMANDS = {
    "settle": settle,
    "hold": hold,
    "outgrow": outgrow,
    "append": append,
    "append-carelessly": append,
    "stumble": stumble,
    "pause": pause,
    "pause-unfenced": pause,
    "stand": stand,
}

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
