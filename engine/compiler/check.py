"""Finds what is wrong in a project's expressions and triggers before anything runs; loads no connector."""

from __future__ import annotations

from collections.abc import Iterator, Set

from engine.compiler.facts import expression_settings
from engine.definition.model import PipelineDefinition, Project, Use
from engine.errors import Path as NodePath
from engine.errors import Problem, dotted
from engine.expressions import (
    PIPELINE_NAMES,
    SOURCE_NAMES,
    TARGET_NAMES,
    Issue,
    Settings,
    check_condition,
    check_expression,
    check_key,
    check_steps,
    check_template,
    check_value,
)


def check(project: Project) -> list[Problem]:
    """Return the problems of all pipelines and connections, sorted by place."""
    definitions = (*project.pipelines.values(), *project.drafts)
    return sorted({problem for definition in definitions for problem in _pipeline(project, definition)})


def _pipeline(project: Project, definition: PipelineDefinition) -> Iterator[Problem]:
    settings = expression_settings(project, definition)
    for issue in _issues(definition, settings):
        place = definition.origin.place(issue.path)
        yield Problem(
            place.file,
            place.line,
            place.column,
            issue.code,
            issue.severity,
            dotted(issue.path),
            issue.message,
            issue.hint,
        )
    yield from _triggers(project, definition)


def _triggers(project: Project, definition: PipelineDefinition) -> Iterator[Problem]:
    """Load what knows triggers only where there are any: validate is short."""
    if definition.triggers:
        from engine.compiler.triggers import check_triggers

        yield from check_triggers(definition, project.settings.get("calendars"))
    if any("webhook" in trigger for trigger in definition.triggers):
        from engine.compiler.webhooks import check_webhooks

        yield from check_webhooks(project, definition)


def _issues(definition: PipelineDefinition, settings: Settings) -> Iterator[Issue]:
    yield from check_steps(definition.steps, PIPELINE_NAMES, settings)
    if definition.source is not None:
        yield from _options(definition.source.use, SOURCE_NAMES)
        cursor = definition.source.cursor
        if cursor is not None and not isinstance(cursor.reset, bool):
            yield from check_template(cursor.reset, ("source", "cursor", "reset"), _RESET_NAMES)
    for target in definition.targets:
        path: NodePath = target.path
        if target.when is not None:
            yield from check_condition(target.when, (*path, "when"), TARGET_NAMES)
        if target.mapping is not None:
            yield from check_value(target.mapping, (*path, "mapping"), TARGET_NAMES)
        if target.key is not None:
            yield from check_key(target.key, (*path, "key"), TARGET_NAMES)
        yield from _options(target.use, TARGET_NAMES | {"records"} if target.batch.written else TARGET_NAMES)


_RESET_NAMES = SOURCE_NAMES - {"cursor"}


def _options(use: Use, names: Set[str]) -> Iterator[Issue]:
    for path, kind in use.values.items():
        value = _at(use.options, path)
        if value is None:
            continue
        if kind == "expression":
            yield from check_expression(value, use.path + path)
        else:
            yield from check_template(value, use.path + path, names)


def _at(value: object, path: NodePath) -> object:
    for part in path:
        value = value[part]  # type: ignore[index]
    return value
