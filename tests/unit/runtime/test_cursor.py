"""Where a read resumes, and which values it is bound to."""

from datetime import datetime
from decimal import Decimal

import pytest

from engine.errors import RecordError
from engine.pipeline import CursorPlan
from engine.record import Batch
from engine.runtime.cursor import bind, check_order, later, positions, safe_stop


def plan(initial, lookback=None, time=False):
    return CursorPlan(tuple(initial), initial, lookback, time, lambda names: False)


@pytest.mark.parametrize(
    ("stored", "lookback", "time", "expected"),
    [
        (None, 60, True, "1970-01-01 00:00:00"),
        ("2026-01-02 03:04:05", None, False, "2026-01-02 03:04:05"),
        ("2026-01-02 03:04:05", 65, True, "2026-01-02 03:03:00"),
        ("2026-01-02T03:04:05Z", 5, True, "2026-01-02T03:04:00Z"),
        ("2026-01-02T03:04:05-03:00", 5, True, "2026-01-02T03:04:00-03:00"),
        ("2026-01-02T03:04:05.250", 5, True, "2026-01-02T03:04:00.250"),
        ("2026-01-02T03:04:05.250000+00:00", 5, True, "2026-01-02T03:04:00.250000+00:00"),
        ("2026-01-02", 86400, True, "2026-01-01"),
        (datetime(2026, 1, 2), 60, True, datetime(2026, 1, 1, 23, 59)),
        (100, 10, False, 90),
        (Decimal("10.50"), 0.5, False, Decimal("10.0")),
    ],
)
def test_values_are_bound_as_they_were_read_less_the_lookback(stored, lookback, time, expected):
    given = plan({"at": "1970-01-01 00:00:00"}, lookback, time)
    assert bind(given, None if stored is None else {"at": stored}) == {"at": expected}


@pytest.mark.parametrize(("stored", "time"), [("yesterday", True), ("12", False), (True, False)])
def test_a_lookback_that_cannot_be_subtracted_is_an_error(stored, time):
    with pytest.raises(RecordError):
        bind(plan({"at": 0}, 5, time), {"at": stored})


@pytest.mark.parametrize(
    ("values", "start", "stop", "expected"),
    [
        ("1234", 0, 2, 2),
        ("1223", 0, 2, 1),
        ("1222", 0, 3, 1),
        ("2222", 0, 2, 2),
        ("112233", 2, 4, 4),
        ("112223", 2, 4, 4),
    ],
)
def test_a_cut_goes_back_to_where_the_value_changes_and_stays_inside_a_tie_that_is_longer(
    values, start, stop, expected
):
    assert safe_stop([(value,) for value in values], start, stop) == expected


def test_going_back_is_refused_and_names_both():
    with pytest.raises(RecordError, match="went back from 3, 1 to 2, 9"):
        check_order((1, 0), [(3, 1), (2, 9)])


def test_values_that_cannot_be_compared_are_refused():
    with pytest.raises(RecordError, match="cannot be compared"):
        check_order((1,), [("a",)])


@pytest.mark.parametrize("record", [{"id": 1}, {"id": 1, "at": None}, "text"])
def test_a_record_without_its_cursor_has_no_order(record):
    with pytest.raises(RecordError):
        positions(Batch([record], [{}]), ("at", "id"))


def test_raw_positions_win_over_the_fields():
    assert positions(Batch([{"at": "text"}], [{}], positions=[(datetime(2026, 1, 1),)]), ("at",)) == [
        (datetime(2026, 1, 1),)
    ]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [(None, None, False), (None, {"id": 1}, False), ({"id": 1}, None, True), ({"id": 2}, {"id": 1}, True),
     ({"id": 1}, {"id": 1}, False), ({"id": 1}, {"id": 2}, False)],
)  # fmt: skip
def test_later_only_moves_forward(left, right, expected):
    assert later(left, right, ("id",)) is expected
