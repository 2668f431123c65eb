"""Nothing that was declared secret is ever seen, in whatever form it travels."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.redact import MASK, Redactor

CANARIES = [
    "s3cr3t-canary",
    "p@ss/w+rd &%",
    "ção-segrêdo",
    'quo"te\\back',
    "tail=====",
    "two\nlines-of-a-key-file\nthree",
]


def travelled(value: str) -> list[str]:
    raw = value.encode()
    return [
        value,
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        raw.hex(),
        repr(value),
    ]


@pytest.mark.parametrize("canary", CANARIES)
def test_every_form_a_secret_takes_is_masked(canary: str) -> None:
    redactor = Redactor([canary])
    for form in travelled(canary):
        shown = redactor(f"before {form} after")
        core = form.strip("\"'=")
        assert core not in shown, form
        assert MASK in shown
        assert shown.startswith("before ")
        assert shown.endswith(" after")


def test_control_without_the_value_the_canary_is_seen() -> None:
    assert CANARIES[0] in Redactor(["another-one"])(f"token {CANARIES[0]}")


@pytest.mark.parametrize("user", ["a", "ab", "abc", "abcd"])
def test_a_basic_auth_header_does_not_show_the_password(user: str) -> None:
    """The password begins at any of base64's three offsets."""
    header = base64.b64encode(f"{user}:long-enough-password".encode()).decode()
    shown = Redactor(["long-enough-password"])(f"Authorization: Basic {header}")
    assert MASK in shown
    token = shown.split()[-1].replace(MASK, "")
    assert len(token) <= 12


def test_a_secret_inside_another_leaves_no_rest() -> None:
    assert Redactor(["token", "token-and-more"])("x token-and-more y token z") == "x *** y *** z"


@pytest.mark.parametrize("short", ["1", "ab", "341"])
def test_a_short_value_is_masked_only_when_it_is_the_whole(short: str) -> None:
    redactor = Redactor([short])
    assert redactor(short) == MASK
    assert redactor({"pin": short, "text": f"order {short}0"}) == {"pin": MASK, "text": f"order {short}0"}


def test_numbers_that_are_secrets_are_masked() -> None:
    redactor = Redactor(["12345678", "99.5"])
    assert redactor([12345678, Decimal("99.5"), 12345679, True, None]) == [MASK, MASK, 12345679, True, None]


class Row(NamedTuple):
    """A row as the store gives it."""

    name: str
    meta: dict[str, Any]


def test_nested_data_keeps_its_shape() -> None:
    redactor = Redactor(["canary-1"])
    row = Row("canary-1", {"canary-1": [("a", "x canary-1"), {"b": b"bin canary-1"}]})
    assert redactor(row) == Row(MASK, {MASK: [("a", "x ***"), {"b": b"bin ***"}]})


def test_blank_values_mask_nothing() -> None:
    redactor = Redactor(["", "  ", "\n"])
    assert not redactor
    assert redactor("a b  c\n") == "a b  c\n"


def test_a_mask_and_its_neighbours_never_spell_a_secret() -> None:
    assert "ab**" not in Redactor(["ab**"])("abab****")


secrets = st.text(min_size=4, max_size=24).filter(lambda text: len(text.strip()) >= 4)


@given(st.lists(secrets, min_size=1, max_size=5), st.data())
def test_no_secret_survives_in_any_text(values: list[str], data: st.DataObject) -> None:
    """Whatever stands around and between them."""
    pieces = st.one_of(st.sampled_from(values), st.text(max_size=8))
    text = "".join(data.draw(st.lists(pieces, max_size=12)))
    redactor = Redactor(values)
    shown = redactor(text)
    assert not any(value in shown for value in values)
    assert redactor(shown) == shown


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(json_like, secrets)
def test_data_without_the_secret_comes_back_equal(document: Any, secret: str) -> None:
    secret = "\x00canary\x00" + secret
    assert Redactor([secret])(document) == document
    assert secret not in str(Redactor([secret])({"a": [document, secret], secret: document}))
