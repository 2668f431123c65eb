"""The project and the processes of bench_deliver: ``engine serve``, and who receives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.bench_accept import PIPELINE, SECRET
from benchmarks.receivers import make_table

PATIENCE = 120.0
HERE = Path(__file__).parent

TARGETS = {
    "table": "sql: {connection: shop, upsert: {table: sales, key: [id]}}\n  batch: {size: 100}",
    "batch": "http: {connection: peer, path: /sales}\n  batch: {size: 100}",
    "each": "http: {connection: peer, path: /sales}",
}
MAPPING = "mapping: {id: id, total: total, customer: customer.name, items: length(items)}\n"


def project(folder: Path, peer: int) -> Path:
    (folder / "pipelines").mkdir(parents=True)
    (folder / "connections").mkdir()
    for name, target in TARGETS.items():
        text = PIPELINE.replace("pipeline: sales", f"pipeline: {name}").replace("/hooks/sales", f"/{name}")
        text = text.replace("target: {console: {}}\n", f"{MAPPING}target:\n  {target}\n  key: id\n")
        (folder / "pipelines" / f"{name}.yaml").write_text(text)
    shop = f"shop: {{sql: {{url: sqlite:///{make_table(folder / 'shop.db')}}}}}"
    there = f"peer: {{http: {{base_url: http://127.0.0.1:{peer}}}}}"
    (folder / "connections" / "all.yaml").write_text(f"connections:\n  {shop}\n  {there}\n")
    (folder / "engine.yaml").write_text("engine: 1\nlisten: {port: 0}\nadmin: {port: 0}\n")
    return folder


@contextmanager
def receiver(*arguments: str) -> Iterator[int]:
    command = [sys.executable, str(HERE / "receivers.py"), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate("")


class Engine(NamedTuple):
    """A serving engine."""

    process: subprocess.Popen[bytes]
    port: int


@contextmanager
def serving(folder: Path, *more: str) -> Iterator[Engine]:
    """Serve a project until the block ends; its log goes to a file."""
    log = folder / "serve.log"
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with log.open("wb") as file:
        command = [sys.executable, str(HERE / "watched.py"), str(folder), *more]
        process = subprocess.Popen(command, env={**env, "SECRET": SECRET}, stdout=file, stderr=file)
    try:
        yield Engine(process, wait_for(lambda: _port(process, log), "engine serve"))
    finally:
        process.terminate()
        if process.wait(60):
            print(f"  engine serve ended with {process.returncode}: {log.read_text()[-2000:]}")


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    if process.poll() is not None:
        raise SystemExit(f"engine serve ended: {log.read_text()[-2000:]}")
    found = re.search(r"webhooks http://[^ ]+:(\d+) ", log.read_text())
    return int(found[1]) if found else 0


def wait_for(condition: Callable[[], Any], what: str, pause: float = 0.02) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not after {PATIENCE:g} s")
        time.sleep(pause)
    return found


def memory(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
