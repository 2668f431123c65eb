"""Group commit against one commit a request: settlements and appends of one SQLite store, 64 in flight.

    python benchmarks/bench_store.py [FOLDER]

FOLDER is where the store is made (a temporary one by default); its disk decides the figures. The variants take turns;
the medians, the spread and the ratios are printed. Exits 1 below the gate.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from engine.store.base import NewEntry, Settlement
from engine.store.sqlite import SqliteStore, writer

ROUNDS = 5
TARGET = 4.5
GATE = 3.0
BODY = {"order": 4711, "customer": "Padaria Estrela", "note": "x" * 200}

VARIANTS = {  # name: in flight, items of a group, calls
    "one at a time": (1, 256, 600),
    "commit per request": (64, 1, 1920),
    "group commit": (64, 256, 9600),
}

Call = Callable[[SqliteStore, int, int], Awaitable[object]]


async def settles(store: SqliteStore, in_flight: int) -> Call:
    leases = [(await store.acquire(f"lane-{number}", 1, 1e6))[0] for number in range(in_flight)]

    async def settle(store: SqliteStore, worker: int, number: int) -> None:
        await store.settle(Settlement(f"{worker}-{number}", leases[worker], {"id": number}))

    return settle


async def appends(store: SqliteStore, in_flight: int) -> Call:
    async def append(store: SqliteStore, worker: int, number: int) -> object:
        return await store.append([NewEntry(f"hook/in/{worker % 8}", BODY, f"{worker}-{number}")])

    return append


async def rate(prepare: Callable[[SqliteStore, int], Awaitable[Call]], folder: Path, name: str) -> float:
    """Calls per second of one variant on a fresh store."""
    in_flight, writer._GROUP_ITEMS, calls = VARIANTS[name]
    async with AsyncExitStack() as stack:
        store = SqliteStore(folder / "engine.db", reserve=0)
        await store.open(stack, "bench")
        call = await prepare(store, in_flight)

        async def work(worker: int) -> None:
            for number in range(calls // in_flight):
                await call(store, worker, number)

        started = time.perf_counter()
        await asyncio.gather(*map(work, range(in_flight)))
        return calls / (time.perf_counter() - started)


def measure(what: str, prepare: Callable[[SqliteStore, int], Awaitable[Call]], folder: str | None) -> float:
    """Print the variants of one call; give group commit over commit per request."""
    rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name, found in rates.items():
            with tempfile.TemporaryDirectory(dir=folder) as fresh:
                found.append(asyncio.run(rate(prepare, Path(fresh), name)))
    print(f"{what}/s, median of {ROUNDS} rounds (lowest to highest)")
    for name, found in rates.items():
        print(f"  {name:<20}{statistics.median(found):>8,.0f}   ({min(found):,.0f} to {max(found):,.0f})")
    ratio = statistics.median(rates["group commit"]) / statistics.median(rates["commit per request"])
    verdict = "ok" if ratio >= TARGET else "below target" if ratio >= GATE else "BELOW GATE"
    print(f"  group commit / commit per request: {ratio:.1f}   target {TARGET}, gate {GATE:g}: {verdict}\n")
    return ratio


def main() -> int:
    """Measure both; 1 below the gate on a machine the gates hold for."""
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    ratios = [measure("settlements", settles, folder), measure("appends", appends, folder)]
    return int(min(ratios) < GATE and (os.cpu_count() or 1) >= 4)


if __name__ == "__main__":
    sys.exit(main())
