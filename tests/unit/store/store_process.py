"""A process with a SQLite store, to be killed, locked out and starved: COMMAND FILE [WORD]."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.store.base import Lease, NewEntry, Settlement
from engine.store.conformance import settling
from engine.store.sqlite import SqliteStore, connect

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
}

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
