"""Accept and deliver by ``engine serve``: signed webhooks in, a SQLite table or an HTTP peer out; and its latency.

    python benchmarks/bench_deliver.py [FOLDER]
    python benchmarks/bench_deliver.py memory [SECONDS]     the server's memory under full load

64 keep-alive connections, closed loop, against the whole server as people start it. Accepted means signature and schema
checked and on disk; delivered is counted at the destination: rows of the table, records the peer was sent. Three
pipelines: a table by writes of 100 with a key, the peer by requests of 100, the peer by a request a record. Bare
aiohttp does what a script would: each body to the same kind of table with a commit a request, or one POST a request,
and then answers; it has no signature, no schema and no inbox. Client and peer are pinned apart from the servers on 4
cores or more. FOLDER is where the stores are made; its disk decides the figures. Reported, without gates.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.arrivals import Arrivals, Destination, peer, table
from benchmarks.bench_accept import CONNECTIONS, pin
from benchmarks.harness import Report
from benchmarks.receivers import make_table
from benchmarks.served import TARGETS, Engine, memory, project, receiver, serving, wait_for

ROUNDS = 5
SECONDS = 3.0
RATE, PACED = 200, 5.0
"""Events a second for the latency, and for how long."""
HERE = Path(__file__).parent

NAMES = {
    "table": "engine → SQLite, writes of 100",
    "batch": "engine → HTTP, requests of 100",
    "each": "engine → HTTP, a request a record",
    "bare table": "bare aiohttp → SQLite, a commit a request",
    "bare each": "bare aiohttp → HTTP, a request a record",
}


class Lane(NamedTuple):
    """One way from a client to a destination."""

    port: int
    path: str
    to: Destination


@dataclass(frozen=True)
class Round:
    """What one turn of load came to."""

    accepted: float
    """Calls a second."""
    delivered: float
    """Records a second at the destination, while the load was on."""
    drained: float
    """Seconds from the last answer to the last record."""
    both: float
    """Records a second, from the first call to the last record."""
    p50: float
    p99: float


class Turns:
    """Runs load, with numbers of events that are never used twice."""

    def __init__(self) -> None:
        self.next = 0

    def sender(self, kind: str, lane: Lane, *more: float) -> subprocess.Popen[str]:
        first, self.next = self.next, self.next + 1_000_000
        command = [
            sys.executable,
            str(HERE / "sender.py"),
            kind,
            str(lane.port),
            lane.path,
            str(first),
            *map(str, more),
        ]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def load(self, lane: Lane, seconds: float, begun: Callable[[], None] = lambda: None) -> Round:
        before = lane.to.count()
        with self.sender("load", lane, seconds) as sender:
            assert sender.stdout is not None
            warm = json.loads(sender.stdout.readline())["warm"]
            begun()
            first, begin = lane.to.count(), time.perf_counter()
            said = json.loads(sender.stdout.readline() or "{}")
            last, end = lane.to.count(), time.perf_counter()
            if not said:
                raise SystemExit(f"{lane.path}: the client ended")
            total = before + warm + said["calls"]
            wait_for(lambda: lane.to.count() >= total, f"{lane.path}: all records at the destination", 0.005)
            whole = time.perf_counter()
            sender.communicate("")
        rate = (last - first) / (end - begin)
        calls = said["calls"] / said["seconds"]
        return Round(calls, rate, whole - end, (total - first) / (whole - begin), said["p50"], said["p99"])

    def pace(self, lane: Lane, watch: Path | None) -> tuple[list[float], list[float]]:
        """Seconds from sent to accepted, and from accepted to arrived, of each event at a modest rate."""
        before = lane.to.count()
        arrivals = Arrivals(watch) if watch else None
        noted = json.loads(self.sender("pace", lane, PACED, RATE).communicate("")[0])
        wait_for(lambda: lane.to.count() >= before + len(noted), f"{lane.path}: all records at the destination")
        if arrivals is not None:
            time.sleep(0.05)
            arrivals.stopped.set()
            arrivals.join()
        when = dict(arrivals.found if arrivals is not None else lane.to.times(before))
        accepted = [answered - sent for _, sent, answered in noted]
        arrived = [max(0.0, when[f"S-{number:07d}"] - answered) for number, _, answered in noted]
        return accepted, arrived


def show(rounds: dict[str, list[Round]]) -> None:
    head = f"{'a second, while the load is on':<42} {'accepted':>9} {'arrived':>9}"
    print(f"  {head} {'':<5} {'drained after':>13}   accepting")
    for kind, found in rounds.items():
        accepted, delivered, drained, p50, p99 = (
            statistics.median(getattr(one, part) for one in found)
            for part in ("accepted", "delivered", "drained", "p50", "p99")
        )
        rates = [one.delivered for one in found]
        spread = f"±{(max(rates) - min(rates)) / statistics.median(rates) / 2:.0%}"
        print(
            f"  {NAMES[kind]:<42} {accepted:>9,.0f} {delivered:>9,.0f} {spread:<5} {drained:>11.1f} s"
            f"   p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms"
        )


def ratios(rounds: dict[str, list[Round]]) -> None:
    """Compare round by round: what else the machine does then slows both of a pair."""
    for kind, baseline in (("table", "bare table"), ("batch", "bare each"), ("each", "bare each")):
        pairs = list(zip(rounds[kind], rounds[baseline], strict=True))
        while_on = statistics.median(one.delivered / other.delivered for one, other in pairs)
        drained = statistics.median(one.both / other.both for one, other in pairs)
        pair = f"{NAMES[kind]:<35} vs {NAMES[baseline]:<42}"
        print(f"  {pair} {while_on:.2f} × under load, {drained:.2f} × until all is there")


def p(values: Sequence[float], part: float) -> str:
    return f"{sorted(values)[min(len(values) - 1, int(len(values) * part))] * 1e3:.1f}"


def lanes(engine: Engine, shop: Path, there: int) -> dict[str, Lane]:
    ends = {"table": table(shop), "batch": peer(there), "each": peer(there)}
    return {kind: Lane(engine.port, f"/{kind}", to) for kind, to in ends.items()}


def where(found: dict[str, Any], name: str) -> None:
    """Print what the threads of the server were at."""

    def line(shares: dict[str, float], least: float) -> str:
        most = sorted((part, what) for what, part in shares.items() if part >= least)
        return " · ".join(f"{what} {part:.0%}" for part, what in reversed(most))

    print(f"  where the time goes, {name} (shares of the time under load)")
    print(f"    CPU of each thread    {line(found['cpu'], 0.005)}")
    print(f"    the event loop        {line(found['loop'], 0.01)}")
    print(f"    the store's writer    {line(found['store'], 0.01)}")


def compare(folder: Path) -> None:
    turns = Turns()
    with ExitStack() as stack:
        there = stack.enter_context(receiver("peer"))
        served, shop = project(folder / "served", there), folder / "served" / "shop.db"
        bare_table = make_table(folder / "bare.db")
        bare = stack.enter_context(receiver("bare", str(bare_table), f"http://127.0.0.1:{there}/sales"))
        with serving(served) as engine:
            ways = lanes(engine, shop, there) | {
                "bare table": Lane(bare, "/table", table(bare_table)),
                "bare each": Lane(bare, "/each", peer(there)),
            }
            rounds: dict[str, list[Round]] = {kind: [] for kind in ways}
            for turn in range(ROUNDS):
                for kind in ways if turn % 2 == 0 else reversed(ways):
                    rounds[kind].append(turns.load(ways[kind], SECONDS))
            show(rounds)
            ratios(rounds)
            for kind in TARGETS:
                accepted, arrived = turns.pace(ways[kind], shop if kind == "table" else None)
                print(
                    f"  {NAMES[kind] + f', {RATE} a second':<50} accepted in p50 {p(accepted, 0.5)} ms, "
                    f"p99 {p(accepted, 0.99)}; there p50 {p(arrived, 0.5)} ms, p99 {p(arrived, 0.99)} later"
                )
            print(f"  {'memory of the server after all rounds':<42} {memory(engine.process.pid):.0f} MB")
        with serving(served, "watched") as engine:
            for kind, lane in lanes(engine, shop, there).items():
                watched(turns, engine, lane, served, kind)


def watched(turns: Turns, engine: Engine, lane: Lane, folder: Path, kind: str) -> None:
    file = folder / "where.json"
    ending = threading.Timer(SECONDS, lambda: engine.process.send_signal(signal.SIGUSR2))

    def begin() -> None:
        engine.process.send_signal(signal.SIGUSR1)
        ending.start()

    turns.load(lane, SECONDS, begin)
    ending.join()
    wait_for(file.exists, "the figures of the server")
    where(json.loads(file.read_text()), NAMES[kind])
    file.unlink()


def slope(folder: Path, seconds: float) -> None:
    """Show the server's memory second by second, and how it grows after the first third."""
    turns = Turns()
    with receiver("peer") as there:
        served = project(folder / "served", there)
        with serving(served) as engine:
            seen: list[float] = []
            done = threading.Event()

            def look() -> None:
                while not done.wait(1.0):
                    seen.append(memory(engine.process.pid))

            looking = threading.Thread(target=look)
            begun = memory(engine.process.pid)
            ended = turns.load(lanes(engine, served / "shop.db", there)["table"], seconds, looking.start)
            done.set()
            looking.join()
    late = seen[len(seen) // 3 :]
    grows = statistics.linear_regression(range(len(late)), late).slope * 60 if len(late) > 1 else 0.0
    print(
        f"  {ended.accepted:,.0f} accepted/s, {ended.delivered:,.0f} delivered/s, drained {ended.drained:.1f} s later"
    )
    print(f"  memory: {begun:.0f} MB before, {' '.join(f'{one:.0f}' for one in seen[:: max(1, len(seen) // 12)])} MB")
    print(f"  after the first third it grows by {grows:+.1f} MB a minute")


def main(arguments: Sequence[str]) -> int:
    pin("client")
    kind = arguments[0] if arguments[:1] == ["memory"] else ""
    rest = arguments[1:] if kind else arguments
    with tempfile.TemporaryDirectory(dir=None if kind else next(iter(rest), None)) as name:
        report = Report(f"accept and deliver, {CONNECTIONS} connections")
        if kind:
            slope(Path(name), float(next(iter(rest), 60)))
        else:
            compare(Path(name))
        return report.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
