"""kill -9 between the target's answer and the settlement: sent once more, with the same key; nothing is skipped."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .served import ENGINE
from .serving import Project, instead
from .web_peer import Call, Reply, WebPeer

DYING = instead("dying_before_settling.py")
HASTY = instead("settling_before_writing.py")
BATCH = 5
MOST_AGAIN = 3
"""The write in flight, and the writes taken since the last commit."""

HOOK = """\
pipeline: events
triggers: [{{webhook: {{path: /events, auth: none, event_id: {{value: id}}}}}}]
mapping: {{id: id, value: value}}
target:
  http: {{url: "{url}/events", idempotency: {{header: Idempotency-Key}}}}
  key: id
"""
ORDERS = """\
pipeline: orders
triggers: [{{id: often, every: 1s}}]
source:
  sql:
    connection: shop
    query: select id, changed from orders where (changed, id) > (:cursor_changed, :cursor_id) order by changed, id
  cursor: {{fields: [changed, id], initial: {{changed: "", id: 0}}}}
mapping: {{$copy: [id, changed]}}
target:
  http: {{url: "{url}/orders"}}
  batch: {{size: {batch}}}
  key: id
"""
SHOP = "connections: {shop: {sql: {url: sqlite:///shop.db}}}\n"


def dying(folder: Path, lane: str, at: int = 1) -> Project:
    """A project whose engine dies once, just before the settlement number *at* of *lane*."""
    environ = {"DIE_LANE": lane, "DIE_AT": str(at), "DIE_FILE": str(folder / "died")}
    return Project(folder, environ=environ, command=DYING)


def begin_again(project: Project) -> None:
    """Wait for the death, and start what comes after it."""
    assert project.ended() == -signal.SIGKILL
    project.command = ENGINE
    project.start()
    project.ready()


def keys(peer: WebPeer) -> list[str]:
    return [call.headers["Idempotency-Key"] for call in peer.calls]


def test_a_webhook_is_sent_once_more_under_the_same_key(tmp_path: Path, web_peer: WebPeer) -> None:
    project = dying(tmp_path, "events/in/0")
    project.write("pipelines/events.yaml", HOOK.format(url=web_peer.url))
    with project:
        assert project.call("/events", {"id": 7, "value": "a"}).status == 202
        begin_again(project)
        assert project.call("/events", {"id": 7, "value": "a"}).status == 200, "the event is known after the death"
        assert project.call("/events", {"id": 8, "value": "b"}).status == 202
        project.until(lambda: len(web_peer.calls) == 3)
        project.until(lambda: project.waiting("events/in/0") == 0, "the end")
        assert project.stop() == 0
    assert [call.body["id"] for call in web_peer.calls] == [7, 7, 8]
    first, second, other = keys(web_peer)
    assert first == second != other


def test_without_a_death_nothing_is_sent_again(tmp_path: Path, web_peer: WebPeer) -> None:
    """The control: it is the death that makes the second delivery, and a restart alone does not."""
    project = Project(tmp_path)
    project.write("pipelines/events.yaml", HOOK.format(url=web_peer.url))
    with project:
        assert project.call("/events", {"id": 7, "value": "a"}).status == 202
        project.until(lambda: web_peer.calls and project.waiting("events/in/0") == 0)
        project.kill()
        project.start()
        project.ready()
        assert project.call("/events", {"id": 8, "value": "b"}).status == 202
        project.until(lambda: len(web_peer.calls) > 1)
    assert [call.body["id"] for call in web_peer.calls] == [7, 8]


@pytest.mark.parametrize(("command", "arrives"), [(ENGINE, 2), (HASTY, 1)], ids=["engine", "control"])
def test_a_death_before_the_answer_sends_it_again(
    tmp_path: Path, web_peer: WebPeer, command: Any, arrives: int
) -> None:
    """The control settles before it writes: what was under way never comes again."""
    web_peer.replies = [Reply(-1)]
    project = Project(tmp_path, command=command)
    project.write("pipelines/events.yaml", HOOK.format(url=web_peer.url))
    with project:
        assert project.call("/events", {"id": 7, "value": "a"}).status == 202
        project.until(lambda: web_peer.calls)
        project.kill()
        web_peer.replies = [Reply()]
        project.start()
        project.ready()
        assert project.call("/events", {"id": 8, "value": "b"}).status == 202
        project.until(lambda: [call for call in web_peer.calls if call.body["id"] == 8])
        project.until(lambda: project.waiting("events/in/0") == 0)
    assert [call.body["id"] for call in web_peer.calls] == [7] * arrives + [8]
    assert len(set(keys(web_peer))) == 2


def shop(folder: Path, rows: int) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as made, made:
        made.execute("create table if not exists orders (id integer primary key, changed text)")
        made.executemany(
            "insert into orders values (?, ?)", [(number, f"2026-01-{number % 3 + 1:02}") for number in range(rows)]
        )


def sent(calls: list[Call]) -> list[tuple[int, ...]]:
    return [tuple(record["id"] for record in call.body) for call in calls]


@pytest.mark.parametrize(("rows", "at"), [(BATCH, 1), (6 * BATCH, 3)], ids=["one batch", "several"])
def test_a_cursor_does_not_pass_what_was_not_settled(tmp_path: Path, web_peer: WebPeer, rows: int, at: int) -> None:
    shop(tmp_path, rows)
    project = dying(tmp_path, "orders/cursor", at)
    project.write("connections/shop.yaml", SHOP)
    project.write("pipelines/orders.yaml", ORDERS.format(url=web_peer.url, batch=BATCH))
    try:
        project.start()
        begin_again(project)
        done = len(web_peer.calls)
        with closing(sqlite3.connect(tmp_path / "shop.db")) as made, made:
            made.execute("insert into orders values (1000, '2027')")
        project.until(lambda: (1000,) in sent(web_peer.calls))
        project.until(lambda: project.figure("engine_runs_total", pipeline="orders", status="success") > 1)
        assert project.stop() == 0
    finally:
        project.__exit__()
    batches = sent(web_peer.calls)
    wanted = sorted(range(rows), key=lambda number: (number % 3, number))
    whole = [tuple(wanted[start : start + BATCH]) for start in range(0, rows, BATCH)]
    again = [batch for batch in batches if batches.count(batch) > 1]
    assert list(dict.fromkeys(batches)) == [*whole, (1000,)], "nothing is skipped, and all in order"
    if rows == BATCH:
        assert batches == [whole[0], whole[0], (1000,)]
    assert 2 <= len(again) <= 2 * MOST_AGAIN
    assert all(batches.count(batch) <= 2 for batch in batches)
    assert done
    statuses = [run["status"] for run in project.runs()]
    assert statuses[0] == "interrupted"
    assert set(statuses[1:]) == {"success"}
