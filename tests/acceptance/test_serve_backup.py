"""A backup under load, and the world it brings back: whole, and with all that was accepted before it began."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from .serving import Project
from .test_kill_webhooks import Load, stored
from .test_kill_webhooks import project as loaded
from .web_peer import Reply, WebPeer
from .webhook_load import request

HELD = """\
pipeline: held
triggers: [{{webhook: {{path: /held, auth: none}}}}]
mapping: {{id: id}}
target: {{http: {{url: "{url}/"}}, key: id}}
resilience: {{retry: {{attempts: 2, initial: 10ms, max: 100ms}}}}
"""
WAITING = 50


def known(store: Path) -> set[int]:
    """Return the events a store says it has accepted."""
    with closing(sqlite3.connect(store)) as copy:
        assert copy.execute("pragma integrity_check").fetchall() == [("ok",)]
        return {int(event) for (event,) in copy.execute("select dedupe from dedupe where scope like 'events %'")}


def again(project: Project, event: int) -> int:
    """Send an event of the load once more; give the status."""
    head, _, body = request("/events", event).partition(b"\r\n\r\n")
    headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:])
    status, _ = project.ask("/events", body, {key: headers[key] for key in ("X-Event", "X-Signature")})
    return status


@pytest.mark.timeout(200)
def test_a_backup_under_load_holds_all_that_was_accepted_before_it(tmp_path: Path, web_peer: WebPeer) -> None:
    web_peer.replies = [Reply(503)]
    served = loaded(tmp_path)
    served.write("pipelines/held.yaml", HELD.format(url=web_peer.url))
    project = Project(tmp_path, port=served.port, admin=served.admin, environ=served.environ)
    copies = [tmp_path / f"copy-{number}.db" for number in range(3)]
    with project:
        for number in range(WAITING):
            assert project.call("/held", {"id": number}).status == 202
        load = Load(project)
        try:
            before: list[set[int]] = []
            for copy in copies:
                for _ in range(3):
                    load.wait_for_more()
                before.append({event for event, _ in load.accepted()})
                project.engine("backup", str(copy))
            load.wait_for_more()
        finally:
            assert load.stop() == "", "nobody was refused meanwhile"
        accepted = {event for event, _ in load.accepted()}
        project.until(lambda: project.waiting("events/in/0") == 0, "the end of the lane", 60)
        assert project.stop() == 0

    there = stored(project)
    assert accepted - set(there) == set()
    for copy, events in zip(copies, before, strict=True):
        assert events - known(copy) == set()
    after = sorted(accepted - known(copies[0]))
    assert after != [], "the control: what came later is not in it"

    project.engine("restore", str(copies[0]), "--yes")
    web_peer.replies = [Reply()]
    web_peer.calls.clear()
    with project:
        project.until(lambda: project.waiting("held/in/0") == 0, "what waited when the backup was made", 60)
        assert [call.body["id"] for call in web_peer.calls if call.body][-WAITING:] == list(range(WAITING))
        assert again(project, min(before[0])) == 200, "known"
        assert again(project, after[0]) == 202, "accepted since: the store does not know it any more"
        project.until(lambda: project.waiting("events/in/0") == 0, "the end of the lane", 60)
        assert project.stop() == 0
    assert stored(project) == there, "what was sent again had no second effect"
