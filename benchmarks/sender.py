"""A process that sends signed webhooks: as fast as they are answered, or so many a second.

    python benchmarks/sender.py load PORT PATH FIRST SECONDS
    python benchmarks/sender.py pace PORT PATH FIRST SECONDS RATE

``load`` keeps 64 connections busy; it warms up, prints a line, measures, and prints a line of figures. ``pace`` prints
when each event was sent and when it was answered, in seconds of the wall clock.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bench_accept import CONNECTIONS, SECRET, ask, body, pin
from engine.http.call import Call
from engine.http.signatures import sign

WARM = 1_000
FASTEST = 12_000
"""More calls a second than any server here answers."""


def written(path: str, number: int, now: int) -> bytes:
    payload = body(number)
    call = Call("POST", path, (), {}, payload, None)
    headers = {
        "Host": "127.0.0.1",
        "User-Agent": "bench",
        "Content-Type": "application/json",
        "Content-Length": str(len(payload)),
        **sign({"preset": "standard_webhooks", "secret": SECRET}, call, now, f"evt_{number}"),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + payload


def until(end: float, made: Sequence[bytes]) -> Iterator[bytes]:
    for one in made:
        if time.perf_counter() >= end:
            return
        yield one


async def load(port: int, path: str, first: int, seconds: float) -> None:
    now = int(time.time())
    # written beforehand: the client must not be what is measured
    made = [written(path, first + number, now) for number in range(WARM + int(seconds * FASTEST))]
    await ask(port, made[:WARM])
    print(json.dumps({"warm": WARM}), flush=True)
    whole, found = await ask(port, until(time.perf_counter() + seconds, made[WARM:]))
    ordered = sorted(found)
    p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    print(json.dumps({"calls": len(ordered), "seconds": whole, "p50": p50, "p99": p99}), flush=True)
    sys.stdin.read()


async def pace(port: int, path: str, first: int, seconds: float, rate: float) -> None:
    now, free = int(time.time()), asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    made = [written(path, first + number, now) for number in range(int(seconds * rate))]
    noted: list[tuple[int, float, float]] = []

    async def send(number: int) -> None:
        reader, writer = await free.get()
        sent = time.time()
        writer.write(made[number])
        head = await reader.readuntil(b"\r\n\r\n")
        answered = time.time()
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length[15:]))
        if b" 202 " not in head:
            raise SystemExit(f"the server answered {head!r}")
        noted.append((first + number, sent, answered))
        free.put_nowait((reader, writer))

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(len(made)):
            await asyncio.sleep(begun + number / rate - time.perf_counter())
            tasks.create_task(send(number))
    while not free.empty():
        free.get_nowait()[1].close()
    print(json.dumps(noted))


def main(arguments: Sequence[str]) -> None:
    kind, port, path, first, *more = arguments
    pin("client")
    work = {"load": load, "pace": pace}[kind]
    asyncio.run(work(int(port), path, int(first), *map(float, more)))  # type: ignore[operator]


if __name__ == "__main__":
    main(sys.argv[1:])
