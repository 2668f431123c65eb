"""Bodies are read exactly or refused with a reason; nothing else."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bodies import DEPTH, NotReadable, parse

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN, st.booleans())
def test_json_comes_back_as_it_was(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert parse("json", text) == value


def test_decimals_keep_their_digits() -> None:
    assert str(parse("json", '{"a": 1.50}')["a"]) == "1.50"
    assert parse("json", "12345678901234567890.12345678901234567890") == Decimal(
        "12345678901234567890.12345678901234567890"
    )
    assert parse("json", "1e5") == Decimal("1e5")
    assert parse("json", "0e999999") == 0


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "{", "[1,]", "{'a': 1}", "NaN", "[Infinity]", "-Infinity", "01", "+1", ".5", "nul", "\ufeff1", "1 2",
        "1e999", "1e-999", "1e999999999999", "9" * 5000, "0." + "1" * 5000,
        '{"a": 1, "a": 2}', '[{"b": {"a": 1, "a": 1}}]',
        '"\\ud800"', '"\\uDFFF"', '{"\\ud83d": 1}', '"a\x00b"', '"a\nb"',
        "[" * 101 + "]" * 101, "[" * 100000, '{"a":' * 2000 + "1" + "}" * 2000,
    ],
)  # fmt: skip
def test_what_is_not_json_or_not_one_thing_is_refused(text: str) -> None:
    with pytest.raises(NotReadable) as caught:
        parse("json", text)
    assert len(str(caught.value)) < 150


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse("json", '"\\ud83d\\ude00 \\\\ud800"') == "😀 \\ud800"


def test_depth_is_counted_in_both_kinds_and_not_in_texts() -> None:
    assert parse("json", "[" * DEPTH + "]" * DEPTH)
    assert parse("json", json.dumps("[{" * 1000)) == "[{" * 1000
    assert parse("json", json.dumps([[]] * 1000))
    with pytest.raises(NotReadable):
        parse("json", '{"a":[' * 51 + "]}" * 51)


def test_a_form_is_flat() -> None:
    assert parse("form", "a=1&b=x+y%C3%A9&c=&a=2&d") == {"a": ["1", "2"], "b": "x yé", "c": "", "d": ""}
    assert parse("form", "") == {}
    for text in ("a=%ff", "&".join(["a=1"] * 2000)):
        with pytest.raises(NotReadable):
            parse("form", text)


def test_text_is_itself() -> None:
    assert parse("text", "a;b\r\n1;2") == "a;b\r\n1;2"


@given(st.sampled_from(["json", "form"]), st.text(max_size=200))
def test_any_text_is_data_or_refused(media: Any, text: str) -> None:
    try:
        parse(media, text)
    except NotReadable:
        pass
