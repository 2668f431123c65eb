"""Ten thousand timers in one process: how soon they are ready, what they cost while idle, how late they fire.

    python benchmarks/bench_schedule.py

Each round is a process of its own. The scheduler alone: it compiles the triggers of 10,000 pipelines, opens a new
SQLite store, and fires into it. The whole server: ``engine serve`` of 1,000 files with ten pipelines each (on Linux).
Exits 1 beyond a gate.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.harness import Report

TIMERS = 10_000
ROUNDS = 3
IDLE = 10.0
"""Seconds that are watched."""
ZONES = ("America/Sao_Paulo", "Europe/Berlin", "UTC", "America/New_York", "Asia/Tokyo")


def quiet(number: int) -> dict[str, str]:
    """Nothing in the next minutes; every text another one."""
    soon = datetime.now(UTC) + timedelta(hours=2 + number % 20)
    if number % 4 == 3:
        return {"cron": f"0 {soon.hour} 1 1 *"} if number % 8 == 3 else {"cron": f"{number % 60} {soon.hour} * * 2"}
    return {"cron": f"{number % 60} {soon.hour} {1 + number % 28} * *"}


def steady(number: int) -> dict[str, str]:
    """Each once a minute: 167 in every second."""
    return {"cron": f"{number % 60} * * * * *"}


def burst(number: int) -> dict[str, str]:
    """All at one moment, and no other for a minute."""
    return {"cron": f"{os.environ['BENCH_SECOND']} * * * * *"}


SCENES = {"quiet": quiet, "steady": steady, "burst": burst}


PIPELINE = """\
pipeline: orders-{number}
for_each:
  key: shop
  items: [{items}]
triggers:
  - {{id: nightly, cron: "{cron}"}}
source: {{inline: {{rows: [{{id: 1}}]}}}}
mapping: {{id: id, shop: {{$const: "${{each.shop}}"}}}}
target: {{console: {{}}}}
"""


def project(folder: Path) -> None:
    (folder / "pipelines").mkdir()
    (folder / "engine.yaml").write_text("engine: 1\nlisten: {port: 0}\nadmin: {port: 0}\n")
    items = ", ".join(f"{{shop: s{item}}}" for item in range(10))
    for number in range(TIMERS // 10):
        text = PIPELINE.format(number=number, items=items, cron=quiet(number)["cron"])
        (folder / "pipelines" / f"orders-{number}.yaml").write_text(text)


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve() -> dict[str, Any]:
    """The whole server: until it says that it serves, and then its idle share."""
    # as an installed package runs: its modules are compiled to bytecode once, not at each start
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as name:
        project(Path(name))
        begun = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "engine", "serve", name], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        ) as server:  # fmt: skip
            assert server.stdout is not None
            said = next((line for line in server.stdout if '"serving"' in line), None)
            ready = time.perf_counter() - begun
            if said is None:
                raise SystemExit("engine serve ended before it served")
            time.sleep(3.0)  # what it does once, after it began
            used, wall = cpu_seconds(server.pid), time.perf_counter()
            time.sleep(IDLE)
            idle = (cpu_seconds(server.pid) - used) / (time.perf_counter() - wall)
            server.terminate()
            server.stdout.read()
    return {"ready": ready, "share": idle}


async def child(scene: str, folder: Path, begun: float) -> dict[str, Any]:
    """Be the process that is measured."""
    from engine.compiler.triggers import timer_slots
    from engine.events import Fired, Told
    from engine.pipeline import TimerPlan
    from engine.service.scheduler import Scheduler
    from engine.store.sqlite import SqliteStore

    lags: list[float] = []

    def tell(told: Told) -> None:
        if isinstance(told, Fired):
            lags.append(told.lag)

    plans = [
        TimerPlan(
            "t",
            timer_slots(SCENES[scene](number), ZONES[number % 5] if scene == "quiet" else "UTC", {}).next_after,
            pipeline=f"orders-{number}",
        )
        for number in range(TIMERS)
    ]
    async with AsyncExitStack() as stack:
        store = SqliteStore(folder / "engine.db")
        await store.open(stack, "bench")
        scheduler = Scheduler(store, tell, paused=lambda name: False)
        await scheduler.open(stack)
        scheduler.replace(plans)
        await scheduler.look()
        ready = time.time() - begun
        worst = 0.0

        async def others() -> None:
            """How long the loop is not there for anybody else."""
            nonlocal worst
            while True:
                last = time.perf_counter()
                await asyncio.sleep(0.005)
                worst = max(worst, time.perf_counter() - last - 0.005)

        cpu, wall = time.process_time(), time.perf_counter()
        work = asyncio.create_task(scheduler.work())
        watch = asyncio.create_task(others()) if scene != "quiet" else None
        await asyncio.sleep(IDLE)
        share = (time.process_time() - cpu) / (time.perf_counter() - wall)
        for task in (work, watch):
            if task is not None:
                task.cancel()
        await asyncio.gather(*(one for one in (work, watch) if one), return_exceptions=True)
    lags.sort()
    return {"ready": ready, "share": share, "fired": len(lags), "worst": worst, "lag": lags[-1] if lags else 0.0}


def round_of(scene: str) -> dict[str, Any]:
    second = (int(time.time()) + 6) % 60
    with tempfile.TemporaryDirectory() as name:
        done = subprocess.run(
            [sys.executable, __file__, scene, name, repr(time.time())],
            env={**os.environ, "BENCH_SECOND": str(second)}, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def share(report: Report, name: str, rounds: list[float], target: float, gate: float) -> None:
    value = statistics.median(rounds)
    verdict = "target met" if value <= target else "within the gate, short of the target"
    if value > gate:
        verdict = "BEYOND THE GATE"
        report.failed.append(name)
    print(f"  {name:<46} {value:>9.2%}     target ≤ {target:.0%}, gate ≤ {gate:.0%}   {verdict}")


def main() -> int:
    report = Report("10,000 timers")
    found: dict[str, list[dict[str, Any]]] = {scene: [] for scene in SCENES}
    served = []
    for _ in range(ROUNDS):
        for scene, rounds in found.items():
            rounds.append(round_of(scene))
        if sys.platform == "linux":
            served.append(serve())
    every = [one for rounds in found.values() for one in rounds]
    report.seconds("scheduler: from nothing to ready", [one["ready"] for one in every], 2.0, 5.0)
    share(report, "scheduler: CPU while nothing is due", [one["share"] for one in found["quiet"]], 0.02, 0.05)
    for scene, words in (("steady", "167 firings a second"), ("burst", "10,000 firings at one moment")):
        rounds = found[scene]
        fired = statistics.median(one["fired"] for one in rounds)
        report.seconds(f"{words}: the latest", [one["lag"] for one in rounds], 1.0, 2.0)
        report.seconds(f"{words}: the loop is blocked", [one["worst"] for one in rounds], 0.05, 0.25)
        print(
            f"  {words + ': fired':<46} {fired:>9.0f}     and CPU {statistics.median(r['share'] for r in rounds):.1%}"
        )
        if not fired:
            report.failed.append(f"{words}: nothing fired")
    if served:
        report.seconds("engine serve, 1,000 files: serves", [one["ready"] for one in served], 10.0, 20.0)
        share(report, "engine serve: CPU while nothing is due", [one["share"] for one in served], 0.02, 0.05)
    return report.finish()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(asyncio.run(child(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))))
        sys.exit(0)
    sys.exit(main())
