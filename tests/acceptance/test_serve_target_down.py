"""A target that is down while webhooks arrive: accepted all the time, held in order, told, drained when it is back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from .serving import Project
from .web_peer import Reply, WebPeer, serving

BREAKER = "circuit_breaker: {failures: 5, window: 60s, reset_after: 500ms}"
CONNECTIONS = """\
connections:
  shop: {{http: {{base_url: "{shop}"}}, resilience: {{{breaker}}}}}
  other: {{http: {{base_url: "{other}"}}}}
"""
HOOK = """\
pipeline: {name}
triggers: [{{webhook: {{path: /{name}, auth: none}}}}]
mapping: {{id: id}}
target:
  http: {{connection: {connection}, path: /{name}}}
  key: id
resilience: {{retry: {{attempts: 2, initial: 20ms, max: 200ms}}}}
"""
DOWN = {"answers 503": Reply(503), "cuts": Reply(0)}


def served(folder: Path, shop: str, other: str) -> Project:
    project = Project(folder)
    project.write("connections/all.yaml", CONNECTIONS.format(shop=shop, other=other, breaker=BREAKER))
    project.write("pipelines/sales.yaml", HOOK.format(name="sales", connection="shop"))
    project.write("pipelines/stock.yaml", HOOK.format(name="stock", connection="other"))
    return project


def ids(peer: WebPeer, path: str) -> list[int]:
    return [call.body["id"] for call in peer.calls if call.path == path]


def held(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = project.ask("/readyz", admin=True)[1]["held"]
    return found


def arrive(project: Project, path: str, numbers: range) -> list[float]:
    """Send webhooks, each of which has to be accepted; give the seconds each answer took."""
    took = []
    for number in numbers:
        began = time.monotonic()
        assert project.call(path, {"id": number}).status == 202
        took.append(time.monotonic() - began)
    return took


@pytest.mark.parametrize("how", DOWN)
def test_what_arrives_is_held_in_order_until_the_target_is_back(tmp_path: Path, web_peer: WebPeer, how: str) -> None:
    with serving() as other, served(tmp_path, web_peer.url, other.url) as project:
        arrive(project, "/sales", range(5))
        project.until(lambda: len(ids(web_peer, "/sales")) == 5)
        web_peer.replies = [DOWN[how]]
        arrive(project, "/sales", range(5, 105))
        project.until(lambda: project.said("lane-held", "sales"), "a held lane")
        project.until(
            lambda: project.figure("engine_breaker_state", connection="shop", state="open"), "an open breaker"
        )
        (one,) = held(project)
        assert (one["pipeline"], one["lane"], one["subject"]) == ("sales", "sales/in/0", "shop")
        assert project.ask("/readyz", admin=True)[0] == 200, "held work is no reason to take calls elsewhere"
        assert project.figure("engine_lane_entries", pipeline="sales", lane="in/0") == 100
        while_open = len(web_peer.calls)
        assert while_open <= 5 + 10, "the breaker opens in less than 10 failures"
        arrive(project, "/stock", range(50))
        project.until(lambda: len(ids(other, "/stock")) == 50, "the other pipeline")
        arrive(project, "/sales", range(105, 150))
        said = len(project.said("lane-held", "sales"))
        assert said <= 2, "it is said once, and not for every try"

        web_peer.replies = [Reply()]
        project.until(lambda: project.waiting("sales/in/0") == 0, "the end of the lane")
        project.until(lambda: project.said("lane-freed", "sales"))
        project.until(lambda: not held(project))
        assert project.figure("engine_breaker_state", connection="shop", state="open") == 0
        assert project.letters() == []
        assert project.stop() == 0
    once = list(dict.fromkeys(ids(web_peer, "/sales")))
    assert once == list(range(150)), "nothing is lost, and all is in order"
    assert ids(other, "/stock") == list(range(50))


def test_a_closed_port_holds_over_a_restart(tmp_path: Path, web_peer: WebPeer) -> None:
    """Nobody listens; what was accepted waits in the store, also while the engine is down itself."""
    with serving() as gone:
        closed = gone.url
    with served(tmp_path, closed, web_peer.url) as project:
        arrive(project, "/sales", range(20))
        project.until(lambda: held(project))
        assert held(project)[0]["code"] == "disconnected"
        project.kill()
        project.write("connections/all.yaml", CONNECTIONS.format(shop=web_peer.url, other=closed, breaker=BREAKER))
        project.start()
        project.ready()
        project.until(lambda: project.waiting("sales/in/0") == 0, "the end of the lane")
    assert ids(web_peer, "/sales") == list(range(20))


def test_waiting_ends_where_the_pipeline_says_so(tmp_path: Path, web_peer: WebPeer) -> None:
    """``max_age`` makes dead letters of what waited too long, and the lane goes on."""
    web_peer.replies = [Reply(503)]
    project = served(tmp_path, web_peer.url, web_peer.url)
    text = HOOK.format(name="sales", connection="shop").replace("resilience:", "max_age: 1s\nresilience:")
    project.write("pipelines/sales.yaml", text)
    with project:
        arrive(project, "/sales", range(3))
        project.until(lambda: len(project.letters()) == 3, "the dead letters")
        assert {letter["code"] for letter in project.letters()} == {"too-old"}
        project.until(lambda: project.waiting("sales/in/0") == 0)


def test_the_breaker_is_shared_and_a_call_by_hand_sees_it(tmp_path: Path, web_peer: WebPeer) -> None:
    """A bounded run fails at once where accepted work waits."""
    web_peer.replies = [Reply(503)]
    project = served(tmp_path, web_peer.url, web_peer.url)
    project.write(
        "pipelines/once.yaml",
        "pipeline: once\nsource: {inline: {rows: [{id: 1}]}}\n"
        "target: {http: {connection: shop, path: /once}, key: id}\nresilience: {retry: {attempts: 2, initial: 10ms}}\n",
    )
    with project:
        arrive(project, "/sales", range(3))
        project.until(lambda: project.figure("engine_breaker_state", connection="shop", state="open"))
        (summary,) = project.engine("run", "once", "--json", code=1).lines()
        assert summary["status"] == "failed"
        assert summary["error"]["code"] in ("circuit-open", "transient")
        assert project.waiting("sales/in/0") == 3
