"""Durable acceptance against bare aiohttp: a signed webhook, checked by a schema, 202 once it is on disk.

    python benchmarks/bench_accept.py [FOLDER]
    python benchmarks/bench_accept.py profile [FOLDER]      where the time goes, by function

64 keep-alive connections, closed loop. Each server and the client are processes of their own, pinned apart on 4 cores
or more; both servers live through all rounds and only one is asked at a time. Bare aiohttp reads the body and answers
202. The engine verifies Standard Webhooks, parses, checks, appends to SQLite, and answers after the commit. FOLDER is
where the store is made (a temporary one by default); its disk decides the figures. Exits 1 below a gate.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aiohttp import web

from benchmarks.harness import Report, Timing
from engine.compiler.webhooks import compile_clients, compile_webhooks
from engine.definition.loader import load
from engine.http.call import Call
from engine.http.listener import Listener, ListenSettings
from engine.http.routes import Bound, Routes
from engine.http.signatures import sign
from engine.http.webhooks import Ports
from engine.runtime.memory import settle_down
from engine.store.sqlite import SqliteStore

ROUNDS = 7
CONNECTIONS = 64
CALLS = 12_000
WARM = 2_000
PATH = "/hooks/sales"
SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
CORES = sorted(os.sched_getaffinity(0))

PIPELINE = f"""\
pipeline: sales
triggers:
  - webhook:
      path: {PATH}
      auth: [{{hmac: {{preset: standard_webhooks, secret: "${{SECRET}}"}}}}]
      schema:
        type: object
        required: [id, total, items]
        properties:
          id: {{type: string}}
          total: {{type: number, minimum: 0}}
          customer: {{type: object, required: [name], properties: {{name: {{type: string}}}}}}
          items: {{type: array, items: {{type: object, required: [sku, quantity]}}}}
target: {{console: {{}}}}
"""


def body(number: int) -> bytes:
    items = [{"sku": f"SKU-{number % 97}-{line}", "quantity": line + 1, "price": 19.9} for line in range(3)]
    customer = {"name": "Padaria Estrela", "document": "12.345.678/0001-95"}
    return json.dumps({"id": f"S-{number:07d}", "total": 59.7, "customer": customer, "items": items}).encode()


def pin(part: str) -> None:
    """Keep servers on the first half of the cores and the client on the others, where there are enough."""
    if len(CORES) >= 4:
        half = len(CORES) // 2
        os.sched_setaffinity(0, CORES[:half] if part == "server" else CORES[half:])


async def open_bare(stack: AsyncExitStack, folder: Path) -> str:
    answer = b'{"accepted": 1}'

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=202, body=answer, content_type="application/json")

    app = web.Application()
    app.router.add_post(PATH, handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return str(runner.addresses[0][1])


async def open_engine(stack: AsyncExitStack, folder: Path) -> str:
    (folder / "pipelines").mkdir()
    (folder / "pipelines" / "sales.yaml").write_text(PIPELINE)
    project, problems = load(folder, environ={"SECRET": SECRET})
    if problems:
        raise SystemExit(f"the bench's own pipeline: {problems[0].message}")
    bounds = [Bound(name, plan) for name, one in project.pipelines.items() for plan in compile_webhooks(project, one)]
    store = SqliteStore(folder / "engine.db")
    await store.open(stack, "bench")
    listener = Listener(
        Ports(store, lambda told: None), Routes(bounds, compile_clients(project)), ListenSettings(port=0)
    )
    await listener.open(stack)
    settle_down()
    return listener.address.rpartition(":")[2]


SERVERS = {"bare": open_bare, "engine": open_engine}


async def serve(kind: str, folder: str) -> None:
    """Serve until the parent closes our input; the first line says the port."""
    pin("server")
    async with AsyncExitStack() as stack:
        print(await SERVERS[kind](stack, Path(folder)), flush=True)
        await asyncio.to_thread(sys.stdin.read)


def requests(turn: str) -> list[bytes]:
    """Write every request beforehand: the client must not be what is measured."""
    made, now = [], int(time.time())
    for number in range(WARM + CALLS):
        payload = body(number)
        call = Call("POST", PATH, (), {}, payload, None)
        headers = {
            "Host": "127.0.0.1",
            "User-Agent": "bench",
            "Content-Type": "application/json",
            "Content-Length": str(len(payload)),
            **sign({"preset": "standard_webhooks", "secret": SECRET}, call, now, f"evt_{turn}_{number}"),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        made.append(f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + payload)
    return made


class Caller(asyncio.Protocol):
    """One connection: sends the next request as soon as the answer is there."""

    def __init__(self, left: Iterator[bytes], seconds: list[float], end: asyncio.Future[None]) -> None:
        self._left, self._seconds, self._end = left, seconds, end
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        request = next(self._left, None)
        if request is None:
            self._transport.close()
            if not self._end.done():
                self._end.set_result(None)
            return
        self._begun = time.perf_counter()
        self._transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        # answers are shorter than a packet, and there is one at a time
        self._seconds.append(time.perf_counter() - self._begun)
        if not data.startswith(b"HTTP/1.1 202 "):
            self._end.set_exception(RuntimeError(f"the server answered {data[:300]!r}"))
            self._transport.close()
            return
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._end.done():
            self._end.set_exception(exc or RuntimeError("the server closed the connection"))


async def ask(port: int, sent: Iterable[bytes]) -> tuple[float, list[float]]:
    """Send all over 64 connections; give the seconds of the whole and of each."""
    loop = asyncio.get_running_loop()
    left, seconds = iter(sent), list[float]()
    ends = [loop.create_future() for _ in range(CONNECTIONS)]
    begun = time.perf_counter()
    for end in ends:
        await loop.create_connection(lambda end=end: Caller(left, seconds, end), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    return time.perf_counter() - begun, seconds


async def call(port: int, turn: str) -> None:
    """Warm up, measure, print a line of figures."""
    pin("client")
    made = requests(turn)
    await ask(port, made[:WARM])
    whole, seconds = await ask(port, made[WARM:])
    ordered = sorted(seconds)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(json.dumps({"each": whole / len(seconds), "p50": statistics.median(ordered), "p99": p99}))


@dataclass(frozen=True)
class Round:
    """What one client saw."""

    each: float
    p50: float
    p99: float
    busy: float
    """Seconds of the server's processors a call, all its threads: what other programs cannot take away."""


@dataclass(frozen=True)
class Server:
    """A process that serves."""

    pid: int
    port: int

    def seconds(self) -> float:
        """Give the processor time it took so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(kind: str, folder: Path) -> Iterator[Server]:
    command = [sys.executable, __file__, "serve", kind, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Server(process.pid, int(process.stdout.readline()))
        process.communicate("")


def asked(server: Server, turn: str) -> Round:
    command = [sys.executable, __file__, "call", str(server.port), turn]
    before = server.seconds()
    said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return Round(**said, busy=(server.seconds() - before) / (WARM + CALLS))


def compare(report: Report, folder: Path) -> None:
    """Ask both in turn, print what each did and the ratio."""
    rounds: dict[str, list[Round]] = {kind: [] for kind in SERVERS}
    with served("bare", folder) as bare, served("engine", folder) as engine:
        servers = {"bare": bare, "engine": engine}
        for turn in range(ROUNDS):
            for kind in sorted(SERVERS, reverse=bool(turn % 2)):
                rounds[kind].append(asked(servers[kind], f"{kind}{turn}"))
    timings = {kind: Timing(tuple(one.each for one in found)) for kind, found in rounds.items()}
    report.times(timings, "call")
    for kind, found in rounds.items():
        p50, p99, busy = (statistics.median(getattr(one, part) for one in found) for part in ("p50", "p99", "busy"))
        rest = f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, processor {busy * 1e6:.0f} µs a call"
        print(f"  {kind:<46} {1 / timings[kind].median:>10,.0f} calls a second   {rest}")
    # round by round: what else the machine does then slows both of a pair
    ratios = [bare.each / engine.each for bare, engine in zip(rounds["bare"], rounds["engine"], strict=True)]
    print(f"  {'rounds':<46} {' '.join(f'{ratio:.2f}' for ratio in ratios)}")
    report.ratio("durable webhook vs bare aiohttp", statistics.median(ratios), 0.55, 0.40)
    report.seconds("durable webhook, p99", [one.p99 for one in rounds["engine"]], 0.020, 0.040)


async def profile(folder: str) -> None:
    """Serve and ask in one process, and print which functions of the event loop's thread take the time."""
    made = requests("profile")
    async with AsyncExitStack() as stack:
        port = int(await open_engine(stack, Path(folder)))
        profiler = cProfile.Profile()
        await ask(port, made[:WARM])
        profiler.enable()
        await ask(port, made[WARM:])
        profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def main(arguments: Sequence[str]) -> int:
    """Run as the parent, or as what the parent starts."""
    if arguments[:1] == ["serve"]:
        asyncio.run(serve(*arguments[1:]))
        return 0
    if arguments[:1] == ["call"]:
        asyncio.run(call(int(arguments[1]), arguments[2]))
        return 0
    profiled = arguments[:1] == ["profile"]
    with tempfile.TemporaryDirectory(dir=next(iter(arguments[profiled:]), None)) as folder:
        if profiled:
            asyncio.run(profile(folder))
            return 0
        report = Report(f"accept: durable webhook, {CONNECTIONS} connections")
        compare(report, Path(folder))
        return report.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
