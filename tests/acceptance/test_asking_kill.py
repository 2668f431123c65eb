"""kill -9 in the middle of steps that ask: the next run asks and calls again for what was not settled, and no more."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.bank_hub import ENGINE
from tests.acceptance.web_peer import Call, Reply, WebPeer, serving

ORDERS = 60
BATCH = 10
PIPELINE = f"""\
pipeline: orders
source:
  sql: {{connection: shop, query: "select id from orders where id > :cursor_id order by id"}}
  cursor: {{fields: [id], initial: {{id: 0}}}}
steps:
  - lookup: {{from: {{http: {{connection: web, path: "/customers/{{{{ record.id }}}}"}}}}, into: customer}}
  - call: {{http: {{connection: web, path: /charges, json: {{id: "{{{{ record.id }}}}"}}}}, into: charge}}
target:
  sql: {{connection: shop, upsert: {{table: done, key: [id], values: {{id: "{{{{ record.id }}}}"}}}}}}
  batch: {{size: {BATCH}}}
  key: id
"""


@pytest.fixture
def web() -> Iterator[WebPeer]:
    with serving() as peer:
        yield peer


@pytest.fixture
def project(tmp_path: Path, web: WebPeer) -> Path:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
        database.execute("create table orders (id integer primary key)")
        database.execute("create table done (id integer primary key)")
        database.executemany("insert into orders values (?)", [(number,) for number in range(1, ORDERS + 1)])
    for folder, text in (
        ("pipelines", PIPELINE),
        (
            "connections",
            json.dumps(
                {"connections": {"shop": {"sql": {"url": "sqlite:///shop.db"}}, "web": {"http": {"base_url": web.url}}}}
            ),
        ),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "all.yaml").write_text(text)
    return tmp_path


def start(project: Path) -> subprocess.Popen[bytes]:
    clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    return subprocess.Popen(
        [*ENGINE, "--project", str(project), "run", "orders", "--json"],
        cwd=Path(__file__).parents[2], env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def done(project: Path) -> list[Any]:
    with closing(sqlite3.connect(project / "shop.db")) as database:
        return [number for (number,) in database.execute("select id from done order by id")]


@pytest.mark.parametrize("path", ["/customers/35", "/charges"])
def test_after_a_kill_it_asks_again_for_what_was_not_settled(project: Path, web: WebPeer, path: str) -> None:
    """Every order arrives; what is called twice is no more than three batches before the kill."""
    process: list[subprocess.Popen[bytes]] = []

    def killing(call: Call) -> Reply:
        if process and call.path == path and (call.method == "GET" or call.body["id"] == 35):
            os.kill(process[0].pid, signal.SIGKILL)
        return Reply(200, "{}")

    web.decide = killing
    process.append(start(project))
    process[0].communicate(timeout=60)
    assert process[0].returncode == -signal.SIGKILL
    before, first = done(project), len(web.calls)
    assert len(before) < 35

    web.decide = None
    again = start(project)
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err.decode()
    assert json.loads(out)["status"] == "success"
    assert done(project) == list(range(1, ORDERS + 1))
    charged = [call.body["id"] for call in web.calls if call.path == "/charges"]
    assert set(charged) == set(range(1, ORDERS + 1))
    assert len(charged) - ORDERS <= 3 * BATCH
    repeated = [call.path for call in web.calls[first:]]
    assert "/customers/35" in repeated, "what was under way is asked again"
