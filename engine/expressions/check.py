"""Finds mistakes without compiling: what ``engine validate`` asks for every expression of a project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from engine.errors import Path
from engine.expressions.paths import is_template, plain_path
from engine.expressions.plan import Lookup, Node, Query, Text
from engine.expressions.program import Program
from engine.expressions.reader import Reader
from engine.expressions.values import PIPELINE_NAMES, SOURCE_NAMES, TARGET_NAMES, Issue, Settings, StepLike


def check_steps(
    steps: Sequence[StepLike], visible: Set[str] = PIPELINE_NAMES, settings: Settings | None = None
) -> list[Issue]:
    """Find the mistakes of steps; with *settings* also in the files they name."""
    program = Program(visible, settings)
    program.steps(steps)
    lints = [lint for step in steps if step.kind in ("map", "set") for lint in looks_constant(step.body, step.path)]
    return [*program.issues, *lints]


def check_value(value: Any, path: Path, visible: Set[str] = TARGET_NAMES) -> list[Issue]:
    """Find the mistakes of a mapping."""
    reader = Reader(visible)
    reader.value(value, path)
    return [*reader.issues, *looks_constant(value, path)]


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


def looks_constant(value: Any, path: Path) -> list[Issue]:
    """Warn of words in capitals among names in small letters: ``type: DEBIT`` reads a field."""
    found: list[Lookup] = []
    _lookups(value, path, found)
    single = [lookup for lookup in found if len(lookup.steps) == 1]
    capitals = [lookup for lookup in single if _is_capital(lookup.steps[0])]
    if len(capitals) * 2 > len(found):
        return []  # a source whose columns are written so
    return [_constant(lookup) for lookup in capitals]


def _is_capital(step: str | int) -> bool:
    return isinstance(step, str) and len(step) > 1 and step.isupper() and step.replace("_", "").isalpha()


def _lookups(value: Any, path: Path, found: list[Lookup]) -> None:
    if isinstance(value, str):
        steps = None if is_template(value) else plain_path(value)
        if steps:
            found.append(Lookup(path, steps))
    elif isinstance(value, Mapping):
        fixed = {"$const", "$default", "$field", "$copy", "$type", "$format"}
        for key, item in value.items():
            if key not in fixed:
                _lookups(item, (*path, key), found)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _lookups(item, (*path, index), found)


def _constant(lookup: Lookup) -> Issue:
    word = lookup.steps[0]
    message = f"'{word}' is read as a field name, and a record without it is rejected"
    return Issue("looks-constant", message, f"for the text write {{$const: {word}}}", lookup.path, 0, "warning")
