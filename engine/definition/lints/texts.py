"""Where the texts of a definition stand: expressions of mappings and steps, and any text at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.definition.model import PipelineDefinition
from engine.errors import Path

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`")

Text = tuple[Path, str]


def is_template(text: str) -> bool:
    """Whether *text* is Jinja, not JMESPath."""
    return "{{" in text or "{%" in text


def without_quoted(text: str) -> str:
    """Blank the texts and literals of a JMESPath expression, keeping every position."""
    return _QUOTED.sub(lambda match: " " * len(match[0]), text)


def everything(value: Any) -> Iterator[str]:
    """Yield every text in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from everything(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from everything(item)


def placed(value: Any, path: Path) -> Iterator[Text]:
    """Yield every text in plain data, each with its path; *path* is that of *value*."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from placed(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from placed(item, (*path, index))


def fields(mapping: Any, path: Path) -> Iterator[Text]:
    """Yield the expressions of a mapping, each with its path; not its literals."""
    if isinstance(mapping, str):
        yield path, mapping
    elif isinstance(mapping, list):
        for index, item in enumerate(mapping):
            yield from fields(item, (*path, index))
    elif isinstance(mapping, dict):
        for key, item in mapping.items():
            if key in ("$value", "$each") and isinstance(item, str):
                yield (*path, key), item
            elif key == "$map" or not key.startswith("$"):
                yield from fields(item, (*path, key))


def mappings(definition: PipelineDefinition) -> Iterator[tuple[Path, Any]]:
    """Yield every mapping of a pipeline."""
    for step in definition.steps:
        yield from _step_mappings(step.kind, step.body, step.path)
    for target in definition.targets:
        if target.mapping is not None:
            yield (*target.path, "mapping"), target.mapping


def conditions(definition: PipelineDefinition) -> Iterator[Text]:
    """Yield every condition of a pipeline."""
    for step in definition.steps:
        yield from _step_conditions(step.kind, step.body, step.path)
    for target in definition.targets:
        if isinstance(target.when, str):
            yield (*target.path, "when"), target.when


def _step_mappings(kind: str, body: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if kind in ("map", "set"):
        yield path, body
    for inner in _cases(kind, body, path):
        yield from _step_mappings(*inner)


def _step_conditions(kind: str, body: Any, path: Path) -> Iterator[Text]:
    if kind == "filter" and isinstance(body, str):
        yield path, body
    elif kind == "check" and isinstance(body.get("that"), str):
        yield (*path, "that"), body["that"]
    elif kind in ("lookup", "call") and isinstance(body.get("when"), str):
        yield (*path, "when"), body["when"]
    elif kind == "switch":
        for index, case in enumerate(body):
            if isinstance(case.get("when"), str):
                yield (*path, index, "when"), case["when"]
    for inner in _cases(kind, body, path):
        yield from _step_conditions(*inner)


def _cases(kind: str, body: Any, path: Path) -> Iterator[tuple[str, Any, Path]]:
    """Yield the steps inside a switch."""
    for index, case in enumerate(body if kind == "switch" else ()):
        for key in ("steps", "else"):
            for at, step in enumerate(case.get(key, ())):
                for name, inner in step.items():
                    if name != "id" and not name.startswith("x-"):
                        yield name, inner, (*path, index, key, at, name)
