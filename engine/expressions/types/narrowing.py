"""What a JMESPath condition says of the fields it asks after: which are there, and not null, where it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Tree = dict[str, Any]
Place = tuple[str, ...]
_NOBODY: frozenset[Place] = frozenset()
_EQUAL = ("eq", "ne")
_STRICT = frozenset({"starts_with", "ends_with", "contains", "length", "upper", "lower", "trim", "abs", "matches"})


def place(tree: Tree) -> Place:
    """Return the names a tree goes through, empty where it is no plain path."""
    kind = tree["type"]
    if kind == "field":
        return (tree["value"],)
    if kind == "subexpression":
        parts = [place(child) for child in tree["children"]]
        return tuple(name for part in parts for name in part) if all(parts) else ()
    return ()


def holds(tree: Tree, truth: bool = True) -> frozenset[Place]:
    """Return the paths that are surely not null where a condition is true (or false)."""
    kind = tree["type"]
    if kind in ("field", "subexpression"):
        found = place(tree)
        return frozenset({found}) if truth and found else _NOBODY
    if kind == "not_expression":
        return holds(tree["children"][0], not truth)
    if kind in ("and_expression", "or_expression"):
        return _joined(tree, truth, kind == "and_expression")
    if kind == "comparator":
        return _compared(tree, truth)
    if kind == "function_expression" and tree["value"] in _STRICT:
        return _places(tree["children"])
    return _NOBODY


def _joined(tree: Tree, truth: bool, conjunction: bool) -> frozenset[Place]:
    left, right = (holds(child, truth) for child in tree["children"])
    if conjunction and not truth and tree["children"][1]["type"] == "literal" and tree["children"][1]["value"]:
        return left  # a && 'x' is false only where a is
    if truth is conjunction:
        return left | right
    # what one side asks after is cared for, whichever side holds: nothing is said of it later on
    return (left & right) | (frozenset(asked(tree)) if truth else _NOBODY)


def _compared(tree: Tree, truth: bool) -> frozenset[Place]:
    left, right = tree["children"]
    sign = tree["value"]
    if sign not in _EQUAL:
        # null has no order: such a condition gives null, which no condition may
        return _places((left, right)) | _measured((left, right)) if truth else _NOBODY
    for one, other in ((left, right), (right, left)):
        if other["type"] == "literal":
            is_null = other["value"] is None
            same = (sign == "eq") is truth
            if same is not is_null:
                return _places((one,)) | _measured((one,))
            # trim(a || '') != '': who gives null a value there has thought of it
            return _measured((one,)) if not same and other["value"] == "" else _NOBODY
    return _NOBODY


def _measured(trees: Any) -> frozenset[Place]:
    """Give the paths that functions are asked about; their author has thought of null."""
    given = [child for tree in trees if tree["type"] == "function_expression" for child in tree["children"]]
    return _places(child["children"][0] if child["type"] == "or_expression" else child for child in given)


def _places(trees: Any) -> frozenset[Place]:
    return frozenset(found for tree in trees if (found := place(tree)))


def asked(tree: Tree) -> Iterator[Place]:
    """Give the paths an expression asks after: whether they are true, or not null."""
    kind = tree["type"]
    children = [child for child in tree.get("children") or () if isinstance(child, dict)]
    if kind in ("and_expression", "or_expression"):
        yield from _places(children)
    elif kind == "comparator" and tree["value"] == "ne":
        yield from _places(children) if any(child["type"] == "literal" for child in children) else ()
    elif kind == "filter_projection":
        return
    for child in children:
        yield from asked(child)


def guarded(tree: Tree) -> Iterator[str]:
    """Give the names whose absence an expression provides for."""
    children = [child for child in tree.get("children") or () if isinstance(child, dict)]
    for child in _provided(tree, children):
        yield from _names(child)
    for child in children:
        yield from guarded(child)


def _provided(tree: Tree, children: list[Tree]) -> list[Tree]:
    kind = tree["type"]
    if kind in ("or_expression", "and_expression"):
        return children[:1]
    if kind == "function_expression":
        return children if tree["value"] in ("not_null", "type") else []
    if kind == "comparator":
        nulls = any(child["type"] == "literal" and child["value"] is None for child in children)
        return children if nulls else []
    return children if kind == "not_expression" else []


def _names(tree: Tree) -> Iterator[str]:
    if tree["type"] == "field":
        yield tree["value"]
    for child in tree.get("children") or ():
        if isinstance(child, dict):
            yield from _names(child)
