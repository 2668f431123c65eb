"""A process that has the engine loaded and validates project folders, each in a child of its own under limits.

Reads one folder a line from stdin, writes one JSON object a line: what the child used beyond the idle process.
"""

from __future__ import annotations

import gc
import io
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

CPU_SECONDS, WALL_SECONDS, ADDRESS_SPACE = 5, 20, 2 << 30
TRIES = 3


def naive(folder: str) -> int:
    """Do what the engine must not: load with the stock loader, and walk what came."""
    import yaml

    for path in sorted(Path(folder).rglob("*.yaml")):
        json.dumps(yaml.load(path.read_bytes(), yaml.CSafeLoader))
    return 0


def engine(folder: str) -> int:
    """Run ``engine validate``."""
    from engine.cli.main import main

    return main(["--project", folder, "validate"])


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)


def _slowness() -> float:
    """Return how much slower the processor is just now than the one of the 100 ms, by a loop that took 15 ms there."""
    begin = time.process_time()
    sum(number * number % 7 for number in range(250_000))
    return max(1.0, (time.process_time() - begin) / 0.015)


def _said(work: Callable[[str], int], folder: str) -> dict[str, object]:
    out, err = io.StringIO(), io.StringIO()
    gc.collect()
    gc.freeze()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before, began = _status("VmRSS"), time.process_time()
    crash = ""
    code = -1
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = work(folder)
        except BaseException:
            crash = traceback.format_exc(limit=-6)
    used, peak = time.process_time() - began, _status("VmHWM")
    told = out.getvalue() + err.getvalue()
    return {
        "ms": used * 1000, "mb": (peak - before) / 1024,
        "slowness": _slowness(), "code": code, "crash": crash, "told": told[:200_000], "length": len(told),
    }  # fmt: skip


def measured(work: Callable[[str], int], folder: str) -> dict[str, object]:
    """Run *work* in a child under limits, and return what it said; a child that died says so."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        signal.alarm(WALL_SECONDS)
        with os.fdopen(writing, "w") as pipe:
            json.dump(_said(work, folder), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if not text:
        usage = f"the child died, status {status}"
        return {"ms": CPU_SECONDS * 1000, "slowness": 1, "mb": 0, "code": -9, "crash": usage, "told": "", "length": 0}
    return dict(json.loads(text))


def best(work: Callable[[str], int], folder: str) -> dict[str, object]:
    """Return the best of some tries: other processes of the machine only ever add."""
    tries = [measured(work, folder)]
    while len(tries) < TRIES and (tries[0]["ms"] < 3000 if isinstance(tries[0]["ms"], float) else False):
        tries.append(measured(work, folder))
    chosen = min(tries, key=lambda one: one["ms"])  # type: ignore[arg-type, return-value]
    return chosen | {"mb": min(one["mb"] for one in tries)}  # type: ignore[type-var]


def serve() -> None:
    """Warm up with the folder given, then answer."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        for folder in sys.argv[2:]:
            engine(folder)
    work = {"engine": engine, "naive": naive}[sys.argv[1]]
    for line in sys.stdin:
        print(json.dumps(best(work, line.rstrip("\n"))), flush=True)


if __name__ == "__main__":
    serve()
