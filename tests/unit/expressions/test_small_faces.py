"""The small things the package offers beside compiling: paths of fields, values as keys are written."""

from decimal import Decimal

import pytest

from engine.expressions import field_path, key_text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sale", ("sale",)),
        ("customer.address", ("customer", "address")),
        ('"zip code".a', ("zip code", "a")),
        ("items[0]", None),
        ("a || b", None),
        ("", None),
    ],
)
def test_a_field_path_is_names_only(text, path):
    assert field_path(text) == path


@pytest.mark.parametrize(
    ("value", "text"),
    [(7, "7"), ("7", "7"), (7.0, "7"), (Decimal("7.50"), "7.5"), (True, "true"), (None, None), ("", None), ([], None)],
)
def test_equal_values_are_written_alike_and_what_can_be_no_key_is_none(value, text):
    assert key_text(value) == text
