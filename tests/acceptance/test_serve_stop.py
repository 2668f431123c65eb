"""SIGTERM under load: nothing more is taken, what is under way ends or is given back, and nothing is lost."""

from __future__ import annotations

import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from .served import Served
from .serving import Project
from .slow_peer import serving_slowly
from .test_kill_webhooks import Load, deliveries, stored
from .test_kill_webhooks import project as loaded
from .web_peer import Call, Reply, WebPeer

HOOK = """\
pipeline: {name}
triggers: [{{webhook: {{path: /{name}, auth: none}}}}]
mapping: {{id: id}}
target:
  http: {{url: "{url}/{name}"}}
  key: id
resilience: {{timeout: 60s, retry: {{attempts: 2, initial: 10ms, max: 100ms}}}}
"""
LONG = """\
pipeline: long
triggers: [{{id: often, every: 1s}}]
source:
  sql:
    connection: shop
    query: select id from orders where id > :cursor_id order by id
  cursor: {{fields: [id], initial: {{id: -1}}}}
mapping: {{id: id}}
target:
  http: {{url: "{url}/long"}}
  batch: {{size: 5}}
  key: id
"""
ROWS = 200


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.timeout(200)
def test_a_stop_under_load_loses_nothing(tmp_path: Path) -> None:
    """Several stops, each with senders who do not give up; the kill test has the control of how loss is seen."""
    served = loaded(tmp_path)
    codes, load = [], None
    try:
        served.start()
        load = Load(served)
        for _ in range(3):
            load.wait_for_more()
            time.sleep(0.3)  # under full load
            codes.append(served.stop())
            assert not listens(served.port)
            served.start()
        load.wait_for_more()
        strange = load.stop()
        drain(served)
        codes.append(served.stop())
    finally:
        if load is not None and load.process.poll() is None:
            load.stop()
        served.__exit__()
    found = stored(served)
    lost = [event for event, _ in load.accepted() if event not in found]
    assert lost == []
    assert codes == [0, 0, 0, 0]
    assert strange == "", "a stop is a closed port to callers, no error"
    assert deliveries(served) == len(found), "what was under way was finished: nothing came twice"


def drain(served: Served) -> None:
    """Wait until nothing waits in the lane."""
    project = Project(served.folder, port=served.port, admin=served.admin)
    project.until(lambda: project.waiting("events/in/0") == 0, "the end of the lane", 60)


@pytest.fixture
def project(tmp_path: Path, web_peer: WebPeer) -> Iterator[Project]:
    made = Project(tmp_path, settings={"drain": "20s"})
    for name in ("held", "hangs", "good"):
        made.write(f"pipelines/{name}.yaml", HOOK.format(name=name, url=web_peer.url))

    def decide(call: Call) -> Reply:
        return {"/held": Reply(503), "/hangs": Reply(-1)}.get(call.path, Reply())

    web_peer.decide = decide
    with made:
        yield made


def calls(peer: WebPeer, path: str) -> list[Call]:
    return [call for call in peer.calls if call.path == path]


def test_a_held_lane_does_not_delay_the_stop(project: Project, web_peer: WebPeer) -> None:
    for number in range(3):
        assert project.call("/held", {"id": number}).status == 202
        assert project.call("/good", {"id": number}).status == 202
    project.until(lambda: project.said("lane-held", "held"), "a held lane")
    began = time.monotonic()
    assert project.stop() == 0
    assert time.monotonic() - began < 12.0
    assert project.waiting("held/in/0") == 3, "kept"
    web_peer.decide = None
    project.start()
    project.ready()
    project.until(lambda: project.waiting("held/in/0") == 0)
    assert [call.body["id"] for call in calls(web_peer, "/held")][-3:] == [0, 1, 2]
    assert [call.body["id"] for call in calls(web_peer, "/good")] == [0, 1, 2]


def test_what_hangs_is_given_back_when_drain_is_over(tmp_path: Path, web_peer: WebPeer) -> None:
    """It ends with 0 all the same, and the work is there after the next start."""
    web_peer.replies = [Reply(-1)]
    project = Project(tmp_path, settings={"drain": "1s"})
    project.write("pipelines/hangs.yaml", HOOK.format(name="hangs", url=web_peer.url))
    with project:
        assert project.call("/hangs", {"id": 7}).status == 202
        project.until(lambda: web_peer.calls)
        began = time.monotonic()
        assert project.stop() == 0
        assert 0.9 < time.monotonic() - began < 8.0
        assert project.waiting("hangs/in/0") == 1
        web_peer.replies = [Reply()]
        project.start()
        project.ready()
        project.until(lambda: project.waiting("hangs/in/0") == 0)
    assert [call.body["id"] for call in web_peer.calls] == [7, 7]


def test_a_second_signal_does_not_wait(project: Project, web_peer: WebPeer) -> None:
    """The control is that the first one does: after a second it still waits for the call under way."""
    assert project.call("/hangs", {"id": 7}).status == 202
    project.until(lambda: web_peer.calls)
    assert project.process is not None
    project.process.send_signal(signal.SIGTERM)
    project.until(lambda: not listens(project.port), "a closed listener")
    time.sleep(1.0)
    assert project.process.poll() is None, "the first one waits"
    began = time.monotonic()
    project.process.send_signal(signal.SIGTERM)
    assert project.ended() == 143
    assert time.monotonic() - began < 12.0
    assert project.waiting("hangs/in/0") == 1


def test_a_long_run_goes_on_after_the_next_start(tmp_path: Path, web_peer: WebPeer) -> None:
    """Interrupted at the end of a batch: nothing is sent twice, and nothing is left out."""
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop, shop:
        shop.execute("create table orders (id integer primary key)")
        shop.executemany("insert into orders values (?)", [(number,) for number in range(ROWS)])

    def take(call: Call) -> Reply:
        time.sleep(0.03)
        return Reply()

    web_peer.decide = take
    project = Project(tmp_path)
    project.write("connections/shop.yaml", "connections: {shop: {sql: {url: sqlite:///shop.db}}}\n")
    project.write("pipelines/long.yaml", LONG.format(url=web_peer.url))
    with project:
        for stop in range(3):
            heard = len(web_peer.calls)
            project.until(lambda heard=heard: len(web_peer.calls) > heard + 3)
            began = time.monotonic()
            assert project.stop() == 0
            assert time.monotonic() - began < 12.0
            assert len(web_peer.calls) < ROWS / 5, stop
            project.start()
            project.ready()
        project.until(lambda: len(web_peer.calls) >= ROWS / 5)
        project.until(lambda: project.said("finished", "long")[-1]["status"] == "success")
        assert project.stop() == 0
    sent = [record["id"] for call in web_peer.calls for record in call.body]
    assert sent == list(range(ROWS))
    statuses = [run["status"] for run in project.runs()]
    assert statuses[:4] == ["interrupted", "interrupted", "interrupted", "success"]
    assert {run["trigger"] for run in project.runs()} == {"often"}


ANSWERS = """\
pipeline: answers
triggers:
  - webhook: {{path: /answers, auth: none, respond: {{with: result, body: {{n: "{{{{ records[0].id }}}}"}}}}}}
mapping: {{id: id}}
target: {{http: {{url: "{url}/answers"}}, key: id}}
"""


def test_who_waits_for_an_answer_gets_it_before_the_end(tmp_path: Path) -> None:
    """Calls that came before the signal are answered; their connections are closed after it."""
    with serving_slowly(1.0) as peer, ThreadPoolExecutor(6) as pool:
        project = Project(tmp_path)
        project.write("pipelines/answers.yaml", ANSWERS.format(url=peer.url))
        with project:
            calls = [pool.submit(project.call, "/answers", {"id": number}) for number in range(6)]
            project.until(lambda: peer.now["/answers"] == 6, "the calls")
            assert project.stop() == 0
            answers = [call.result() for call in calls]
    assert [answer.status for answer in answers] == [200] * 6
    assert [answer.json["n"] for answer in answers] == list(range(6))
    assert {answer.headers.get("Connection") for answer in answers} == {"close"}
