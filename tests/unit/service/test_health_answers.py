"""Readiness, and the health of flows: what is down, what is only told, and how little is remembered."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.definition.loader import load
from engine.errors import Problem
from engine.events import (
    BatchDelivered,
    BatchRead,
    CircuitChanged,
    LaneFreed,
    LaneHeld,
    Reloaded,
    ReloadFailed,
    RunFinished,
    StoreChanged,
    WebhookAnswered,
)
from engine.service.cards import cards
from engine.service.flows import Degraded, Window, overall
from engine.service.health import Group, Health, HealthSettings, Probe
from engine.telemetry.card import Card

AT = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
BANBAN = HealthSettings.of(
    {
        "groups": {"banban": {"labels": {"client": "banban"}, "by": "flow"}},
        "degraded": {"error_rate": 0.02, "over": 300.0},
    }
)
PROBLEM = Problem("pipelines/sales.yaml", 18, 5, "unknown-key", "error", "target", "'wehn'", "did you mean 'when'?")


class Clock:
    now = AT

    def __call__(self) -> datetime:
        return self.now


def card(flow: str, *connections: str, name: str = "", **switches: bool) -> Card:
    return Card(name or f"banban-{flow}", {"client": "banban", "flow": flow}, connections, **switches)


CARDS = [card("sales", "erp"), card("purchase", "erp"), card("inventory"), Card("else", {"client": "riachuelo"})]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    made = Health(BANBAN, sqlite="3.51.3", clock=clock)
    made.replace(CARDS, {"erp"})
    return made


def sent(pipeline: str, sent: int, rejected: int = 0) -> BatchDelivered:
    return BatchDelivered(pipeline, "r1", "target", sent, rejected, 1, 0.01)


def ended(pipeline: str, status: Any) -> RunFinished:
    return RunFinished(pipeline, "r1", status, 1.0, {})


def held(lane: str = "banban-sales/in/0", reason: str = "erp: connection refused") -> LaneHeld:
    return LaneHeld(lane.partition("/")[0], "r1", lane, "disconnected", reason, "erp")


def flows(health: Health, now: datetime = AT) -> Any:
    answer = health.group("banban", now)
    assert answer is not None
    assert json.loads(json.dumps(answer[1])) == answer[1], "plain data"
    return answer[1]["flows"]


def test_whoever_answers_lives(health: Health) -> None:
    health(StoreChanged("failed"))
    assert health.live() == (200, {"status": "ok"})


# readiness


def test_a_healthy_engine_is_ready(health: Health) -> None:
    status, body = health.ready(AT)
    assert (status, body["status"]) == (200, "ready")
    assert body["store"] == {"state": "ok", "sqlite": "3.51.3"}
    assert body["definitions"] == {"pipelines": 4, "stale": False}
    assert (body["held"], body["breakers"]) == ([], {})
    assert "reasons" not in body


@pytest.mark.parametrize("state", ["full", "failed"])
def test_a_store_that_cannot_write_is_not_ready_until_it_can(health: Health, state: Any) -> None:
    health(StoreChanged(state, "3 MiB left"))
    status, body = health.ready(AT)
    assert (status, body["reasons"]) == (503, [f"store: {state}, 3 MiB left"])
    assert body["store"]["state"] == state
    health(StoreChanged("ok"))
    assert health.ready(AT)[0] == 200


def test_an_engine_that_stops_is_not_ready(health: Health) -> None:
    health.closing = True
    assert health.ready(AT)[0] == 503


def test_every_probe_must_be_well() -> None:
    wrong = {"scheduler": ""}
    probes: dict[str, Probe] = {}
    health = Health(probes=probes)
    probes |= {"scheduler": lambda: wrong["scheduler"], "listener": lambda: ""}
    assert health.ready(AT)[1]["listener"] == "ok", "added later"
    wrong["scheduler"] = "it ended"
    status, body = health.ready(AT)
    assert (status, body["reasons"], body["scheduler"]) == (503, ["scheduler: it ended"], "it ended")


def test_old_definitions_are_told_with_their_places_and_are_ready(health: Health, clock: Clock) -> None:
    health(ReloadFailed((PROBLEM,) * 60))
    clock.now += timedelta(minutes=1)
    health(ReloadFailed((PROBLEM,)))
    status, body = health.ready(clock.now)
    assert status == 200
    told = body["definitions"]
    assert (told["stale"], told["since"]) == (True, "2024-01-15T10:30:00Z")
    assert told["problems"] == [
        {"file": "pipelines/sales.yaml", "line": 18, "column": 5, "code": "unknown-key", "message": str(PROBLEM)}
    ]
    health(Reloaded(4, (), (), 0.1))
    assert health.ready(AT)[1]["definitions"] == {"pipelines": 4, "stale": False}


def test_many_problems_are_cut_and_counted(health: Health) -> None:
    health(ReloadFailed((PROBLEM,) * 60))
    told = health.ready(AT)[1]["definitions"]
    assert (len(told["problems"]), told["more"]) == (50, 10)


@pytest.mark.parametrize(
    ("version", "warned"), [("3.40.1", True), ("3.51.2", True), ("3.51.3", False), ("3.54.1", False), ("", False)]
)
def test_a_library_that_can_damage_files_is_named(version: str, warned: bool) -> None:
    status, body = Health(sqlite=version).ready(AT)
    assert status == 200
    assert ("3.51.3" in body["store"].get("warning", "")) == warned


def test_held_lanes_and_open_breakers_are_told_and_ready(health: Health, clock: Clock) -> None:
    health(held())
    clock.now += timedelta(minutes=5)
    health(held(reason="erp: 503"))
    health(CircuitChanged("banban-sales", "r1", "erp", "open"))
    status, body = health.ready(clock.now)
    assert status == 200
    assert body["held"] == [
        {"pipeline": "banban-sales", "lane": "banban-sales/in/0", "code": "disconnected", "reason": "erp: 503",
         "subject": "erp", "since": "2024-01-15T10:30:00Z"}
    ]  # fmt: skip
    assert body["breakers"] == {"erp": "open"}
    health(LaneFreed("banban-sales", "r1", "banban-sales/in/0"))
    health(CircuitChanged("banban-sales", "r1", "erp", "closed"))
    body = health.ready(clock.now)[1]
    assert (body["held"], body["breakers"]) == ([], {})


def test_orphans_are_told(health: Health) -> None:
    health.orphans = {"gone/in/0": 12}
    assert health.ready(AT)[1]["orphans"] == {"gone/in/0": 12}


# groups


def test_the_answer_reads_as_the_retail_hub_asks_for(health: Health, clock: Clock) -> None:
    for told in (sent("banban-sales", 50), sent("banban-purchase", 5), sent("banban-inventory", 970, 30)):
        health(told)
    answer = health.group("banban", clock.now)
    last = "2024-01-15T10:30:00Z"
    assert answer == (
        200,
        {
            "status": "degraded",
            "flows": {
                "inventory": {"status": "degraded", "last_success": last, "error_rate": 0.03},
                "purchase": {"status": "ok", "last_success": last, "circuit": "closed", "error_rate": 0.0},
                "sales": {"status": "ok", "last_success": last, "circuit": "closed", "error_rate": 0.0},
            },
        },
    )


def test_a_group_that_is_not_written_is_none(health: Health) -> None:
    assert health.group("riachuelo", AT) is None


def test_a_flow_of_which_nothing_is_known_is_unknown_and_no_trouble(health: Health) -> None:
    answer = health.group("banban", AT)
    assert answer is not None
    assert (answer[0], answer[1]["status"]) == (200, "healthy")
    assert flows(health)["sales"] == {"status": "unknown", "circuit": "closed"}


def test_exactly_the_rate_is_not_degraded(health: Health) -> None:
    health(sent("banban-inventory", 98, 2))
    assert flows(health)["inventory"]["status"] == "ok"
    health(sent("banban-inventory", 0, 1))
    assert flows(health)["inventory"]["status"] == "degraded"


def test_what_filters_and_mappings_reject_counts(health: Health) -> None:
    health(sent("banban-inventory", 90))
    health(BatchRead("banban-inventory", "r1", 100, {"filters[0]": 50}, 10))
    assert flows(health)["inventory"]["error_rate"] == 0.1


def test_errors_are_forgotten_after_the_time_that_is_written(health: Health, clock: Clock) -> None:
    health(sent("banban-inventory", 1, 1))
    later = AT + timedelta(seconds=299)
    assert flows(health, later)["inventory"]["status"] == "degraded"
    later = AT + timedelta(seconds=320)
    assert flows(health, later)["inventory"] == {"status": "ok", "last_success": "2024-01-15T10:30:00Z"}


@pytest.mark.parametrize("outcome", ["failed", "late", "unavailable"])
def test_calls_that_we_could_not_serve_count(health: Health, outcome: Any) -> None:
    health(WebhookAnswered("/s", "POST", 503, outcome, "10.0.0.9", ("banban-sales",)))
    assert flows(health)["sales"]["error_rate"] == 1.0


@pytest.mark.parametrize("outcome", ["unauthorized", "limited", "rejected", "too_large", "accepted"])
def test_calls_that_the_caller_got_wrong_do_not(health: Health, outcome: Any) -> None:
    """Who is not let in cannot make a flow look ill."""
    health(WebhookAnswered("/s", "POST", 401, outcome, "10.0.0.9", ("banban-sales",)))
    assert "error_rate" not in flows(health)["sales"]


def test_an_open_circuit_is_down_for_all_that_call_the_connection(health: Health) -> None:
    health(sent("banban-sales", 1))
    health(CircuitChanged("banban-sales", "r1", "erp", "open"))
    told = flows(health)
    assert (told["sales"]["status"], told["sales"]["circuit"]) == ("down", "open")
    assert told["purchase"]["status"] == "down"
    assert told["inventory"]["status"] == "unknown"
    health(CircuitChanged("banban-sales", "r1", "erp", "half_open"))
    assert flows(health)["sales"]["status"] == "degraded"
    health(CircuitChanged("banban-sales", "r1", "erp", "closed"))
    assert flows(health)["sales"]["status"] == "ok"


def test_a_held_lane_is_down_and_says_why(health: Health) -> None:
    health(held())
    assert flows(health)["sales"]["status"] == "down"
    assert flows(health)["sales"]["held"] == "erp: connection refused"
    health(LaneFreed("banban-sales", "r1", "banban-sales/in/0"))
    assert flows(health)["sales"]["status"] == "unknown"


@pytest.mark.parametrize("status", ["failed", "timed_out", "interrupted"])
def test_a_flow_whose_last_run_failed_is_down_until_something_goes_well(health: Health, status: Any) -> None:
    health(ended("banban-sales", "success"))
    health(ended("banban-sales", status))
    later = AT + timedelta(hours=3)
    assert flows(health, later)["sales"]["status"] == "down", "also when the errors are long ago"
    health(ended("banban-sales", "success"))
    assert flows(health, later)["sales"]["status"] == "ok"


def test_a_cancelled_run_says_nothing(health: Health) -> None:
    health(ended("banban-sales", "cancelled"))
    assert flows(health)["sales"]["status"] == "unknown"


def test_one_failing_pipeline_of_several_degrades_a_flow(health: Health) -> None:
    health.replace([card("sales", name="a"), card("sales", name="b")])
    health(ended("a", "failed"))
    health(ended("b", "success"))
    assert flows(health)["sales"]["status"] == "degraded"


def test_a_paused_pipeline_degrades_and_a_disabled_one_is_unknown(health: Health) -> None:
    health.replace([card("sales", paused=True), card("etl", enabled=False)])
    assert flows(health)["sales"] == {"status": "degraded", "paused": True}
    assert flows(health)["etl"] == {"status": "unknown", "enabled": False}


def test_a_group_is_down_only_where_nothing_works(health: Health) -> None:
    health(CircuitChanged("banban-sales", "r1", "erp", "open"))
    answer = health.group("banban", AT)
    assert answer is not None
    assert (answer[0], answer[1]["status"]) == (503, "down"), "what is unknown does not count"
    health(sent("banban-inventory", 1))
    answer = health.group("banban", AT)
    assert answer is not None
    assert (answer[0], answer[1]["status"]) == (200, "degraded")
    assert overall({}) == "healthy"


def test_without_by_each_pipeline_is_a_flow(health: Health) -> None:
    health.settings = HealthSettings({"all": Group({"client": "banban"})})
    answer = health.group("all", AT)
    assert answer is not None
    assert sorted(answer[1]["flows"]) == ["banban-inventory", "banban-purchase", "banban-sales"]


def test_labels_that_are_no_text_are_compared_as_they_are_written() -> None:
    settings = HealthSettings.of({"groups": {"g": {"labels": {"plant": 7, "live": True}}}})
    assert settings.groups["g"].labels == {"plant": "7", "live": "true"}
    assert settings.degraded == Degraded(0.02, 300.0)


# what is remembered


@pytest.mark.parametrize("order", [1, -1])
def test_history_is_taken_up_in_any_order(health: Health, order: int) -> None:
    runs: list[tuple[Any, datetime]] = [("success", AT), ("failed", AT + timedelta(hours=1))]
    for status, at in runs[::order]:
        health.recall("banban-sales", status, at)
    told = flows(health)["sales"]
    assert told == {
        "status": "down", "last_success": "2024-01-15T10:30:00Z", "circuit": "closed", "last_run": "failed",
    }  # fmt: skip


def test_history_may_come_before_the_pipelines(clock: Clock) -> None:
    health = Health(BANBAN, clock=clock)
    for pipeline in ("banban-sales", "gone"):
        health.recall(pipeline, "success", AT)
    health.replace(CARDS)
    assert flows(health)["sales"]["status"] == "ok"
    assert list(health._pulses) == ["banban-sales"]


def test_history_does_not_overrule_what_happened_since(health: Health, clock: Clock) -> None:
    clock.now = AT + timedelta(minutes=1)
    health(sent("banban-sales", 1))
    health.recall("banban-sales", "failed", AT)
    assert flows(health, clock.now)["sales"]["status"] == "ok"


def test_a_reload_keeps_what_is_known_of_those_that_stay(health: Health) -> None:
    health(sent("banban-sales", 1))
    health(held("banban-purchase/in/0"))
    health(CircuitChanged("banban-sales", "r1", "erp", "open"))
    health.replace([card("sales", "erp"), card("purchase", "erp")], {"erp"})
    assert flows(health)["sales"]["last_success"]
    assert health.ready(AT)[1]["breakers"] == {"erp": "open"}
    health.replace([card("sales")], set())
    body = health.ready(AT)[1]
    assert (body["held"], body["breakers"]) == ([], {}), "the pipeline and the connection are gone"


def test_pipelines_that_are_not_loaded_are_not_remembered(health: Health) -> None:
    for number in range(1000):
        health(sent(f"ghost-{number}", 1))
    assert len(health._pulses) == 0


def test_a_window_is_bounded_whatever_happens() -> None:
    window = Window(300.0)
    for second in range(100_000):
        window.add(float(second), 1, 1)
    assert len(window) <= 32
    window.add(5.0, 1, 0)
    assert window.counts(5.0) == (1, 0), "the clock was set back: what lies in the future is gone"


def test_a_new_time_is_taken_up(health: Health) -> None:
    health(sent("banban-inventory", 1, 1))
    health.settings = HealthSettings(BANBAN.groups, Degraded(0.02, 60.0))
    health.replace(CARDS)
    health(sent("banban-inventory", 1, 1))
    assert "error_rate" not in flows(health, AT + timedelta(seconds=70))["inventory"]


# cards


def test_a_card_names_all_that_a_pipeline_calls(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "a.yaml").write_text(
        """pipeline: a
labels: {client: banban, flow: sales}
enabled: false
source: {sql: {connection: shop-db, query: select 1 as id}}
targets:
  - {id: erp, http: {connection: erp, path: /orders, method: POST}}
  - {id: out, console: {}}
"""
    )
    (tmp_path / "pipelines" / "c.yaml").write_text(
        "connections:\n  shop-db: {sql: {url: 'sqlite:///x.db'}}\n  erp: {http: {base_url: 'http://erp.example'}}\n"
    )
    project, problems = load(tmp_path, environ={})
    assert [one for one in problems if one.severity == "error"] == []
    assert list(cards(project, paused={"a"})) == [
        Card("a", {"client": "banban", "flow": "sales"}, ("shop-db", "erp"), {"erp": "erp"}, enabled=False, paused=True)
    ]
