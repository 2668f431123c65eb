"""``engine validate --fix`` mends a key also where its value is a variable, and leaves the variable alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.main import main

FILE = """\
pipeline: orders
source: {inline: {rows: [{id: 1}]}}
target: {console: {}}
resilience:
  retry: {atempts: "${TRIES:-3}"}
"""


@pytest.mark.parametrize("value", ["${TRIES:-3}", "3"])
def test_a_misspelt_key_is_mended_whatever_its_value_is(value: str, tmp_path: Path) -> None:
    file = tmp_path / "pipelines" / "orders.yaml"
    file.parent.mkdir()
    file.write_text(FILE.replace('"${TRIES:-3}"', f'"{value}"' if "$" in value else value))
    assert main(["--project", str(tmp_path), "validate", "--fix"]) == 0
    assert "{attempts: " in file.read_text()
    assert value in file.read_text()


def test_a_word_of_json_is_not_made_a_field_of_the_record(tmp_path: Path) -> None:
    """In templates null is ``none``; ``record.null`` would be something else."""
    file = tmp_path / "pipelines" / "orders.yaml"
    file.parent.mkdir()
    file.write_text(
        FILE.replace("target:", 'mapping: {a: "{{ record.id or null }}"}\ntarget:').replace("atem", "attem")
    )
    assert main(["--project", str(tmp_path), "validate", "--fix"]) == 0
    assert '"{{ record.id or none }}"' in file.read_text()
