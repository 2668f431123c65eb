"""Reads what was judged before: the same trees as the check, without its issues."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from engine.errors import Path
from engine.expressions.paths import plain_path
from engine.expressions.plan import Node, Query, Text
from engine.expressions.program import Program
from engine.expressions.query import parse
from engine.expressions.reader import Reader
from engine.expressions.values import ALL_NAMES, Settings


class Known(Reader):
    """A reader for what was checked: templates are not judged again."""

    def __init__(self, visible: Set[str] = ALL_NAMES) -> None:
        super().__init__(visible)

    def template(self, text: str, path: Path) -> Node:
        """Take Jinja as it is; where it cannot be read nothing is known of it."""
        return Text(path, text)


def known_program(settings: Settings | None = None) -> Program:
    """Return what reads steps and conditions that were checked."""
    program = Program(ALL_NAMES, settings)
    program.reader = Known()
    return program


def read_query(text: Any, path: Path) -> Query | None:
    """Read JMESPath over any document; None where it cannot be read."""
    steps = plain_path(text) if isinstance(text, str) else None
    if steps is not None:
        return Query(path, text, _of_path(steps))
    tree = parse(text, path, of_record=False)[0] if isinstance(text, str) else None
    return Query(path, text, tree) if tree is not None else None


def _of_path(steps: tuple[str | int, ...]) -> dict[str, Any]:
    """Write a plain path as a tree."""
    children: list[dict[str, Any]] = [
        {"type": "index" if isinstance(step, int) else "field", "value": step, "children": []} for step in steps
    ]
    return children[0] if len(children) == 1 else {"type": "subexpression", "children": children}
