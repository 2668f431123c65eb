"""What is written as YAML means the same when it is read: in recorded tests, in updates, in starters."""

from __future__ import annotations

import pytest

from engine.cli.yamltext import flow, lines
from engine.definition.document import read

_TEXTS = [
    "a\nb", "a\nb\n", "a\n\nb", "a\nb\n\n", "\n", "\n\na", " a\nb", "a  \nb", "a\n  b", "a\n\tb", "a\t\nb", "a\r\nb",
    "a\u0085b", "a\u2028b\nc", "\ufeffa", "a\x07b\nc", "x " * 80 + "y", ("x " * 60) + "\ufeff" + ("y " * 30) + "z",
    "yes", "null", "~", "1e3", "012", "1_000", "0x1f", "- x", "a: b #c", "a #b", "*x", "&x", "!t", "%d", "@a", "`a",
    "2026-01-01", "", " ", "'", '"', "\\", "é 😀", "{a}", "[a]", "a,b", "?", "a:", ":a", "...", "---", "=", "<<",
]  # fmt: skip


@pytest.mark.parametrize("text", _TEXTS, ids=repr)
def test_a_text_reads_back_as_it_was(text: str) -> None:
    """In a block, in a list, on one line, as a key."""
    value = {"text": text, "list": [text, {"inner": text}], "flow": {"a": text}}
    for written in ("\n".join(lines(value)) + "\n", flow(value) + "\n", flow({text: 1}) + "\n"):
        document = read("x.yaml", written.encode())
        assert not document.problems, f"{document.problems}\n{written}"
        assert document.value in (value, {text: 1}), written
