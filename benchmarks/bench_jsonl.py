"""JSON lines to JSON lines by ``engine run``, against the naive queues, a hand-written loop and ``jq``; and its memory.

    python benchmarks/bench_jsonl.py [RECORDS]

Every variant reads the same file of 293-byte orders, keeps those above an amount, maps ten fields and writes a file;
what arrived is counted in that file, and the results are compared. The engine and jq are whole processes, their start
included; the naive program runs over a part of the file, because it is slow and its rate does not depend on the length.
The engine writes to a part file, syncs it and renames it, and keeps its run in a durable store; the others just write.
Exits 1 below a gate.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jmespath
import orjson

from benchmarks.bench_map import FIELDS, FILTER, Step, small
from benchmarks.harness import Report
from engine.expressions import Settings, compile_steps
from engine.pipeline import Frame

RECORDS = 500_000
NAIVE = 20_000
ROUNDS = 5

PIPELINE = f"""\
pipeline: orders
source:
  file: {{path: orders.jsonl}}
filters:
  - "{FILTER}"
mapping: {json.dumps(FIELDS)}
target:
  file: {{path: out/engine.jsonl}}
"""
JQ = """select(.total.amount > 0) | {
  external_id: .id, status: .status, amount: .total.amount, currency: (.total.currency // "BRL"),
  customer: .customer.name, email: .customer.email, city: .customer.address.city, first_sku: .items[0].sku,
  skus: [.items[].sku], paid: (.status == "PAID")}"""


def make(folder: Path, count: int) -> Path:
    (folder / "pipelines").mkdir()
    (folder / "out").mkdir()
    (folder / "pipelines" / "orders.yaml").write_text(PIPELINE)
    path = folder / "orders.jsonl"
    with path.open("wb") as file:
        for number in range(count):
            # every tenth is free of charge and is filtered out
            record = small(number)
            if number % 10 == 0:
                record["total"]["amount"] = 0
            file.write(orjson.dumps(record) + b"\n")
    return path


def engine(folder: Path) -> tuple[float, int]:
    """Seconds and peak memory in bytes of one run."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "--project", str(folder), "-q", "run", "orders"],
        env={key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"engine run ended with {process.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss * 1024


def jq(folder: Path) -> float:
    begin = time.perf_counter()
    with (folder / "out" / "jq.jsonl").open("wb") as out:
        subprocess.run(["jq", "-c", JQ, str(folder / "orders.jsonl")], stdout=out, check=True)
    return time.perf_counter() - begin


def naive(folder: Path) -> float:
    """A queue between each two stages, a ``search`` a field, a record at a time."""
    searches = {name: jmespath.compile(text) for name, text in FIELDS.items()}
    wanted = jmespath.compile(FILTER)

    async def read(out: asyncio.Queue[object]) -> None:
        with (folder / "part.jsonl").open() as file:
            for line in file:
                await out.put(json.loads(line))
        await out.put(None)

    async def keep(inbox: asyncio.Queue[object], out: asyncio.Queue[object]) -> None:
        while (record := await inbox.get()) is not None:
            if wanted.search(record):
                await out.put(record)
        await out.put(None)

    async def translate(inbox: asyncio.Queue[object], out: asyncio.Queue[object]) -> None:
        while (record := await inbox.get()) is not None:
            await out.put({name: search.search(record) for name, search in searches.items()})
        await out.put(None)

    async def write(inbox: asyncio.Queue[object]) -> None:
        with (folder / "out" / "naive.jsonl").open("w") as file:
            while (record := await inbox.get()) is not None:
                file.write(json.dumps(record) + "\n")

    async def work() -> None:
        first, second, third = (asyncio.Queue[object](100) for _ in range(3))
        await asyncio.gather(read(first), keep(first, second), translate(second, third), write(third))

    begin = time.perf_counter()
    asyncio.run(work())
    return time.perf_counter() - begin


def bare(folder: Path) -> float:
    """The engine's decoder, generated function and encoder in one loop: no engine around them, no durability."""
    steps = [Step("filter", FILTER, ("filters", 0)), Step("map", FIELDS, ("mapping",))]
    (stage,) = compile_steps(steps, Settings())
    now = datetime.now(UTC)
    frame = Frame({}, {}, {}, {}, now, UTC)
    metas: list[dict[str, object]] = [{}] * 100
    begin = time.perf_counter()
    with (folder / "orders.jsonl").open("rb") as source, (folder / "out" / "bare.jsonl").open("wb") as out:
        while lines := list(islice(source, 100)):
            records = [orjson.loads(line) for line in lines]
            made = stage.apply(records, metas[: len(records)], records, frame).records
            out.write(b"".join([orjson.dumps(record) + b"\n" for record in made]))
    return time.perf_counter() - begin


def arrived(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def same(left: Path, right: Path, count: int) -> None:
    """Compare what two programs wrote, record by record."""
    with left.open("rb") as first, right.open("rb") as second:
        for number, (one, two) in enumerate(zip(first, second, strict=False)):
            if number == count:
                return
            if orjson.loads(one) != orjson.loads(two):
                raise SystemExit(f"{left.name} and {right.name} differ in line {number + 1}")


def rates(variants: dict[str, Callable[[], float]], counts: dict[str, int]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(ROUNDS):
        order = list(variants) if turn % 2 == 0 else list(reversed(variants))
        for name in order:
            found[name].append(counts[name] / variants[name]())
    return found


def main(records: int = RECORDS) -> int:
    report = Report(f"JSON lines to JSON lines, {records:,} records")
    memory: list[int] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = make(folder, records)
        with path.open("rb") as file, (folder / "part.jsonl").open("wb") as part:
            part.writelines(line for _, line in zip(range(NAIVE), file, strict=False))

        def run() -> float:
            seconds, peak = engine(folder)
            memory.append(peak)
            return seconds

        variants: dict[str, Callable[[], float]] = {
            "engine run": run,
            "naive queues": lambda: naive(folder),
            "bare loop": lambda: bare(folder),
        }
        counts = {"engine run": records, "naive queues": NAIVE, "jq -c": records, "bare loop": records}
        if shutil.which("jq"):
            variants["jq -c"] = lambda: jq(folder)
        else:
            print("  jq could not be had: not compared")
        found = rates(variants, counts)
        expected = sum(1 for number in range(records) if number % 10)
        for program in ("engine", "jq"):
            if (folder / "out" / f"{program}.jsonl").exists() and arrived(
                folder / "out" / f"{program}.jsonl"
            ) != expected:
                raise SystemExit(f"{program}: not all records arrived")
        same(folder / "out" / "engine.jsonl", folder / "out" / "naive.jsonl", NAIVE)
        if "jq -c" in variants:
            same(folder / "out" / "engine.jsonl", folder / "out" / "jq.jsonl", NAIVE)
        small_folder = folder / "small"
        small_folder.mkdir()
        make(small_folder, records // 10)
        _, least = engine(small_folder)
    for name, values in found.items():
        spread = (max(values) - min(values)) / statistics.median(values) / 2
        print(f"  {name:<46} {statistics.median(values):>10,.0f} records/s   ±{spread:.0%}")
    medians = {name: statistics.median(values) for name, values in found.items()}
    report.ratio("engine run vs naive queues", medians["engine run"] / medians["naive queues"], 15, 8)
    if "jq -c" in medians:
        report.ratio("engine run vs jq -c", medians["engine run"] / medians["jq -c"], 4, 2.5)
        bound = medians["bare loop"] / medians["jq -c"]
        print(f"  the bound here: a bare loop over the same decoder, mapping and encoder is {bound:.2f} × jq -c")
    share = medians["engine run"] / medians["bare loop"]
    print(f"  engine run reaches {share:.0%} of the bare loop, its start and its durable run included")
    peak, low = max(memory) / 1e6, least / 1e6
    print(f"  peak memory: {peak:.0f} MB for {records:,} records, {low:.0f} MB for a tenth of them")
    report.ratio("peak memory in 150 MB", peak / 150, 1, 250 / 150, "less")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
