"""``respond: result`` through a serving engine: what the run made of a call is its answer, and nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .serving import Project
from .web_peer import Call, Reply, WebPeer

QUOTE = """\
pipeline: quote
triggers:
  - webhook:
      path: /quote
      auth: none
      respond:
        with: result
        status: "{{{{ 201 if results.target.sent else 200 }}}}"
        headers: {{X-Total: "{{{{ records[0].total }}}}"}}
        body:
          id: "{{{{ records[0].id }}}}"
          total: "{{{{ records[0].total }}}}"
          sent: "{{{{ results.target.sent }}}}"
        timeout: 2s
mapping: {{id: {{$value: id, $type: integer}}, total: "{{{{ record.price * record.count }}}}"}}
target:
  http:
    connection: shop
    path: /orders
    headers: {{X-Caller: "{{{{ trigger.headers['x-caller'] }}}}"}}
  key: id
resilience: {{timeout: 10s, retry: {{attempts: 1}}}}
"""
PURE = """\
pipeline: pure
triggers: [{webhook: {path: /pure, auth: none, respond: {with: result, body: {doubled: "{{ records[0].twice }}"}}}}]
mapping: {twice: "{{ record.n * 2 }}"}
"""
SHOP = 'connections: {{shop: {{http: {{base_url: "{url}"}}}}}}\n'
ORDER = {"id": 7, "price": 2, "count": 21}


@pytest.fixture
def project(tmp_path: Path, web_peer: WebPeer) -> Iterator[Project]:
    made = Project(tmp_path)
    made.write("connections/shop.yaml", SHOP.format(url=web_peer.url))
    made.write("pipelines/quote.yaml", QUOTE.format())
    made.write("pipelines/pure.yaml", PURE)
    with made:
        yield made


def test_the_templates_make_the_answer(project: Project, web_peer: WebPeer) -> None:
    answer = project.call("/quote", ORDER, X_Caller="ada")
    assert (answer.status, answer.headers["X-Total"]) == (201, "42")
    assert answer.json == {"id": 7, "total": 42, "sent": 1}
    assert [call.body for call in web_peer.calls] == [{"id": 7, "total": 42}]
    assert project.call("/pure", {"n": 4}).json == {"doubled": 8}


def test_nothing_is_kept_of_it(project: Project) -> None:
    """No run in the history, nothing in a lane, no dead letter: the caller is the one who tries again."""
    assert project.call("/quote", ORDER).status == 422, "the template over a header that is not there"
    assert project.call("/quote", ORDER, X_Caller="ada").status == 201
    assert project.call("/quote", {"id": "seven", "price": 1, "count": 1}, X_Caller="ada").status == 422
    assert project.runs() == []
    assert project.letters() == []
    assert project.waiting("quote/in/0") == project.waiting("quote/fire") == 0
    assert project.figure("engine_webhook_responses_total", pipeline="quote", outcome="replied") == 1
    assert project.figure("engine_webhook_responses_total", pipeline="quote", outcome="rejected") == 2


def test_every_call_is_answered_by_its_own_values(project: Project, web_peer: WebPeer) -> None:
    """Targets stay open between calls; what they write belongs to the call they write for."""
    for name in ("ada", "bob", "eve"):
        assert project.call("/quote", ORDER, X_Caller=name).status == 201
    assert [call.headers["X-Caller"] for call in web_peer.calls] == ["ada", "bob", "eve"]


def test_what_is_rejected_is_422_with_its_reasons(project: Project, web_peer: WebPeer) -> None:
    answer = project.call("/quote", [ORDER, {"id": "seven", "price": 1, "count": 1}], X_Caller="ada")
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    (error,) = answer.json["errors"]
    assert error["code"] == "type"
    assert web_peer.calls == [], "nothing was sent: who mends it and calls again does nothing twice"
    web_peer.replies = [Reply(422, '{"error": "no such customer"}')]
    answer = project.call("/quote", ORDER, X_Caller="ada")
    assert answer.status == 422
    (error,) = answer.json["errors"]
    assert error["code"] == "refused"
    assert "no such customer" in error["message"]


@pytest.mark.parametrize("reply", [Reply(503), Reply(401), Reply(0)], ids=["503", "401", "cut"])
def test_a_target_that_is_down_is_503(project: Project, web_peer: WebPeer, reply: Reply) -> None:
    """The caller learns when to come again, and nothing of what is behind the engine."""
    web_peer.replies = [reply]
    answer = project.call("/quote", ORDER, X_Caller="ada")
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert "127.0.0.1" not in answer.text
    assert project.said("reply", "quote")
    web_peer.replies = [Reply()]
    assert project.call("/quote", ORDER, X_Caller="ada").status == 201, "it recovers by itself"


def test_who_is_late_is_504_and_its_work_ends(project: Project, web_peer: WebPeer) -> None:
    web_peer.replies = [Reply(-1)]
    began = time.monotonic()
    assert project.call("/quote", ORDER, X_Caller="ada").status == 504
    assert 1.9 < time.monotonic() - began < 6.0
    web_peer.replies = [Reply()]
    assert project.call("/quote", ORDER, X_Caller="ada").status == 201
    assert len(web_peer.calls) == 2, "what was cut off is not sent again by the engine"
    began = time.monotonic()
    assert project.stop() == 0
    assert time.monotonic() - began < 5.0, "nothing of it is under way any more"


def test_calls_are_worked_side_by_side_and_do_not_mix(project: Project, web_peer: WebPeer) -> None:
    def call(number: int) -> tuple[int, object]:
        answer = project.call("/quote", {"id": number, "price": number, "count": 10}, X_Caller=f"c{number}")
        return answer.status, answer.json

    seen: list[str] = []

    def take(asked: Call) -> Reply:
        seen.append(f"{asked.body['id']} {asked.headers['X-Caller']}")
        return Reply()

    web_peer.decide = take
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(call, range(64)))
    assert answers == [(201, {"id": number, "total": number * 10, "sent": 1}) for number in range(64)]
    assert sorted(seen) == sorted(f"{number} c{number}" for number in range(64))


def test_after_a_reload_the_new_revision_answers(project: Project) -> None:
    assert project.call("/pure", {"n": 4}).json == {"doubled": 8}
    project.write("pipelines/pure.yaml", PURE.replace("* 2", "* 3"))
    project.until(lambda: project.call("/pure", {"n": 4}).json == {"doubled": 12}, "the new revision")
    project.write("pipelines/pure.yaml", PURE.replace("mapping", "maping"))
    project.until(
        lambda: project.said("reload-failed") or project.ask("/readyz", admin=True)[1]["definitions"]["stale"]
    )
    assert project.call("/pure", {"n": 4}).json == {"doubled": 12}, "a broken file disturbs nothing"


def test_wrong_params_are_the_callers_mistake(project: Project) -> None:
    text = PURE.replace("triggers:", "params: {n: {type: integer}}\ntriggers:")
    text = text.replace("}}}]", '}}, params: {n: "{{ trigger.query.n }}"}}]')
    project.write("pipelines/pure.yaml", text)
    project.until(lambda: project.call("/pure?n=x", {"n": 4}).status != 200, "the new revision")
    answer = project.call("/pure?n=x", {"n": 4})
    assert answer.status == 422
    assert answer.json["errors"]
