"""A disk that is full or fails under a serving engine: callers are told, nothing accepted is lost, and it recovers."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from .serving import Project, instead
from .web_peer import Call, Reply, WebPeer

KIB = 1024
SETTINGS = {"store": {"sqlite": {"path": "disk/engine.db", "min_free": "2MiB", "reserve": "1MiB"}}}
HOOK = """\
pipeline: events
triggers: [{{webhook: {{path: /events, auth: none}}}}]
mapping: {{id: id, text: text}}
target:
  http: {{url: "{url}/"}}
  key: id
resilience: {{retry: {{attempts: 2, initial: 50ms, max: 200ms}}}}
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs rights this process has not")
    yield place
    subprocess.run(["umount", place], check=True)


class Served(Project):
    """A project whose store lies on a disk of its own."""

    @property
    def store(self) -> Path:
        return self.folder / "disk" / "engine.db"


class Senders:
    """Callers who note what was accepted and what was not."""

    def __init__(self, project: Project, many: int = 3) -> None:
        self.project, self.accepted, self.refused = project, [], []
        self._stop, self._number, self._lock = threading.Event(), 0, threading.Lock()
        self._threads = [threading.Thread(target=self._work) for _ in range(many)]
        for thread in self._threads:
            thread.start()

    accepted: list[int]
    refused: list[tuple[int, str | None]]

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                self._number += 1
                number = self._number
            with suppress(OSError):
                answer = self.project.call("/events", {"id": number, "text": "x" * 4 * KIB})
                if answer.status == 202:
                    self.accepted.append(number)
                else:
                    self.refused.append((answer.status, answer.headers.get("Retry-After")))
                    time.sleep(0.02)

    def stop(self) -> None:
        """End them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def fill(disk: Path, left: int = 0) -> Path:
    """Take the room of the disk, but for *left* bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    if left:
        with ballast.open("r+b") as file:
            file.truncate(max(0, ballast.stat().st_size - left))
    return ballast


def red(project: Project) -> Any:
    status, body = project.ask("/readyz", admin=True)
    return status == 503 and any("store: full" in reason for reason in body["reasons"])


def test_a_full_disk_refuses_callers_and_recovers_by_itself(tmp_path: Path, disk: Path, web_peer: WebPeer) -> None:
    """What was answered 202 arrives; the rest hears 503 and when to come again; with room all goes on."""
    project = Served(tmp_path, settings=SETTINGS)
    project.write("pipelines/events.yaml", HOOK.format(url=web_peer.url))
    with project:
        senders = Senders(project)
        try:
            project.until(lambda: len(senders.accepted) > 50 and not senders.refused)
            ballast = fill(disk)
            filled = time.monotonic()
            project.until(lambda: red(project), "a red /readyz")
            assert time.monotonic() - filled < 5.0
            project.until(lambda: len(senders.refused) > 20)
            accepted = len(senders.accepted)
            project.until(lambda: len(senders.refused) > 60)
            assert len(senders.accepted) == accepted, "accepted on a full disk"
            ballast.unlink()
            freed = time.monotonic()
            project.until(lambda: len(senders.accepted) > accepted + 20, "work after there was room")
            project.until(lambda: project.ask("/readyz", admin=True)[0] == 200)
            assert time.monotonic() - freed < 10.0
        finally:
            senders.stop()
        project.until(lambda: project.waiting("events/in/0") == 0, "the end of the lane")
        assert project.stop() == 0
    assert {status for status, _ in senders.refused} == {503}
    assert all(wait and int(wait) >= 1 for _, wait in senders.refused)
    arrived = {call.body["id"] for call in web_peer.calls}
    assert set(senders.accepted) - arrived == set()
    assert [len(project.said(code)) for code in ("store-full", "store")] == [1, 1]
    with closing(sqlite3.connect(project.store)) as store:
        assert store.execute("pragma integrity_check").fetchall() == [("ok",)]


def test_what_cannot_be_settled_is_not_sent(tmp_path: Path, disk: Path, web_peer: WebPeer) -> None:
    """With no reserve to give up, the target hears no more than what may run ahead of the store."""
    gate = threading.Event()

    def decide(call: Call) -> Reply:
        return Reply() if gate.is_set() or call.body["id"] < 3 else Reply(503)

    web_peer.decide = decide
    settings = {"store": {"sqlite": {"path": "disk/engine.db", "min_free": "0KiB", "reserve": "0KiB"}}}
    project = Served(tmp_path, settings=settings)
    project.write("pipelines/events.yaml", HOOK.format(url=web_peer.url))
    with project:
        for number in range(200):
            assert project.call("/events", {"id": number, "text": "x" * 4 * KIB}).status == 202
        ballast = fill(disk)
        # whatever room the file has within itself is taken, too
        number = 200
        while project.call("/events", {"id": number, "text": "x" * 16 * KIB}).status == 202:
            number += 1
        while project.call("/events", {"id": number, "text": "x"}).status == 202:
            number += 1
        gate.set()
        project.until(lambda: project.said("store-full", "events"), "a settlement that has no room")
        before = len(web_peer.calls)
        time.sleep(1.0)
        assert len(web_peer.calls) == before, "it goes on writing what it cannot settle"
        ballast.unlink()
        project.until(lambda: project.waiting("events/in/0") == 0, "the end of the lane", 90)
        assert project.stop() == 0
    taken = [call.body["id"] for call in web_peer.calls]
    assert set(range(number)) - set(taken) == set()


def test_a_disk_that_fails_ends_the_process(tmp_path: Path, web_peer: WebPeer) -> None:
    """The system refuses a write: 503, never 2xx, exit 1, and after a new start all that was accepted arrives."""
    web_peer.replies = [Reply(503)]
    project = Project(tmp_path, settings={"store": {"sqlite": {"min_free": "0KiB", "reserve": "0KiB"}}})
    project.write("pipelines/events.yaml", HOOK.format(url=web_peer.url))
    accepted, statuses = [], []
    with project:
        assert project.process is not None
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(project.process.pid, resource.RLIMIT_FSIZE, (2 * KIB * KIB, most))
        for number in range(2000):
            try:
                answer = project.call("/events", {"id": number, "text": "x" * 16 * KIB})
            except OSError:
                break
            statuses.append(answer.status)
            if answer.status != 202:
                break
            accepted.append(number)
        assert statuses[-1] == 503
        assert project.ended() == 1
        assert project.said("store-failed")
        assert "Traceback" not in project.log()
        web_peer.replies = [Reply()]
        project.start()
        project.ready()
        project.until(lambda: project.waiting("events/in/0") == 0)
        assert project.stop() == 0
    assert set(accepted) - {call.body["id"] for call in web_peer.calls if call} == set()
    with closing(sqlite3.connect(project.store)) as store:
        assert store.execute("pragma integrity_check").fetchall() == [("ok",)]


def test_an_engine_that_answers_early_loses_work_on_a_full_disk(tmp_path: Path, disk: Path, web_peer: WebPeer) -> None:
    """The control."""
    project = Served(tmp_path, settings=SETTINGS, command=instead("accepting_early.py"))
    project.write("pipelines/events.yaml", HOOK.format(url=web_peer.url))
    with project:
        ballast = fill(disk)
        accepted = [number for number in range(5) if project.call("/events", {"id": number}).status == 202]
        time.sleep(0.5)  # its writes come late
        ballast.unlink()
        assert project.call("/events", {"id": 9, "text": "last"}).status == 202
        project.until(lambda: [call for call in web_peer.calls if call.body["id"] == 9])
    assert len(accepted) == 5
    assert [call.body["id"] for call in web_peer.calls] == [9]
