"""Poison among good records: kept after exactly the tries of its policy, its neighbours unharmed, sent again once."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from .serving import Project, instead
from .web_peer import Call, Reply, WebPeer

ATTEMPTS = 3
ONE = """\
pipeline: events
triggers: [{{webhook: {{path: /events, auth: none}}}}]
mapping: {{id: {{$value: id, $type: integer}}, value: value}}
target:
  http: {{url: "{url}/events"}}
  key: id
resilience: {{retry: {{attempts: 3, initial: 10ms, max: 20ms}}}}
"""
MANY = """\
pipeline: events
triggers: [{{webhook: {{path: /events, auth: none}}}}]
mapping: {{id: {{$value: id, $type: integer}}, value: value}}
target:
  http:
    url: "{url}/events"
    results: {{at: results, failed: "!ok", match: id, reason: why}}
  batch: {{size: 5, wait: 50ms}}
  key: id
resilience: {{retry: {{attempts: 3, initial: 10ms, max: 20ms}}}}
"""


@pytest.fixture
def mended() -> set[str]:
    """What the target takes by now."""
    return set()


@pytest.fixture
def peer(web_peer: WebPeer, mended: set[str]) -> WebPeer:
    """A target that refuses what is called ``refuse`` and forgets to speak of what is called ``forget``."""

    def decide(call: Call) -> Reply:
        if isinstance(call.body, dict):
            refused = call.body["value"] == "refuse" and "refuse" not in mended
            return Reply(422, '{"error": "no such customer"}') if refused else Reply()
        told = [
            {"id": one["id"], "ok": one["value"] != "refuse" or "refuse" in mended, "why": "no such customer"}
            for one in call.body
            if one["value"] != "forget" or "forget" in mended
        ]
        return Reply(body=json.dumps({"results": told}))

    web_peer.decide = decide
    return web_peer


def tries(peer: WebPeer, value: str) -> int:
    """Count how often records of this value came."""
    bodies = [one for call in peer.calls for one in (call.body if isinstance(call.body, list) else [call.body])]
    return len([one for one in bodies if one["value"] == value])


def served(folder: Path, text: str, peer: WebPeer) -> Project:
    project = Project(folder)
    project.write("pipelines/events.yaml", text.format(url=peer.url))
    return project


def send(project: Project, *bodies: dict[str, Any]) -> None:
    for body in bodies:
        assert project.call("/events", body).status == 202
    project.until(lambda: project.waiting("events/in/0") == 0, "the end of the lane")


def good(start: int, end: int) -> list[dict[str, Any]]:
    return [{"id": number, "value": f"good-{number}"} for number in range(start, end)]


def test_poison_becomes_a_dead_letter_and_is_sent_again_once(tmp_path: Path, peer: WebPeer, mended: set[str]) -> None:
    with served(tmp_path, ONE, peer) as project:
        send(project, *good(1, 5), {"id": "six", "value": "unmappable"}, {"id": 7, "value": "refuse"}, *good(8, 12))
        letters = {letter["code"]: letter for letter in project.letters()}
        assert set(letters) == {"type", "refused"}
        assert (letters["type"]["attempts"], letters["refused"]["attempts"]) == (1, 1)
        assert "no such customer" in letters["refused"]["message"]
        assert tries(peer, "refuse") == 1
        assert [call.body["id"] for call in peer.calls if call.body["value"] != "refuse"] == [1, 2, 3, 4, 8, 9, 10, 11]

        mended.add("refuse")
        refused = letters["refused"]["id"]
        project.engine("dead-letters", "replay", refused)
        project.until(lambda: project.waiting("events/in/replay") == 0)
        assert tries(peer, "refuse") == 2
        assert "was replayed already" in project.engine("dead-letters", "replay", refused, code=2).err
        assert [letter["code"] for letter in project.letters()] == ["type"]
        send(project, *good(20, 21))
        assert tries(peer, "refuse") == 2
        assert project.stop() == 0
    assert not [call for call in peer.calls if call.body["value"] == "unmappable"]


def test_what_fails_again_is_a_dead_letter_again(tmp_path: Path, peer: WebPeer) -> None:
    """The control: nothing was mended, so nothing is gone."""
    with served(tmp_path, ONE, peer) as project:
        send(project, *good(1, 3), {"id": 7, "value": "refuse"})
        (letter,) = project.letters()
        project.engine("dead-letters", "replay", letter["id"])
        project.until(lambda: project.waiting("events/in/replay") == 0)
        (again,) = project.letters()
        assert (again["code"], again["key"], again["id"] == letter["id"]) == ("refused", "7", False)
        assert tries(peer, "refuse") == 2


def test_an_answer_that_says_nothing_is_asked_again_as_often_as_the_policy_says(
    tmp_path: Path, peer: WebPeer, mended: set[str]
) -> None:
    with served(tmp_path, MANY, peer) as project:
        send(project, *good(1, 3), {"id": 3, "value": "forget"}, {"id": 4, "value": "refuse"}, *good(5, 12))
        letters = {letter["code"]: letter for letter in project.letters()}
        assert set(letters) == {"uncertain", "refused"}
        assert letters["uncertain"]["attempts"] == ATTEMPTS == tries(peer, "forget")
        assert (letters["refused"]["attempts"], tries(peer, "refuse")) == (1, 1)
        assert all(tries(peer, one["value"]) == 1 for one in [*good(1, 3), *good(5, 12)])
        mended |= {"forget", "refuse"}
        project.engine("dead-letters", "replay", "--pipeline", "events")
        project.until(lambda: not project.letters())
        project.until(lambda: project.waiting("events/in/replay") == 0)
        again = project.engine("dead-letters", "replay", "--pipeline", "events")
        assert again.err == "no open dead letters to send again\n"
        assert (tries(peer, "forget"), tries(peer, "refuse")) == (ATTEMPTS + 1, 2)
        assert project.stop() == 0


DEADLY = """\
pipeline: events
triggers: [{{webhook: {{path: /events, auth: none}}}}]
mapping: {{id: id}}
target:
  http: {{url: "{url}/events"}}
  key: id
"""


def test_a_record_that_kills_the_process_is_put_aside(tmp_path: Path, web_peer: WebPeer) -> None:
    """It is one record that is put aside, whoever stood beside it arrives, and it can be sent when all is mended."""
    project = served(tmp_path, DEADLY, web_peer)
    healthy, project.command = project.command, instead("dying_of_a_record.py")
    deaths = 0
    with project:
        project.engine("pause", "events")
        for number in range(1, 31):
            assert project.call("/events", {"id": number}).status == 202
        project.engine("resume", "events")
        assert project.process is not None
        while project.waiting("events/in/0"):
            if project.process.poll() is not None:
                deaths += 1
                project.start()
            time.sleep(0.02)
        assert 3 <= deaths <= 6, "what stands before it may move on once or twice first"
        (letter,) = project.letters()
        assert (letter["code"], letter["attempts"]) == ("crashed", 1)
        taken = [call.body["id"] for call in web_peer.calls]
        assert list(dict.fromkeys(taken)) == [number for number in range(1, 31) if number != 13]
        assert project.stop() == 0
        project.command = healthy
        project.start()
        project.ready()
        project.engine("dead-letters", "replay", letter["id"])
        project.until(lambda: web_peer.calls[-1].body["id"] == 13)
        assert project.stop() == 0
