"""What a condition of a template says of the fields it asks after: which are there, and not null, where it holds."""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import nodes

Place = tuple[str, ...]
Known = frozenset[tuple[Place, bool]]
"""Paths that are there; with true, that are not null either."""

_NOTHING: Known = frozenset()
_ORDERS = frozenset({"lt", "lteq", "gt", "gteq"})
_NULL_TESTS = frozenset({"none", "null"})
_VALUE_TESTS = frozenset({"string", "number", "boolean", "mapping", "sequence", "true", "false", "odd", "even"})
_LENIENT = frozenset({"default", "d", "tojson"})


def place(node: nodes.Node) -> Place:
    """Return a name and the fields that follow it, empty where it is no plain path."""
    parts: list[str] = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        key = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
        if not isinstance(key, str):
            return ()
        parts.insert(0, key)
        node = node.node
    return (node.name, *parts) if isinstance(node, nodes.Name) else ()


def holds(node: nodes.Node, truth: bool = True) -> Known:
    """Return what is sure where a condition is true (or false)."""
    if isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem)):
        found = place(node)
        return frozenset({(found, truth)}) if found else _NOTHING
    if isinstance(node, nodes.Not):
        return holds(node.node, not truth)
    if isinstance(node, (nodes.And, nodes.Or)):
        return _joined(node, truth)
    if isinstance(node, nodes.Compare):
        return _compared(node, truth)
    if isinstance(node, nodes.Test):
        return _tested(node, truth)
    return frozenset((found, True) for found in _strict(node))


def _joined(node: nodes.BinExpr, truth: bool) -> Known:
    left, right = holds(node.left, truth), holds(node.right, truth)
    if isinstance(node, nodes.And) is truth:
        return left | right
    # what one side asks after is cared for, whichever side holds: nothing is said of it later on
    return (left & right) | (frozenset(_asked(node)) if truth else _NOTHING)


def _asked(node: nodes.Node) -> Iterator[tuple[Place, bool]]:
    if isinstance(node, (nodes.And, nodes.Or)):
        yield from _asked(node.left)
        yield from _asked(node.right)
    elif _asks(node):
        yield from holds(node)


def _asks(node: nodes.Node) -> bool:
    """Tell whether this is a path, or tells whether one is there or not null."""
    if isinstance(node, nodes.Not):
        return isinstance(node.node, nodes.Test) and node.node.name in _NULL_TESTS
    if isinstance(node, nodes.Test):
        return node.name == "defined"
    if isinstance(node, nodes.Compare):
        return node.ops[0].op == "ne"
    return isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem))


def _compared(node: nodes.Compare, truth: bool) -> Known:
    if len(node.ops) != 1:
        return frozenset((found, True) for part in (node.expr, node.ops[0].expr) for found in _strict(part))
    left, right, sign = node.expr, node.ops[0].expr, node.ops[0].op
    if sign in _ORDERS:
        # null has no order: the record is rejected, whatever the condition would be
        return frozenset((found, True) for part in (left, right) for found in _strict(part))
    if sign in ("eq", "ne"):
        for one, other in ((left, right), (right, left)):
            if isinstance(other, nodes.Const):
                same = (sign == "eq") is truth
                sure = same is not (other.value is None)
                if not sure and not same and other.value == "":
                    return frozenset((found, True) for found in _stood_in(one))
                return frozenset((found, True) for found in _strict(one)) if sure else _NOTHING
    if sign == "in" and truth and isinstance(right, nodes.List):
        choices = [item.value for item in right.items if isinstance(item, nodes.Const)]
        if len(choices) == len(right.items) and None not in choices:
            return frozenset((found, True) for found in _strict(left))
    return _NOTHING


def _tested(node: nodes.Test, truth: bool) -> Known:
    found = place(node.node)
    if not found:
        return _NOTHING
    if node.name in ("defined", "undefined"):
        return frozenset({(found, False)}) if (node.name == "defined") is truth else _NOTHING
    if node.name in _NULL_TESTS:
        return frozenset({(found, not truth)})
    return frozenset({(found, truth)}) if node.name in _VALUE_TESTS else _NOTHING


def _stood_in(node: nodes.Node | None) -> Iterator[Place]:
    """Give the paths that an empty text stands in for: ``a or ''``, ``a | default('') | trim``."""
    while isinstance(node, nodes.Filter) and node.name not in _LENIENT:
        node = node.node
    inner = node.node if isinstance(node, nodes.Filter) else node.left if isinstance(node, nodes.Or) else None
    if inner is not None:
        yield from _strict(inner)


def _strict(node: nodes.Node) -> Iterator[Place]:
    """Give the paths that were not null if *node* has a value at all."""
    if isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem)):
        if found := place(node):
            yield found
    elif isinstance(node, nodes.Filter) and node.name not in _LENIENT and node.node is not None:
        yield from _strict(node.node)
    elif isinstance(node, (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow)):
        yield from _strict(node.left)
        yield from _strict(node.right)


def guarded(tree: nodes.Node) -> Iterator[str]:
    """Give the names of fields whose absence a template provides for."""
    for node in tree.find_all((nodes.Test, nodes.Filter, nodes.CondExpr, nodes.If, nodes.And, nodes.Or, nodes.Not)):
        if isinstance(node, nodes.Test) or (isinstance(node, nodes.Filter) and node.name in ("default", "d")):
            inner: list[nodes.Node | None] = [node.node]
        elif isinstance(node, (nodes.CondExpr, nodes.If)):
            inner = [node.test]
        elif isinstance(node, (nodes.And, nodes.Or)):
            inner = [node.left]
        else:
            inner = [node.node] if isinstance(node, nodes.Not) else []
        for part in inner:
            if part is not None:
                yield from _names(part)


def _names(node: nodes.Node) -> Iterator[str]:
    for part in (node, *node.find_all((nodes.Getattr, nodes.Getitem))):
        if isinstance(part, nodes.Getattr):
            yield part.attr
        elif isinstance(part, nodes.Getitem) and isinstance(getattr(part.arg, "value", None), str):
            yield part.arg.value  # type: ignore[attr-defined]
