"""What people type is never cut on a narrow terminal, and long texts go on below themselves."""

from __future__ import annotations

import pytest

from engine.cli.table import Cell, table
from engine.cli.yamltext import lines
from engine.definition.document import read
from engine.telemetry.look import Look

ROWS = [
    [Cell("bank-transactions-of-yesterday", whole=True), "sql bank-db", "graphql automation-hub", "d" * 60],
    [Cell("b", whole=True), "http crm", "console", "short"],
]


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_a_name_is_whole_at_every_width(width: int) -> None:
    drawn = table(ROWS, Look(terminal=True, unicode=True, width=width), ("pipeline", "reads", "sends to", ""))
    assert all("bank-transactions-of-yesterday" in line for line in drawn[1:2])
    assert max(map(len, drawn)) <= width


def test_a_description_is_left_out_before_it_is_two_words() -> None:
    wide, narrow = (table(ROWS, Look(terminal=True, width=width)) for width in (140, 80))
    assert "ddd" in wide[0]
    assert "ddd" not in narrow[0]
    assert "graphql automation-hub" in narrow[0]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("select a, b from t where (a, b) > (:cursor_a, :cursor_b) order by a", "query: select a, b from t"),
        ("select " + ", ".join(f"column_{number}" for number in range(30)) + " from t", "query: >-"),
        ("two  spaces " * 20, 'query: "two  spaces'),
        ("a: b", 'query: "a: b"'),
        ("a #b", 'query: "a #b"'),
        ("ends with:", 'query: "ends with:"'),
        ("10.5", 'query: "10.5"'),
        ("yes", 'query: "yes"'),
    ],
)
def test_a_text_has_quotes_only_where_yaml_needs_them(text: str, first: str) -> None:
    """And reads back equal, folded or not."""
    written = lines({"query": text, "after": 1})
    assert written[0].startswith(first)
    assert read("x.yaml", "\n".join(written).encode()).value == {"query": text, "after": 1}
