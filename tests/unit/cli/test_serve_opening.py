"""The first lines of a serving engine say what there is and what comes next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import engine
from engine.cli.opening import Tally, facts, opening, tally, until
from engine.definition.model import Project
from engine.telemetry.look import PLAIN
from tests.unit.cli.conftest import bank_hub

NOW = datetime(2026, 11, 22, 5, 56, tzinfo=UTC)


@dataclass
class Card:
    name: str
    enabled: bool = True
    paused: bool = False
    next: datetime | None = None


@dataclass
class Serving:
    cards: dict[str, Card]
    webhooks: str | None = "http://127.0.0.1:8080"
    admin: str | None = "http://127.0.0.1:8081"
    paths: int = 6


@pytest.fixture
def project() -> Project:
    return replace(bank_hub(), root=Path("/srv/retail"))


def serving(*cards: Card, **changes) -> Serving:
    return Serving({card.name: card for card in cards}, **changes)


def test_the_opening_screen_says_it_all(project) -> None:
    """bank-banks has no triggers: it runs by hand."""
    soon = NOW + timedelta(minutes=4)
    made = serving(Card("bank-transactions", next=soon), Card("bank-banks"), Card("held", paused=True, next=NOW))
    assert opening(made, project, Path("data/engine.db"), PLAIN, NOW) == [
        f"engine {engine.__version__}   project retail   store data/engine.db",
        "  3 pipelines   1 active, 1 paused, 1 by hand"
        "      next  bank-transactions  in 4 min (03:00 America/Sao_Paulo)",
        "  webhooks   http://127.0.0.1:8080    6 paths        admin  http://127.0.0.1:8081    /readyz /metrics",
    ]


def test_what_there_is_not_is_not_said(project) -> None:
    made = serving(Card("bank-banks"), webhooks=None, paths=0)
    lines = opening(made, project, Path("data/engine.db"), PLAIN, NOW)
    assert lines[1:] == ["  1 pipeline   1 by hand", "  admin  http://127.0.0.1:8081    /readyz /metrics"]
    assert opening(serving(webhooks=None, admin=None), project, Path("x.db"), PLAIN, NOW)[1:] == ["  0 pipelines"]


def test_one_that_is_disabled_runs_by_hand_and_one_that_is_paused_is_paused_whatever_it_is(project) -> None:
    cards = [Card("bank-transactions", enabled=False), Card("bank-banks", enabled=False, paused=True), Card("other")]
    assert tally({card.name: card for card in cards}, project.pipelines) == Tally(active=1, paused=1, by_hand=1)


def test_logs_for_programs_say_it_in_one_line(project) -> None:
    made = serving(Card("bank-transactions"), Card("bank-banks"), paths=1)
    assert facts(made, project) == (
        "2 pipelines, 1 active, 1 by hand, webhooks http://127.0.0.1:8080 (1 path), admin http://127.0.0.1:8081"
    )


@pytest.mark.parametrize(
    ("after", "zone", "says"),
    [
        (timedelta(minutes=4), "America/Sao_Paulo", "in 4 min (03:00 America/Sao_Paulo)"),
        (timedelta(hours=20), "UTC", "in 20 h (Mon 2026-11-23 01:56 UTC)"),
        (timedelta(seconds=-1), "UTC", "now (05:55 UTC)"),
        (timedelta(minutes=4), "Not/There", "in 4 min (06:00 Not/There)"),
    ],
)
def test_when_something_comes_is_said_in_its_own_zone(after, zone, says) -> None:
    assert until(NOW + after, NOW, zone) == says
