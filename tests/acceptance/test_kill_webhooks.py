"""kill -9 under load: what was answered 2xx arrives, once in effect; the control, which answers early, loses some."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from .served import ENGINE, Served
from .webhook_load import SECRET

KILLS = int(os.environ.get("WEBHOOK_KILLS", "10"))
ACCEPTED = int(os.environ.get("WEBHOOK_ACCEPTED", "0"))
"""At least so many have to be accepted in all."""
CONNECTIONS = 32
BATCH = 100
ONE_KILL = 3 * BATCH
"""The write in flight, and the writes taken since the last commit."""
LOAD = str(Path(__file__).with_name("webhook_load.py"))
EARLY = (sys.executable, str(Path(__file__).with_name("accepting_early.py")))

PIPELINE = """
pipeline: events
triggers:
  - webhook:
      path: /events
      auth: [{hmac: {header: X-Signature, secret: "${secret:hook}", prefix: "sha256="}}]
      event_id: {header: X-Event}
mapping: {id: id, value: value, amount: amount}
target:
  sql:
    connection: shop
    statements:
      - upsert: {table: events, key: [id]}
      - sql: insert into deliveries (id) values (:record.id)
  batch: {size: 100}
  key: id
"""
CONNECTION = "connections: {shop: {sql: {url: sqlite:///shop.db}}}\n"


def project(folder: Path, command=ENGINE) -> Served:
    """A project whose webhooks end in a database that also counts what came twice."""
    served = Served(folder, environ={"ENGINE_SECRET_HOOK": SECRET.decode()}, command=command)
    served.write("pipelines/events.yaml", PIPELINE)
    served.write("connections/shop.yaml", CONNECTION)
    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        shop.executescript(
            "pragma journal_mode=wal; create table events (id integer primary key, value text, amount numeric);"
            "create table deliveries (id integer)"
        )
    return served


class Load:
    """The senders, and what they were told."""

    def __init__(self, served: Served) -> None:
        self.log = served.folder / "accepted.log"
        self.log.touch()
        self.process = subprocess.Popen(
            [sys.executable, LOAD, str(served.port), "/events", str(CONNECTIONS), str(self.log), "1"],
            stdout=subprocess.PIPE,
        )

    def accepted(self) -> list[tuple[int, float]]:
        """Return what was answered 2xx so far, and when."""
        lines = self.log.read_text().splitlines()
        return [(int(event), float(at)) for event, at in (line.split() for line in lines)]

    def wait_for_more(self, seconds: float = 30.0) -> None:
        """Return when something more is accepted."""
        before, until = self.log.stat().st_size, time.monotonic() + seconds
        while self.log.stat().st_size == before:
            assert time.monotonic() < until, "nothing is accepted any more"
            time.sleep(0.002)

    def stop(self) -> str:
        """End the senders; give the statuses that were neither 2xx nor a cut connection."""
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=30)
        return said.decode().strip()


def stored(served: Served) -> dict[int, tuple[str, float]]:
    with closing(sqlite3.connect(served.folder / "shop.db")) as shop:
        return {event: (value, amount) for event, value, amount in shop.execute("select id, value, amount from events")}


def deliveries(served: Served) -> int:
    with closing(sqlite3.connect(served.folder / "shop.db")) as shop:
        return int(shop.execute("select count(*) from deliveries").fetchone()[0])


def drained(served: Served, seconds: float = 120.0) -> bool:
    """Wait until nothing waits in the lane."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        _, figures = served.ask("/metrics", admin=True)
        waiting = [
            float(line.rsplit(" ", 1)[1])
            for line in figures.splitlines()
            if line.startswith("engine_lane_entries{") and 'pipeline="events"' in line
        ]
        if not sum(waiting):
            return True
        time.sleep(1.1)
    return False


def campaign(served: Served, kills: int, accepted: int, chance: random.Random) -> tuple[Load, list[float]]:
    """Kill and start again under load; give the load and the seconds from each start to the first 2xx after it."""
    served.start()
    load = Load(served)
    load.wait_for_more()
    back = []
    each = accepted // kills if kills else 0
    for number in range(kills):
        end = time.monotonic() + chance.uniform(0.05, 1.5)
        while time.monotonic() < end or len(load.log.read_bytes().splitlines()) < each * (number + 1):
            time.sleep(0.01)
        served.kill()
        started = time.monotonic()
        served.start()
        load.wait_for_more()
        back.append(time.monotonic() - started)
    return load, back


@pytest.mark.timeout(1800)
def test_no_kill_loses_what_was_accepted(tmp_path):
    seed = int(os.environ.get("SEED", random.randrange(1_000_000)))
    print(f"seed {seed}")
    served = project(tmp_path)
    try:
        load, back = campaign(served, KILLS, ACCEPTED, random.Random(seed))
        strange = load.stop()
        assert drained(served), f"seed {seed}: work is left in the lane"
        assert served.stop() == 0
    finally:
        served.__exit__()
    accepted, found, total = load.accepted(), stored(served), deliveries(served)
    lost = [event for event, _ in accepted if event not in found]
    assert lost == [], f"seed {seed}: {len(lost)} of {len(accepted)} accepted are lost"
    wrong = [
        event for event, (value, amount) in found.items() if (value, amount) != (f"v{event % 97}", event % 1000 + 0.25)
    ]
    assert wrong == [], f"seed {seed}"
    extra = total - len(found)
    assert extra <= KILLS * ONE_KILL, f"seed {seed}: {extra} extra deliveries"
    assert strange == "", f"seed {seed}: answered with {strange}"
    print(
        f"{KILLS} kills, {len(accepted)} accepted, 0 lost, {extra} extra deliveries, "
        f"first 2xx after a start: median {sorted(back)[len(back) // 2]:.2f} s, worst {max(back):.2f} s"
    )


@pytest.mark.timeout(300)
def test_an_engine_that_answers_early_loses_what_it_accepted(tmp_path):
    """The control."""
    served = project(tmp_path, EARLY)
    try:
        load, _ = campaign(served, 3, 0, random.Random(1))
        load.stop()
        assert drained(served)
    finally:
        served.__exit__()
    found = stored(served)
    assert [event for event, _ in load.accepted() if event not in found] != []
