"""Group commit against one commit a request: settlements and appends of one SQLite store, 64 in flight.

    python benchmarks/bench_store.py [FOLDER]

FOLDER is where the store is made (a temporary one by default); its disk decides the figures.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.harness import Report, Timing
from engine.store.base import NewEntry, Settlement
from engine.store.sqlite import SqliteStore, writer

ROUNDS = 5
BODY = {"order": 4711, "customer": "Padaria Estrela", "note": "x" * 200}

VARIANTS = {  # name: in flight, items of a group, calls
    "one at a time": (1, 256, 600),
    "commit per request": (64, 1, 1920),
    "group commit": (64, 256, 9600),
}

Call = Callable[[SqliteStore, int, int], Awaitable[object]]
Prepare = Callable[[SqliteStore, int], Awaitable[Call]]


async def settles(store: SqliteStore, in_flight: int) -> Call:
    leases = [(await store.acquire(f"lane-{number}", 1, 1e6))[0] for number in range(in_flight)]

    async def settle(store: SqliteStore, worker: int, number: int) -> None:
        await store.settle(Settlement(f"{worker}-{number}", leases[worker], {"id": number}))

    return settle


async def appends(store: SqliteStore, in_flight: int) -> Call:
    async def append(store: SqliteStore, worker: int, number: int) -> object:
        return await store.append([NewEntry(f"hook/in/{worker % 8}", BODY, f"{worker}-{number}")])

    return append


async def seconds(prepare: Prepare, folder: Path, name: str) -> float:
    """Time one call of one variant on a fresh store."""
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
        return (time.perf_counter() - started) / calls


def compare(report: Report, what: str, prepare: Prepare, folder: str | None) -> None:
    """Measure the variants in turn, and print them."""
    found: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name, rounds in found.items():
            with tempfile.TemporaryDirectory(dir=folder) as fresh:
                rounds.append(asyncio.run(seconds(prepare, Path(fresh), name)))
    timings = {name: Timing(tuple(rounds)) for name, rounds in found.items()}
    report.times(timings, what)
    per_second = ", ".join(f"{name} {1 / timing.median:,.0f}/s" for name, timing in timings.items())
    print(f"  {per_second}")
    ratio = timings["commit per request"].median / timings["group commit"].median
    report.ratio(f"group commit vs commit per request, {what}", ratio, 4.5, 3)


def main() -> int:
    """Measure both calls."""
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    report = Report("store: group commit, 64 in flight")
    compare(report, "settlement", settles, folder)
    compare(report, "append", appends, folder)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
