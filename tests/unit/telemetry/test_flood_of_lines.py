"""How many lines of one kind are written in a second, and what becomes of the rest."""

from __future__ import annotations

from engine.telemetry.flood import Flood, Rest

KIND = ("sales", "accepted")


def admitted(flood: Flood, kind: tuple[str, str], now: float, times: int) -> int:
    return sum(flood.admit(kind, now) for _ in range(times))


def test_the_first_lines_of_a_second_are_written_and_the_rest_counted() -> None:
    flood = Flood(3)
    assert admitted(flood, KIND, 100.0, 10) == 3
    assert not flood.waits(100.9), "the second goes on"
    assert flood.waits(101.0)
    assert list(flood.ended(101.0)) == [Rest(KIND, "info", 7)]
    assert not flood.holding


def test_the_next_second_begins_anew() -> None:
    flood = Flood(3)
    admitted(flood, KIND, 100.0, 3)
    assert admitted(flood, KIND, 100.5, 1) == 0
    list(flood.ended(101.0))
    assert admitted(flood, KIND, 101.0, 5) == 3


def test_kinds_do_not_hide_each_other() -> None:
    flood = Flood(2)
    admitted(flood, KIND, 100.0, 1000)
    assert admitted(flood, ("sales", "limited"), 100.1, 1) == 1
    assert admitted(flood, ("purchase", "accepted"), 100.1, 1) == 1


def test_seconds_end_one_by_one() -> None:
    flood = Flood(1)
    admitted(flood, KIND, 100.0, 2)
    admitted(flood, ("etl", "sent"), 100.6, 3)
    assert [rest.number for rest in flood.ended(101.2)] == [1]
    assert flood.holding
    assert not flood.waits(101.5)
    assert [rest.number for rest in flood.ended(float("inf"))] == [2]


def test_the_summary_is_as_loud_as_its_lines() -> None:
    flood = Flood(1)
    flood.admit(KIND, 100.0)
    flood.as_level(KIND, "warning")
    flood.admit(KIND, 100.1)
    assert [rest.level for rest in flood.ended(200.0)] == ["warning"]


def test_what_was_not_heard_of_for_long_is_forgotten() -> None:
    flood = Flood(1)
    for number in range(12_000):
        flood.admit((f"p{number}", "sent"), 100.0 + number / 100)
    assert len(flood) < 10_001


def test_what_is_held_back_is_never_forgotten() -> None:
    """The control: forgetting does not touch a count that is still to be said."""
    flood = Flood(1)
    admitted(flood, KIND, 1.0, 5)
    for number in range(12_000):
        flood.admit((f"p{number}", "sent"), 100.0 + number / 100)
    assert [rest for rest in flood.ended(1000.0) if rest.kind == KIND] == [Rest(KIND, "info", 4)]
