"""Judges a JMESPath tree: functions and their arguments, names at the root, words that were meant as values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.errors import Path
from engine.expressions.constants import UNKNOWN, wrong_constant
from engine.expressions.habits import method, piped
from engine.expressions.query import ROOTS, close, nearest
from engine.expressions.remedy import renamed, written
from engine.expressions.signatures import STOCK, arity, spoken
from engine.expressions.values import Issue

_WORDS = frozenset({"true", "false", "null"})
_STEPS = frozenset({"subexpression", "pipe", "index_expression"})
_PROJECTIONS = frozenset({"projection", "value_projection", "filter_projection"})


def inspect_tree(text: str, tree: dict[str, Any], path: Path, of_record: bool = True) -> Iterator[Issue]:
    """Give every issue of a parsed expression; only of a record are ``params`` and its like no fields."""
    if _stray(tree):
        fact = f"'&' stands before no argument in {text!r}"
        yield Issue("expression", fact, "leave it out; it belongs into a call such as sort_by(items, &id)", path, None)
    if habit := method(text, tree, known, path) or piped(text, tree, path):
        yield habit
        return
    for node in walk(tree):
        kind = node["type"]
        if kind == "function_expression":
            yield from _function(text, node, path)
        elif kind == "slice" and len(node["children"]) == 3 and node["children"][2] == 0:
            yield Issue("expression", f"a step of 0 in {text!r}", "leave it out, or use 1", path, None)
        elif kind == "field" and node["value"] in _WORDS and f'"{node["value"]}"' not in text:
            word = node["value"]
            fact = f"{word} is read as a field in {text!r}"
            fix = renamed(text, word, f"`{word}`")
            yield Issue("expression", fact, f"write `{word}`", path, text.find(word), fix=fix)
    for name in sorted(set(roots(tree)) & ROOTS) if of_record else ():
        if f'"{name}"' not in text:  # in quotes it is meant as a field
            yield root_issue(name, text, path)


def _stray(tree: dict[str, Any]) -> bool:
    """Whether an expression reference stands elsewhere than in a call."""
    return tree["type"] == "expref" or any(
        child["type"] == "expref"
        for node in walk(tree)
        if node["type"] != "function_expression"
        for child in node.get("children") or ()
        if isinstance(child, dict)
    )


def root_issue(name: str, text: str, path: Path) -> Issue:
    """Explain that JMESPath sees only the record."""
    plain = re.match(r"\s*([\w.]+)\s*(?:\|\|\s*('[^']*'))?\s*\Z", text)
    body = plain[1] + (f" | default({plain[2]})" if plain[2] else "") if plain else f"{name}.…"
    message = f"'{name}' is not a field of the record"
    fix = written(f"{{{{ {body} }}}}") if plain else ""
    hint = f'write "{{{{ {body} }}}}"; if the record has such a field, put its name in double quotes'
    return Issue("root-not-in-jmespath", message, hint, path, max(0, text.find(name)), fix=fix)


def _constant(node: dict[str, Any]) -> Any:
    return node["value"] if node["type"] == "literal" else UNKNOWN


def _function(text: str, node: dict[str, Any], path: Path) -> Iterator[Issue]:
    name, given = node["value"], len(node["children"])
    at = text.find(f"{name}(")
    allowed = arity(name)
    if allowed is None:
        hint = nearest(name, known()) or "the function library is in the reference"
        fix = renamed(text, name, close(name, known()))
        yield Issue("unknown-function", f"there is no function '{name}'", hint, path, at, fix=fix)
        return
    least, most = allowed
    if given < least or (most is not None and given > most):
        yield Issue("arity", f"{name}() takes {spoken(least, most)}, got {given}", "", path, at)
    elif problem := wrong_constant(name, [_constant(child) for child in node["children"]]):
        yield Issue("bad-argument", f"{name}(): {problem}", "every record would be rejected", path, at)
        return
    for position, child in enumerate(node["children"]):
        is_reference, wants = child["type"] == "expref", position in STOCK.get(name, ((), 0, 0))[0]
        if is_reference != wants:
            what = (
                f"{name}() takes an expression with & as argument {position + 1}" if wants else f"{name}() takes no &"
            )
            yield Issue("expression", what, f"such as {name}(…, &field)" if wants else "", path, at)


def known() -> list[str]:
    """Return the names of all functions JMESPath may call."""
    from engine.expressions.library import library

    return [*STOCK, *library()]


def walk(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give every node."""
    yield tree
    for child in tree.get("children") or ():
        if isinstance(child, dict):
            yield from walk(child)


def roots(node: dict[str, Any]) -> Iterator[str]:
    """Give the names an expression looks up in the record itself; an empty one where it reads the record whole."""
    kind = node["type"]
    children = [child for child in node.get("children") or () if isinstance(child, dict)]
    if kind == "field":
        yield node["value"]
    elif kind in ("current", "identity", "index", "slice"):
        yield ""
    elif kind in _STEPS and children[0]["type"] in ("current", "identity"):
        yield from roots(children[1])
    elif kind in _STEPS or kind in _PROJECTIONS:
        yield from roots(children[0])
    elif kind != "expref":
        for child in children:
            yield from roots(child)


def changing(tree: dict[str, Any]) -> str:
    """Return the first function whose value changes from one moment to the next, or nothing."""
    names = {node["value"] for node in walk(tree) if node["type"] == "function_expression"} - set(STOCK)
    if not names:
        return ""
    from engine.expressions.library import library

    return next((name for name in sorted(names) if name in library() and library()[name].changes), "")
