"""Cron texts that cannot be read, or never fire, are found before anything runs."""

import pytest

from engine.compiler.triggers import cron_problem


@pytest.mark.parametrize(
    "text",
    ["0 */2 * * *", "0 3 * * *", "*/10 * * * * *", "30 1 * * 1-5", "0 0 29 2 *", "0 9 * * mon", "15,45 8-18 * * *"],
)
def test_good_texts_have_no_problem(text):
    assert cron_problem(text) is None


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("0 3 * *", "has 4 fields"),
        ("0 0 0 3 * * *", "has 7 fields"),
        ("61 * * * *", "'61' is no minute"),
        ("0 25 * * *", "'25' is no hour"),
        ("every day at noon", "has 4 fields"),
        ("a b c d e", "'a' is no minute"),
        ("0 0 30 2 *", "never fires"),
    ],
)
def test_bad_texts_are_explained(text, fact):
    message, hint = cron_problem(text)
    assert fact in message
    assert hint
