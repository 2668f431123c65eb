"""The lists of the pages are whole: keys, steps, connectors, settings, and what is not built yet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.docs.pages import ROOT, prose

SCHEMAS = ROOT / "schemas"
CONNECTORS = sorted(path.stem for path in (SCHEMAS / "connectors").glob("*.json"))


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))


def section(page: str, title: str) -> str:
    """Return the prose of a section, down to the next heading of its height."""
    found = re.search(rf"^(#+) {re.escape(title)}$", text := prose(ROOT / page), re.MULTILINE)
    assert found, f"{page} has no section '{title}'"
    after = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", after, re.MULTILINE)
    return after[: end.start()] if end else after


def named(text: str) -> set[str]:
    """Return the words that stand between backticks, and the first word of a longer piece."""
    pieces = re.findall(r"`([^`\n]+)`", text)
    return {*pieces, *(re.split(r"[:\s]", piece)[0] for piece in pieces)}


def not_yet(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node.get("x-not-yet", ())
        for value in node.values():
            yield from not_yet(value)
    elif isinstance(node, list):
        for item in node:
            yield from not_yet(item)


def leaves(node: Any, path: str = "") -> Iterator[str]:
    """Yield the dotted names of the settings: where a map's own keys are known, those."""
    for key, below in node.get("properties", {}).items():
        inner = f"{path}.{key}" if path else key
        if below.get("properties") and key != "defaults":
            yield from leaves(below, inner)
        else:
            yield inner


def test_what_is_not_built_is_named_as_such() -> None:
    """Nobody looks in vain for a key that the schemas reserve."""
    page = section("docs/language.md", "17. Part of the language, not built yet")
    known = {"inbox", "duplicates", "max_store"}  # parts of retention: they follow the server's own keys
    reserved = {key for name in ("pipeline", "connections", "settings") for key in not_yet(schema(name))} - known
    missing = reserved - named(page) - {"tests"}
    assert missing == set()


def test_every_key_of_a_pipeline_is_explained() -> None:
    """The table of the language guide has a line for each."""
    page = section("docs/language.md", "3. A pipeline, key by key")
    assert set(schema("pipeline")["properties"]) - named(page) == set()


def test_every_step_is_explained() -> None:
    """A step of the schema is a step of the guide."""
    steps = set(schema("pipeline")["definitions"]["step"]["properties"]) - {"id"}
    assert steps - named(section("docs/language.md", "6. Steps")) == set()


def test_every_key_of_a_target_and_of_a_cursor_is_explained() -> None:
    """The tables of the language guide have a line for each."""
    definitions = schema("pipeline")["definitions"]
    target = section("docs/language.md", "7. Targets")
    assert {*definitions["target"]["properties"], "id", "when"} - named(target) - {"batch"} == set()
    cursor = section("docs/language.md", "4. Source and cursor")
    assert set(definitions["cursor"]["properties"]) - named(cursor) == set()


def test_every_setting_is_explained() -> None:
    """The table of the settings is whole."""
    page = section("docs/operations.md", "Settings")
    lines = named(page)
    for setting in leaves(schema("settings")):
        short = f".{setting.rpartition('.')[2]}"
        assert setting in lines or short in lines or f"{setting}.timezone" in lines, setting


@pytest.mark.parametrize("page", ["README.md", "docs/language.md"])
def test_every_connector_is_named(page: str) -> None:
    """What there is to connect to is in both lists, and a new one is not forgotten."""
    title = "What is there, and what is not there yet" if page == "README.md" else "9. Connections"
    assert set(CONNECTORS) - named(section(page, title)) == set()


def test_a_section_ends_where_the_next_begins() -> None:
    """The control: what stands in another section does not count."""
    assert "lookback" not in named(section("docs/language.md", "6. Steps"))
