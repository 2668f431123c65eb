"""What the operators of templates go between: arithmetic, comparisons."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes

from engine.expressions.jinja.code import place_of
from engine.expressions.types import calls, guards, kinds
from engine.expressions.types.acts import NUMERIC, union, unions
from engine.expressions.types.model import ANY, INTEGER, NUMBER, TEXT, Kind, Type, listed
from engine.expressions.types.report import Told

ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow)

_LIST: frozenset[Kind] = frozenset({"list"})
_TEXT: frozenset[Kind] = frozenset({"text"})
_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="}
_GOES = {True: "goes between two numbers, two texts or two lists", False: "goes between numbers"}


def arithmetic(told: Told, node: Any, left: Type, right: Type) -> Type:
    """Return what ``left sign right`` gives."""
    sign = node.operator
    if left.any or right.any:
        return ANY if sign == "+" else NUMBER
    groups: tuple[frozenset[Kind], ...] = (NUMERIC, _TEXT, _LIST) if sign == "+" else (NUMERIC,)
    if kinds.unordered(left, right, groups):
        subject = f"{calls.said(said(node.left), left)} and {calls.said(said(node.right), right)}"
        told.mismatch(f"{subject}; '{sign}' {_GOES[sign == '+']}", _remedy(left, right), last(node.left))
        return ANY
    whole = "number" not in left.kinds | right.kinds and sign in "+-*"
    made = [INTEGER if whole else NUMBER] if left.kinds & NUMERIC and right.kinds & NUMERIC else []
    if sign == "+":
        made += [TEXT] if left.kinds & right.kinds & _TEXT else []
        items = None if left.items is None or right.items is None else union(left.items, right.items)
        made += [listed(items)] if left.kinds & right.kinds & _LIST else []
    return unions(made)


def compare(told: Told, node: Any, types: list[Type]) -> None:
    """Judge a comparison, or a chain of them; *types* are those of its parts."""
    parts = [node.expr, *(part.expr for part in node.ops)]
    for position, operand in enumerate(node.ops):
        left, right = types[position : position + 2]
        if not left.any and not right.any:
            _judge(told, operand.op, left, right, parts[position : position + 2])


def _judge(told: Told, sign: str, left: Type, right: Type, parts: list[Any]) -> None:
    if sign in ("eq", "ne"):
        if kinds.disjoint(left, right, flags_are_numbers=True):
            never = "are always different" if sign == "ne" else "are never equal"
            _mixed(told, left, right, parts, f"they {never}")
        else:
            _strange(told, left, right, parts)
    elif sign in _SIGNS and kinds.unordered(left, right, kinds.JINJA_ORDER):
        _mixed(told, left, right, parts, f"{_SIGNS[sign]} orders numbers with numbers and texts with texts")


def _strange(told: Told, left: Type, right: Type, parts: list[Any]) -> None:
    wrong = kinds.strange(left, right)
    literals = [isinstance(part, nodes.Const) for part in parts]
    if wrong is not None and sum(literals) == 1:
        known = 1 if literals[0] else 0
        calls.strange(told, said(parts[known]), wrong, (left, right)[known].choices)


def _mixed(told: Told, left: Type, right: Type, parts: list[Any], why: str) -> None:
    message = f"{calls.said(said(parts[0]), left)} and {calls.said(said(parts[1]), right)}; {why}"
    hint, fix = "", ""
    for part, against in ((parts[0], right), (parts[1], left)):
        if isinstance(part, nodes.Const):
            hint, fix = calls.quoted(told, part.value, against, ("", ""))
    told.mismatch(message, hint or _remedy(left, right), last(parts[0]) or last(parts[1]), fix)


def _remedy(left: Type, right: Type) -> str:
    if "text" in left.kinds | right.kinds:
        return "read a number from text with | number or | decimal; join texts with ~"
    return ""


def said(node: Any) -> str:
    """Write an expression as people call it."""
    if isinstance(node, nodes.Const):
        return f"'{node.value}'" if isinstance(node.value, str) else str(node.value)
    if isinstance(node, (nodes.Getattr, nodes.Getitem)):
        return place_of(node) or "this"
    if isinstance(node, nodes.Name):
        return str(node.name)
    if isinstance(node, nodes.Filter):
        return f"what {node.name} gives"
    return "this"


def last(node: Any) -> str:
    """Return the last name of a path, empty for anything else."""
    found = guards.place(node)
    return found[-1] if found else ""
