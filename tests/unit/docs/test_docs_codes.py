"""docs/messages.md lists every code there is, and no other."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.unit.docs.pages import ROOT, prose

PAGE = ROOT / "docs" / "messages.md"
SAYS = frozenset(
    {
        *("Issue", "issue", "_issue", "Misfit", "Wrong", "Finding", "Problem", "_problem", "Missing"),
        *("RecordError", "Failure", "note"),
    }
)
"""What takes a code as its first text that looks like one."""
LEVELS = frozenset({"error", "warning", "info"})
MADE = frozenset({"duplicate-pipeline", "duplicate-connection", "check", "error", "internal"})
"""Codes that are put together, or are a default in a schema."""
_KEBAB = re.compile(r"(?!x-)[a-z]+(-[a-z]+)+")
_ROW = re.compile(r"^\| (?:\[`|`)([a-z0-9-]+)`", re.MULTILINE)
_CODE = re.compile(r"[a-z]+(-[a-z0-9]+)*")


def texts(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def said(tree: ast.AST) -> Iterator[str]:
    """Yield the codes that a module hands to what takes one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.Assign) and [getattr(t, "id", "") for t in item.targets] == ["code"]:
                    yield from texts(item.value)
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        found = [text for text in given if _CODE.fullmatch(text) and text not in LEVELS]
        # a note of a run's log begins with its level; others only share the name
        if name in SAYS and (name != "note" or LEVELS & {*given}):
            yield from found[:1]


def of_schemas(node: Any) -> Iterator[str]:
    """Yield the codes that schemas give to their failures."""
    if isinstance(node, dict):
        for words in (node.get("x-errors") or {}).values():
            if isinstance(words, dict) and "code" in words:
                yield words["code"]
        for value in node.values():
            yield from of_schemas(value)
    elif isinstance(node, list):
        for item in node:
            yield from of_schemas(item)


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def codes() -> set[str]:
    """Return every code that the engine can say."""
    found = set(MADE)
    for path in modules("engine", "connectors"):
        if "conformance" not in path.parts:
            found |= set(said(ast.parse(path.read_text("utf-8"))))
    for path in modules("engine/definition", "engine/compiler", "engine/expressions", "engine/runtime"):
        found |= {text for text in texts(ast.parse(path.read_text("utf-8"))) if _KEBAB.fullmatch(text)}
    for path in (ROOT / "schemas").rglob("*.json"):
        found |= set(of_schemas(json.loads(path.read_text("utf-8"))))
    return found


def listed() -> set[str]:
    """Return the codes of the page's tables."""
    return set(_ROW.findall(prose(PAGE)))


def sections() -> dict[str, set[str]]:
    """Return the sections of the page with their codes."""
    parts = re.split(r"^#{2,3} (.+)$", prose(PAGE), flags=re.MULTILINE)[1:]
    return {title: set(_ROW.findall(text)) for title, text in zip(parts[::2], parts[1::2], strict=True)}


def test_every_code_is_listed() -> None:
    """Who meets a code finds it on the page."""
    assert codes() - listed() == set()


def test_every_listed_code_is_there() -> None:
    """The page speaks of no code that nobody says."""
    assert listed() - codes() == set()


def test_the_collection_finds_codes() -> None:
    """The control: what is found in a text is found by this collection."""
    tree = ast.parse("Finding(path, True, 'new-code', 'fact')\nnote('warning', 'told', 'text')\nother('not-one')")
    assert set(said(tree)) == {"new-code", "told"}
    assert len(codes()) > 80


def test_codes_in_the_expected_problems_are_listed() -> None:
    """Every mistake that the tests of definitions collect has its line."""
    folder = ROOT / "tests" / "definitions" / "invalid"
    told = re.compile(r"(?:error|warning)\[([a-z-]+)\]")
    assert {code for file in folder.rglob("*expected") for code in told.findall(file.read_text())} - listed() == set()
