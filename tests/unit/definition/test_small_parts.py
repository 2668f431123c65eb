"""Names, units, revisions, .env: the small parts of definitions."""

from __future__ import annotations

import pytest

from engine.definition.dotenv import parse
from engine.definition.nearest import did_you_mean, nearest
from engine.definition.revision import revision
from engine.definition.units import seconds, size


@pytest.mark.parametrize(
    ("word", "names", "found"),
    [
        ("retires", ["retry", "retries", "timeout"], "retries"),
        ("varables", ["variables", "results"], "variables"),
        ("Bank_DB", ["bank-db", "bank-bd"], "bank-db"),
        ("qery", ["query", "table"], "query"),
        ("max_attempts", ["attempts", "backoff"], "attempts"),
        ("sise", ["size", "wait"], "size"),
        ("xyz", ["query", "table"], None),
        ("retires", ["redirects"], None),
        ("id", ["at"], None),
        ("", ["a"], None),
    ],
)
def test_nearest_name(word: str, names: list[str], found: str | None) -> None:
    """The name that was probably meant, or none."""
    assert nearest(word, names) == found


def test_did_you_mean_is_empty_without_a_likeness() -> None:
    """No guess is better than a wrong one."""
    assert did_you_mean("retires", ["retries"]) == "did you mean 'retries'?"
    assert did_you_mean("zzz", ["retries"]) == ""


@pytest.mark.parametrize(
    ("text", "value"), [("500ms", 0.5), ("30s", 30.0), ("5m", 300.0), ("2h", 7200.0), ("1d", 86400.0), ("1.5s", 1.5)]
)
def test_durations(text: str, value: float) -> None:
    """Durations are seconds."""
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("64KiB", 65536), ("1MiB", 1048576), ("1KB", 1000), ("2GiB", 2**31), ("7B", 7)]
)
def test_sizes(text: str, value: int) -> None:
    """Sizes are bytes."""
    assert size(text) == value


@pytest.mark.parametrize("text", ["30", "s", "", "30 s", "-1s", "1w", "30S"])
def test_what_is_no_duration(text: str) -> None:
    """A unit is needed and must be known."""
    with pytest.raises(ValueError, match="needs a number"):
        seconds(text)


def test_dotenv() -> None:
    """Names and values, quotes, comments; lines that are none are counted, not shown."""
    text = "# note\nA=1\nexport B = two words # note\nC='it # stays'\nD=\"a\\nb\"\nE=\nnonsense\nF=x#y\nG= # nothing\n"
    values, bad = parse(text)
    assert values == {"A": "1", "B": "two words", "C": "it # stays", "D": "a\nb", "E": "", "F": "x#y", "G": ""}
    assert bad == [7]


def test_revision_is_of_the_content() -> None:
    """Equal content, equal revision; any change, another."""
    assert revision({"a": [1, "é"]}) == revision({"a": [1, "é"]})
    assert revision({"a": 1}) != revision({"a": 2})
    assert revision({"a": 1}) != revision({"a": "1"})
