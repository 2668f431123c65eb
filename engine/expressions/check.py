"""Finds mistakes without compiling: what ``engine validate`` asks for every expression of a project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from engine.errors import Path
from engine.expressions.paths import is_template, plain_path
from engine.expressions.plan import Node, Query, Text
from engine.expressions.program import ASKING, Program
from engine.expressions.reader import Reader
from engine.expressions.values import PIPELINE_NAMES, SOURCE_NAMES, TARGET_NAMES, Issue, Settings, StepLike


def check_steps(
    steps: Sequence[StepLike], visible: Set[str] = PIPELINE_NAMES, settings: Settings | None = None
) -> list[Issue]:
    """Find the mistakes of steps; with *settings* also in the files they name."""
    program = Program(visible, settings)
    program.steps(steps)
    for step in steps:
        if step.kind in ASKING and isinstance(step.body, Mapping):
            _asking(program.reader, step.body, step.path)
    return program.issues


def _asking(reader: Reader, body: Mapping[str, Any], path: Path) -> None:
    """Read what a ``lookup`` compares and what tells a ``call`` from another."""
    match = body.get("match")
    for name, text in match.items() if isinstance(match, Mapping) else ():
        read_key(reader, text, (*path, "match", name))
    if "key" in body:
        read_key(reader, body["key"], (*path, "key"))


def check_value(value: Any, path: Path, visible: Set[str] = TARGET_NAMES) -> list[Issue]:
    """Find the mistakes of a mapping."""
    reader = Reader(visible)
    reader.value(value, path)
    return reader.issues


def check_condition(value: Any, path: Path, visible: Set[str] = PIPELINE_NAMES) -> list[Issue]:
    """Find the mistakes of a condition."""
    program = Program(visible)
    program.condition(value, path)
    return program.issues


def check_key(value: Any, path: Path, visible: Set[str] = TARGET_NAMES) -> list[Issue]:
    """Find the mistakes of a key."""
    reader = Reader(visible)
    read_key(reader, value, path)
    return reader.issues


def read_key(reader: Reader, value: Any, path: Path) -> list[Node]:
    """Read a key's parts; functions whose value changes are mistakes."""
    parts = list(enumerate(value)) if isinstance(value, (list, tuple)) else [(None, value)]
    if not parts:
        reader.issue("field", "a key has at least one part", "write key: id", path)
    nodes = []
    for index, part in parts:
        place = path if index is None else (*path, index)
        if not isinstance(part, str):
            reader.issue("field", "a key is an expression, or a list of expressions", "write key: id", place)
            continue
        node = reader.text(part, place)
        name = changing(node)
        if name:
            hint = "a key must be the same when the record is sent again"
            reader.issue(
                "changes-in-key",
                f"the value of {name}() changes from one moment to the next",
                hint,
                place,
                part.find(name),
            )
        nodes.append(node)
    return nodes


def changing(node: Node) -> str:
    """Return the first function in an expression whose value changes, or nothing."""
    if isinstance(node, Query):
        from engine.expressions import inspection

        return inspection.changing(node.tree)
    if isinstance(node, Text):
        from engine.expressions.jinja import check

        tree, _ = check.parse(node.text, node.path)
        return check.changing(tree) if tree is not None else ""
    return ""


def check_template(value: Any, path: Path, visible: Set[str] = SOURCE_NAMES) -> list[Issue]:
    """Find the mistakes of an option whose texts are Jinja, at any depth."""
    if isinstance(value, Mapping):
        return [issue for key, item in value.items() for issue in check_template(item, (*path, key), visible)]
    if isinstance(value, (list, tuple)):
        return [issue for index, item in enumerate(value) for issue in check_template(item, (*path, index), visible)]
    reader = Reader(visible)
    if isinstance(value, str) and (is_template(value) or "${{" in value):
        reader.template(value, path)
    return reader.issues


def check_expression(text: Any, path: Path) -> list[Issue]:
    """Find the mistakes of an option that is JMESPath over a document."""
    reader = Reader(frozenset())
    if not isinstance(text, str):
        reader.issue("expression", "this takes JMESPath", "quote it", path)
    elif plain_path(text) is None:
        reader.query(text, path)
    return reader.issues
