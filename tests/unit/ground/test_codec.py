"""What the store keeps comes back exactly."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codec import decode, encode

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.binary()
    | st.uuids(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("$engine") | st.just("value"), inner),
    max_leaves=20,
)


@given(plain)
def test_every_value_comes_back_equal_and_of_its_type(value):
    back = decode(encode(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        {"$engine": "decimal", "value": "7"},
        {"$engine": "object", "value": {"$engine": "decimal", "value": "7"}},
        {"$engine": "decimal", "value": [{"$engine": "bytes", "value": "AA=="}]},
        {"at": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "d": date(2026, 1, 2), "t": time(1, 2)},
        {"amount": Decimal("10.00"), "big": 10**40, "id": UUID(int=5), "raw": b"\x00\xff"},
    ],
)
def test_data_that_looks_like_a_tag_is_not_mistaken_for_one(value):
    assert decode(encode(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object()])
def test_what_is_not_plain_data_is_refused(value):
    with pytest.raises((TypeError, ValueError)):
        encode(value)
