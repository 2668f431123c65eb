"""``docs/reference`` is what ``make reference`` writes today, and what it is written from is whole."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest

from engine.cli.schemas import PLACE
from engine.definition.schema import Catalog
from scripts.reference.__main__ import FOLDER, ROOT, written
from scripts.reference.pages import Page, anchor, code

CATALOG = Catalog()
MADE = {path.relative_to(ROOT).as_posix(): text for path, text in written().items()}


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_page_is_as_it_would_be_written_today(name: str) -> None:
    """``make reference`` puts it right."""
    file = ROOT / name
    assert file.is_file(), "make reference"
    now, kept = MADE[name], file.read_text("utf-8")
    if name == PLACE:
        assert json.loads(kept) == json.loads(now)
    else:
        assert kept == now


def test_no_page_is_left_over() -> None:
    """A page of something that is gone goes too."""
    assert {path.relative_to(ROOT).as_posix() for path in FOLDER.iterdir()} == set(MADE) - {PLACE}


def test_every_key_is_in_the_reference() -> None:
    """The control of what is written: keys of every depth have their line."""
    text = MADE["docs/reference/pipeline.md"]
    keys = (
        "pipeline",
        "lookback",
        "hmac",
        "retry_for",
        "half_open_calls",
        "overlap",
        "$sensitive",
        "event_id",
        "settle",
    )
    assert [key for key in keys if f"| `{key}` |" not in text] == []
    assert "| `api_keys` |" in MADE["docs/reference/settings.md"]
    assert "| `size_param` |" in MADE["docs/reference/http.md"]


@pytest.mark.parametrize("name", sorted(set(MADE) - {PLACE}))
def test_no_two_sections_of_a_page_share_an_anchor(name: str) -> None:
    """A link would lead to the first of them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", MADE[name], flags=re.DOTALL), re.MULTILINE)
    anchors = [anchor(heading) for heading in headings]
    assert sorted(anchors) == sorted(set(anchors))


def examples(node: Any, document: dict[str, Any], path: str) -> list[Any]:
    """Collect the examples of a schema, each with the schema it is an example of."""
    found: list[Any] = []
    if isinstance(node, dict):
        for number, example in enumerate(node.get("examples", ()) if isinstance(node.get("examples"), list) else ()):
            whole = {**{key: value for key, value in node.items() if key != "definitions"}}
            found.append(
                pytest.param({**whole, "definitions": document["definitions"]}, example, id=f"{path}-{number}")
            )
        for key, value in node.items():
            if key not in ("examples", "default", "enum", "const"):
                found += examples(value, document, f"{path}.{key}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            found += examples(item, document, f"{path}.{index}")
    return found


EXAMPLES = [
    example
    for kind in CATALOG.kinds
    for example in examples(CATALOG.kind(kind).document, CATALOG.kind(kind).document, kind)  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("schema", "example"), EXAMPLES)
def test_every_example_of_a_key_is_valid(schema: dict[str, Any], example: Any) -> None:
    """What the reference shows under a key may stand there; those of connectors are validated in whole files."""
    errors = [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(example)]
    assert errors == []


def test_bars_and_backticks_do_not_break_a_page() -> None:
    """A cell stays a cell, and code stays code."""
    page = Page("A")
    page.table(("a",), [["x | y"], [code("`q`")]])
    assert "| x \\| y |" in page.text()
    assert "| `` `q` `` |" in page.text()
