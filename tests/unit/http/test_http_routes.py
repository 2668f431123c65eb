"""S17: paths of which nobody could say whose they are do not load; what loads is found exactly."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import DefinitionError, Place
from engine.http.routes import Bound, Routes, collisions, problems
from engine.pipeline import ClientPlan, WebhookPlan
from engine.policy import RateLimit

KEY = ({"api_key": {"value": "k"}},)


def bound(path: str, pipeline: str = "a", *methods: str, **more: Any) -> Bound:
    plan = {"auth": KEY, "place": Place(f"pipelines/{pipeline}.yaml", 4, 7), "where": "triggers[0].webhook", **more}
    return Bound(pipeline, WebhookPlan(pipeline, path, frozenset(methods or ("POST",)), **plan))


@pytest.mark.parametrize(
    "other",
    ["/Sales", "/sales/", "/SALES/", "/sales//"],
)
def test_paths_that_look_alike_collide(other: str) -> None:
    for pair in ([bound("/sales"), bound(other, "b")], [bound(other, "b"), bound("/sales")]):
        [problem] = collisions(pair)
        assert problem.code in ("path-collision", "bad-value")
        assert (problem.line, problem.column, problem.path) == (4, 7, "triggers[0].webhook.path")


def test_one_path_of_two_methods_may_look_like_itself() -> None:
    assert collisions([bound("/sales"), bound("/sales", "b", "PUT", auth=None)]) == []
    assert collisions([bound("/sales"), bound("/Sales", "b", "PUT")]) != [], "whatever the methods"


@pytest.mark.parametrize(
    "path",
    [
        "/a%2Fb", "/a%2fb", "/a//b", "//a", "/a/{x}", "/a/:x/{y}", "/a/*x/<y>", "/a?x=1", "/a#b", "/a b",
        "/ä", "/a\\b", "/a/../b", "/a/./b", "/a\nb", "/%61", "/a/..", "/a;%00",
    ],
)  # fmt: skip
def test_paths_that_proxies_rewrite_are_refused(path: str) -> None:
    [problem] = collisions([bound(path)])
    assert problem.code == "bad-value"


@pytest.mark.parametrize("path", ["/healthz", "/HealthZ", "/healthz/"])
def test_where_the_listener_says_that_it_lives_is_taken(path: str) -> None:
    [problem] = collisions([bound(path)])
    assert problem.code == "path-collision"


@pytest.mark.parametrize("path", ["/", "/api", "/metrics", "/api/v1/webhooks/sales", "/a-b_c.d~e", "/healthz/x", "/a/"])
def test_nothing_else_is_taken(path: str) -> None:
    assert collisions([bound(path)]) == []


@pytest.mark.parametrize(
    ("more", "differs"),
    [
        ({"auth": None}, "auth"),
        ({"auth": ({"api_key": {"value": "other"}},)}, "auth"),
        ({"clients": ("banban",)}, "clients"),
        ({"max_body": 5}, "max_body"),
        ({"rate_limit": RateLimit(1, 1.0)}, "rate_limit"),
        ({"challenge": "slack"}, "challenge"),
        ({"respond": {}}, "answered with a result"),
    ],
)
def test_who_shares_a_path_shares_its_door(more: dict[str, Any], differs: str) -> None:
    [problem] = collisions([bound("/sales"), bound("/sales", "b", **more)])
    assert problem.code == "path-collision"
    assert problem.file == "pipelines/b.yaml"
    assert differs in problem.message
    assert "a (pipelines/a.yaml:4)" in problem.message
    assert "other" not in str(problem).replace("another", ""), "a secret is not told"


def test_collisions_do_not_depend_on_chance() -> None:
    three = [bound("/a"), bound("/A", "b"), bound("/a/", "c")]
    assert collisions(three) == collisions(three)
    assert len(collisions(three)) == 3


def test_metas_question_takes_get() -> None:
    asked = {"challenge": {"meta": {"verify_token": "t"}}}
    assert collisions([bound("/m", **asked), bound("/m", "b", "GET")]) != []


def test_callers_that_nobody_named_and_keys_that_cannot_work() -> None:
    found = problems([bound("/a", clients=("banbam",))], {"banban": ClientPlan("banban", KEY)})
    assert [(one.code, one.path) for one in found] == [("unknown-client", "triggers[0].webhook.clients")]
    found = problems([bound("/a", auth=({"hmac": {"secret": "x"}},))], {})
    assert [(one.code, one.path) for one in found] == [("bad-value", "triggers[0].webhook.auth")]
    broken = {"c": ClientPlan("c", ({"allow_ips": ["10.0.0.0/99"]},))}
    assert "10.0.0.0/99" in problems([bound("/a", clients=("c",))], broken)[0].message
    with pytest.raises(DefinitionError):
        Routes([bound("/a", auth=({},))])


def test_a_path_is_found_exactly() -> None:
    routes = Routes([bound("/sales"), bound("/sales", "b"), bound("/x", "c", "PUT", "GET")])
    assert [one.pipeline for one in routes.find("/sales", "POST").bounds] == ["a", "b"]
    assert [one.pipeline for one in routes.find("/x", "GET").bounds] == ["c"]
    for path in ("/Sales", "/sales/", "//sales", "/sales%2F", "/%73ales", "/sales;a", "", "sales", "http://x/sales"):
        assert routes.find(path, "POST").bounds == ()
    for method in ("GET", "post", "", "OPTIONS", "HEAD", "CONNECT"):
        assert routes.find("/sales", method).bounds == ()
    assert routes.find("/sales", "GET").door.ways, "a door that leads nowhere is shut"
