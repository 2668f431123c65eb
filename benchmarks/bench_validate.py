"""How long ``engine validate`` takes: 1,000 files at once, one file, and 10,000 instances of a few files.

    python benchmarks/bench_validate.py

Wall times of whole processes, start and imports included. Exits 1 below a gate.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Report

ROUNDS = 7
FILES = 1000
PIPELINE = """\
pipeline: orders-{number}
description: Orders of shop {number}
labels: {{client: shop, flow: orders}}
timezone: America/Sao_Paulo
time_limit: 30m
params: {params}
triggers:
  - {{id: incremental, cron: "0 */2 * * *"}}
source:
  sql:
    connection: shop
    query: >-
      select id, amount, description, type, category, currency, updated_at from orders
      where (updated_at, id) > (:cursor_updated_at, :cursor_id) order by updated_at, id
  cursor:
    fields: [updated_at, id]
    initial: {{updated_at: "1970-01-01 00:00:00", id: 0}}
    reset: {reset}
filters:
  - "amount != `0`"
mapping:
  $copy: [description, type]
  external_id: {{$value: id, $type: string}}
  amount: {{$value: amount, $type: decimal}}
  category: {{$value: category, $default: OUTROS}}
  label: {label}
  metadata:
    source: {{$const: shop-{number}}}
    currency: currency || 'BRL'
target:
  http:
    connection: hub
    path: /orders
  batch: {{size: 100, wait: 2s}}
  key: external_id
resilience:
  timeout: 30s
  retry: {{attempts: 3, initial: 5s, max: 60s}}
"""
CONNECTIONS = """\
connections:
  shop: {sql: {url: "sqlite:///shop.db", tables: orders.sql}}
  hub: {http: {base_url: "http://localhost:4000"}}
"""
TABLES = """\
create table orders (id integer primary key, amount numeric not null, description text not null, type text not null,
  category text, currency text, updated_at text not null);
"""
"""With them the types of all fields are known, and every expression is followed."""
TEMPLATE = {
    "params": "{full: {type: boolean, default: false}}",
    "reset": '"{{ params.full }}"',
    "label": '"{{ record.description | trim | title }}"',
}
PLAIN = {"params": "{}", "reset": "false", "label": "description"}


def project(folder: Path, count: int, texts: dict[str, str]) -> Path:
    (folder / "pipelines").mkdir(parents=True)
    (folder / "connections").mkdir()
    (folder / "connections" / "all.yaml").write_text(CONNECTIONS)
    (folder / "orders.sql").write_text(TABLES)
    for number in range(count):
        (folder / "pipelines" / f"orders-{number}.yaml").write_text(PIPELINE.format(number=number, **texts))
    return folder


def instances(folder: Path, templates: int, rows: int) -> Path:
    """Pipelines and connections with ``for_each``: as many instances as *templates* times *rows*."""
    project(folder, 0, {})
    for number in range(templates):
        lines = "".join(f"m-{row},10.0.{row // 250}.{row % 250},L{row % 7}\n" for row in range(rows))
        (folder / f"machines-{number}.csv").write_text(f"machine,host,line\n{lines}")
        each = f"for_each: {{file: machines-{number}.csv, key: machine}}"
        text = PIPELINE.format(number=number, **TEMPLATE).replace("description:", f"{each}\ndescription:", 1)
        text = text.replace("flow: orders", 'flow: "${each.line}"')
        text = text.replace("connection: hub", f"connection: hub-{number}[${{each.machine}}]")
        (folder / "pipelines" / f"orders-{number}.yaml").write_text(text)
        hub = f"connections:\n  hub-{number}:\n    {each}\n    http: {{base_url: 'http://${{each.host}}'}}\n"
        (folder / "connections" / f"hub-{number}.yaml").write_text(hub)
    return folder


def environment() -> dict[str, str]:
    # as an installed package runs: its modules are compiled to bytecode once, not at each start
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def one(folder: Path) -> float:
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "engine", "--project", str(folder), "validate"],
        env=environment(), capture_output=True, check=True,
    )  # fmt: skip
    return time.perf_counter() - begin


def main() -> int:
    report = Report("engine validate")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        variants = {
            "1,000 files with templates, whole process": (one, project(root / "many", FILES, TEMPLATE), 1.0, 2.0),
            "10,000 instances of 10 files, whole process": (one, instances(root / "each", 10, 1000), 5.0, 10.0),
            "one file without a template, whole process": (one, project(root / "plain", 1, PLAIN), 0.150, 0.300),
            "one file with templates, whole process": (one, project(root / "one", 1, TEMPLATE), 0.250, 0.400),
        }
        for run, folder, *_ in variants.values():
            run(folder)
        times: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(ROUNDS):
            for name, (run, folder, *_) in variants.items():
                times[name].append(run(folder))
    for name, (_, _, target, gate) in variants.items():
        report.seconds(name, times[name], target, gate)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
