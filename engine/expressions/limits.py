"""What a JMESPath expression may cost: depth and growth, judged before it runs."""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 32
MAX_CHAIN = 100
MAX_GROWTH = 4096
"""How many times a result may repeat its input: ``[@, @] | [@, @]`` repeats it four times."""

_CHAINS = {"or_expression", "and_expression", "pipe"}
_SEQUENCES = {"subexpression", "pipe", "index_expression"}


def too_complex(tree: dict[str, Any]) -> str:
    """Return what is too much about *tree*, or nothing."""
    depth, chain = _depth(tree)
    if depth > MAX_DEPTH:
        return f"nests {depth} levels deep, and {MAX_DEPTH} are allowed"
    if chain > MAX_CHAIN:
        return f"chains {chain} parts, and {MAX_CHAIN} are allowed"
    if _growth(tree) > MAX_GROWTH:
        return "repeats its input too often"
    return ""


def _depth(tree: dict[str, Any]) -> tuple[int, int]:
    """Measure nesting and the longest run of one operator, without recursion: the tree may be hostile."""
    deepest, longest = 0, 0
    stack: list[tuple[Any, int, int]] = [(tree, 1, 1)]
    while stack:
        node, depth, run = stack.pop()
        deepest, longest = max(deepest, depth), max(longest, run)
        for position, child in enumerate(node.get("children") or ()):
            if isinstance(child, dict):
                same = position == 0 and node["type"] in _CHAINS and child["type"] == node["type"]
                stack.append((child, depth if same else depth + 1, run + 1 if same else 1))
        longest = max(longest, len(node.get("children") or ()))
        if node["type"] == "literal":
            deepest = max(deepest, depth + _nesting(node["value"]))
    return deepest, longest


def _nesting(value: Any) -> int:
    """Measure how deep lists and objects nest in plain data, without recursion."""
    deepest = 0
    stack = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        deepest = max(deepest, depth)
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        stack.extend((part, depth + 1) for part in inner)
    return deepest


def _growth(node: Any) -> int:
    """Bound how many copies of its input the result of *node* can hold."""
    if not isinstance(node, dict):
        return 1
    kind = node["type"]
    parts = [_growth(child) for child in node.get("children") or ()]
    if kind == "filter_projection":
        return min(parts[0] * parts[1], MAX_GROWTH + 1)
    if kind in _SEQUENCES or kind in {"projection", "value_projection"}:
        product = 1
        for part in parts:
            product = min(product * part, MAX_GROWTH + 1)
        return product
    if kind in {"multi_select_list", "multi_select_dict"}:
        return min(sum(parts), MAX_GROWTH + 1)
    if kind in {"or_expression", "and_expression"}:
        return max(parts)
    if kind == "function_expression":
        return _call(node["value"], parts)
    return max(parts, default=1)


def _call(name: str, parts: list[int]) -> int:
    if name in {"map", "join", "replace"}:
        product = 1
        for part in parts:
            product *= part
        return min(product, MAX_GROWTH + 1)
    # every round of JSON text doubles the backslashes of the one before
    return min(sum(parts) * 2 if name == "to_string" else max(1, sum(parts)), MAX_GROWTH + 1)
