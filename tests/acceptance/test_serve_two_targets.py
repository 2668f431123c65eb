"""Two targets of one pipeline, one of them down: the other goes on, and what was put aside arrives in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from .serving import Project
from .web_peer import Call, Reply, WebPeer

BOTH = """\
pipeline: both
triggers: [{{webhook: {{path: /both, auth: none}}}}]
targets:
  - id: good
    http: {{url: "{url}/good"}}
    mapping: {{id: id}}
    key: id
  - id: bad
    http: {{url: "{url}/bad"}}
    mapping: {{id: id}}
    key: id
resilience: {{retry: {{attempts: 2, initial: 10ms, max: 100ms}}}}
"""


def ids(peer: WebPeer, path: str) -> list[int]:
    """The ids that came to a path and were taken, without repeats that follow each other."""
    return list(dict.fromkeys(call.body["id"] for call in peer.calls if call.path == path))


@pytest.mark.parametrize("killed", [False, True], ids=["stays", "killed"])
def test_what_is_put_aside_for_one_target_does_not_hold_the_other(
    tmp_path: Path, web_peer: WebPeer, killed: bool
) -> None:
    down = {"/bad"}
    taken: list[int] = []

    def decide(call: Call) -> Reply:
        if call.path in down:
            return Reply(503)
        if call.path == "/bad":
            taken.append(call.body["id"])
        return Reply()

    web_peer.decide = decide
    project = Project(tmp_path)
    project.write("pipelines/both.yaml", BOTH.format(url=web_peer.url))
    with project:
        for number in range(40):
            assert project.call("/both", {"id": number}).status == 202
        project.until(lambda: len(ids(web_peer, "/good")) == 40, "all of it at the target that is up")
        project.until(lambda: project.waiting("both/in/0") == 0, "the end of the lane")
        assert project.waiting("both/out/bad") == 40
        assert "both/out/bad" in project.engine("lanes").out
        if killed:
            for _ in range(4):
                held = len(project.said("lane-held", "both"))
                project.kill()
                project.start()
                project.until(lambda held=held: len(project.said("lane-held", "both")) > held, "a held lane")
                assert project.waiting("both/out/bad") == 40
        for number in range(40, 60):
            assert project.call("/both", {"id": number}).status == 202
        project.until(lambda: len(ids(web_peer, "/good")) == 60)
        down.clear()
        project.until(lambda: project.waiting("both/out/bad") == 0, "what was put aside")
        for number in range(60, 70):
            assert project.call("/both", {"id": number}).status == 202
        project.until(lambda: len(taken) >= 70, "what came after it")
        project.until(lambda: project.waiting("both/in/0") + project.waiting("both/out/bad") == 0)
        assert project.letters() == []
        assert project.stop() == 0
    assert list(dict.fromkeys(taken)) == list(range(70)), "in order"
    assert ids(web_peer, "/good") == list(range(70))
    if not killed:
        assert len(taken) == 70
