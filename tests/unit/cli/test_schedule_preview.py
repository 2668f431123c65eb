"""``schedule preview``: the next firings, in the pipeline's own time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.cli import schedule
from engine.errors import Problem


@pytest.fixture(autouse=True)
def at_noon(monkeypatch):
    """It is Saturday noon in UTC, 09:00 in São Paulo."""
    monkeypatch.setattr(schedule, "clock", lambda: datetime(2026, 11, 21, 12, tzinfo=UTC))


def with_triggers(world, *triggers, **changes):
    """Give the bank's pipeline other triggers."""
    named = world.project.pipelines["bank-transactions"]
    pipelines = {**world.project.pipelines, named.name: replace(named, triggers=triggers, **changes)}
    world.project = replace(world.project, pipelines=pipelines)


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_the_next_firings_of_every_pipeline(world, run) -> None:
    seen = run("schedule", "preview", "--limit", "2")
    assert seen.code == 0
    assert rows(seen.out) == [
        ["pipeline", "trigger", "starts", "in"],
        ["bank-banks", "by", "hand"],
        ["bank-transactions", "incremental", "Sat", "2026-11-21", "10:00", "-03", "1", "h"],
        ["Sat", "2026-11-21", "12:00", "-03", "3", "h"],
        ["after", "after", "bank-banks"],
    ]
    assert seen.err == "the next 2 of each trigger; for more: --limit\n"
    assert "\x1b" not in seen.out


def test_a_terminal_sees_the_same_dressed(world, run) -> None:
    seen = run("schedule", "preview", terminal=True)
    assert "\x1b" in seen.out
    assert "Sat 2026-11-21 10:00" in seen.seen


def test_days_limit_what_is_seen(world, run) -> None:
    with_triggers(world, {"id": "daily", "cron": "0 3 * * *"})
    lines = run("schedule", "preview", "bank-transactions", "--days", "3").out.splitlines()[1:]
    expected = ("Sun 2026-11-22 03:00", "Mon 2026-11-23 03:00", "Tue 2026-11-24 03:00")
    assert [one in line for one, line in zip(expected, lines, strict=True)] == [True, True, True]
    assert run("schedule", "preview", "--days", "3").err == ""


def test_what_fires_later_than_that_is_shown_all_the_same(world, run) -> None:
    with_triggers(world, {"cron": "0 0 1 1 *"})
    line = run("schedule", "preview", "bank-transactions").out.splitlines()[1]
    assert "Fri 2027-01-01 00:00 -03" in line
    assert line.endswith("not in 7 days")


def test_json_is_one_line_a_firing(world, run) -> None:
    with_triggers(world, {"id": "spread", "cron": "0 3 * * *", "jitter": "10m"})
    first, second = map(json.loads, run("schedule", "preview", "--json", "--limit", "2").out.splitlines())
    assert {key: first[key] for key in ("pipeline", "trigger", "slot", "timezone")} == {
        "pipeline": "bank-transactions",
        "trigger": "spread",
        "slot": "2026-11-22T06:00:00+00:00",
        "timezone": "America/Sao_Paulo",
    }
    assert first["slot"] < first["at"] < "2026-11-22T06:10:00+00:00"
    assert second["slot"] == "2026-11-23T06:00:00+00:00"


def test_jitter_shows_when_it_really_comes(world, run) -> None:
    with_triggers(world, {"cron": "0 3 * * *", "jitter": "10m"})
    assert "03:00 -03" in run("schedule", "preview").out
    assert "put off to 03:0" in run("schedule", "preview").out


def test_calendars_are_in_it(world, run) -> None:
    with_triggers(world, {"cron": "0 12 * * *", "calendar": "bank-days"})
    calendars = {"bank-days": {"weekdays": "mon-fri", "holidays": {"11-23": "a holiday"}}}
    world.project = replace(world.project, settings={"calendars": calendars})
    assert "Tue 2026-11-24 12:00" in run("schedule", "preview", "--limit", "1").out


def test_a_disabled_pipeline_starts_nothing(world, run) -> None:
    with_triggers(world, {"cron": "0 3 * * *"}, enabled=False)
    assert ["bank-transactions", "disabled"] in rows(run("schedule", "preview").out)
    assert run("schedule", "preview", "--json").out == ""


def test_a_broken_trigger_hides_only_its_pipeline(world, run) -> None:
    with_triggers(world, {"cron": "0 3 * * *", "calendar": "nobody"})
    seen = run("schedule", "preview")
    assert (seen.code, rows(seen.out)[1:]) == (0, [["bank-banks", "by", "hand"]])
    assert "1 file with errors" in seen.err
    named = run("schedule", "preview", "bank-transactions")
    assert named.code == 2
    assert "there is no calendar 'nobody'" in named.err


def test_broken_settings_are_said_first(world, run) -> None:
    """Without them, calendars would be missing that are written there."""
    world.problems = [Problem("engine.yaml", 3, 1, "bad-value", "error", "calendars.a", "no")]
    seen = run("schedule", "preview")
    assert (seen.code, seen.out) == (2, "")
    assert "engine.yaml:3:1" in seen.err


def test_an_unknown_name_is_a_usage_error(world, run) -> None:
    seen = run("schedule", "preview", "bank-bank")
    assert seen.code == 2
    assert "did you mean 'bank-banks'" in seen.err
