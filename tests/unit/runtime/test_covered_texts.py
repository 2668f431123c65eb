"""What a target says of records is shown without their sensitive values, also where it was cut off inside one."""

from __future__ import annotations

import pytest

from engine.runtime.letters import covered

CASES = {
    "as it is": ("no: s3cret/value", "no: ***"),
    "in an address": ("GET /?q=s3cret%2Fvalue", "GET /?q=***"),
    "in base64": ("Basic dTpzM2NyZXQvdmFsdWU=", "Basic dTp***U="),
    "cut off inside it": ("you said s3cret/va… (500)", "you said ***… (500)"),
    "cut off after it": ("you said s3cret/value, and…", "you said ***, and…"),
    "three characters are not enough to tell": ("s3c…", "s3c…"),
    "its begin elsewhere is anybody's": ("s3cret is a word", "s3cret is a word"),
    "two of them": ("other-one and s3cret/value", "*** and ***"),
    "nothing to hide": ("connection refused", "connection refused"),
}


@pytest.mark.parametrize(("text", "shown"), CASES.values(), ids=CASES.keys())
def test_sensitive_values_leave_a_text(text: str, shown: str) -> None:
    assert covered(text, {"s3cret/value", "other-one"}) == shown


def test_without_values_a_text_stays() -> None:
    assert covered("s3cret/va…", set()) == "s3cret/va…"


def test_short_values_are_covered_from_two_characters_on() -> None:
    assert covered("pin 42 of 7", {"42"}) == "pin *** of 7"
