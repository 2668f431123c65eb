"""Numbers, durations, moments and positions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.telemetry.look import PLAIN, Look
from engine.telemetry.words import ago, clip, count, duration, moment, position, rate


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"), (0.0414, "41 ms"), (0.9996, "1 s"), (1, "1 s"), (4.24, "4.2 s"), (9.96, "10 s"), (41.2, "41 s"),
        (59.7, "1 min"), (125, "2 min 5 s"), (3600, "1 h"), (4800, "1 h 20 min"), (90000, "1 d 1 h"), (-1, "0 ms"),
    ],
)  # fmt: skip
def test_durations(seconds, said) -> None:
    assert duration(seconds) == said


@given(st.floats(min_value=0, max_value=1e7))
def test_a_duration_has_at_most_two_units(seconds) -> None:
    assert len(duration(seconds).split()) in (2, 4)


@pytest.mark.parametrize(
    ("per_second", "said"), [(3.21, "3.2/s"), (950, "950/s"), (18_400, "18.4k/s"), (1_250_000, "1.2M/s")]
)
def test_rates(per_second, said) -> None:
    assert rate(per_second) == said


def test_counts() -> None:
    assert count(1, "error") == "1 error"
    assert count(2, "retry", "retries") == "2 retries"


def test_a_time_is_shown_in_its_zone_and_says_so_where_that_is_not_here(monkeypatch) -> None:
    iso = "2026-11-21T21:01:30.123456+00:00"
    here = datetime.fromisoformat(iso).astimezone()
    assert moment(iso, None) == here.strftime("%Y-%m-%d %H:%M")
    elsewhere = ZoneInfo("Asia/Kolkata")
    if here.utcoffset() != timedelta(hours=5, minutes=30):
        assert moment(iso, elsewhere, seconds=True) == "2026-11-22 02:31:30 +05:30"
    assert moment("", None) == ""


@pytest.mark.parametrize(
    ("seconds", "said"), [(3, "just now"), (42, "42 s ago"), (300, "5 min ago"), (7300, "2 h ago"), (260000, "3 d ago")]
)
def test_ago(seconds, said) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert ago((now - timedelta(seconds=seconds)).isoformat(), now) == said


def test_positions_and_clipping() -> None:
    assert position({"updated_at": "2026-11-21 18:02:11", "id": 5, "x": None}) == "2026-11-21 18:02:11, 5, null"
    assert clip("a\n b", 10) == "a b"
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcdef", 4, "...") == "a..."


def test_looks() -> None:
    rich = Look(terminal=True, color=True, unicode=True, width=80)
    assert rich.number(1234567) == "1\u202f234\u202f567"
    assert Look(terminal=True).number(1234567) == "1 234 567"
    assert PLAIN.number(1234567) == "1234567"
    assert rich.paint("x", "error") == "\x1b[31mx\x1b[0m"
    assert PLAIN.paint("x", "error") == "x"
    assert rich.short("01JD5X0000000000000000RUN1") == "01JD…00RUN1"
    assert PLAIN.short("01JD5X0000000000000000RUN1") == "01JD5X0000000000000000RUN1"
    assert all(PLAIN.sign(sign).isascii() for sign in "×→←│…✓✗━·")
