"""Finds what is wrong in a project's expressions and triggers before anything runs; loads no connector."""

from __future__ import annotations

from collections.abc import Iterator, Set

from engine.compiler.facts import expression_settings
from engine.definition.model import PipelineDefinition, Project, Target, Use
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
    """Return the problems of all pipelines and connections, sorted by place.

    What instances of one ``for_each`` have in common is looked at once.
    """
    definitions = (*project.pipelines.values(), *project.drafts)
    news = _News()
    found = {problem for definition in definitions for problem in _pipeline(project, definition, news)}
    return sorted({*found, *_shapes(project, found)})


def _shapes(project: Project, found: Set[Problem]) -> Iterator[Problem]:
    """Yield what does not fit the shapes of records; where something is wrong already, that is enough."""
    if not project.pipelines and not project.drafts:
        return
    from engine.compiler.shapes import check_shapes

    said = {(one.file, one.line, one.path) for one in found if one.severity == "error"}
    crowded = {one.file for one in found if one.code == "more-problems"}
    for one in check_shapes(project, crowded):
        if (one.file, one.line, one.path) not in said:
            yield one


class _News:
    """Tells what was not looked at yet: instances of a template share the very objects that they have in common."""

    def __init__(self) -> None:
        self._seen: set[tuple[object, ...]] = set()

    def of(self, definition: PipelineDefinition, what: object, value: object) -> bool:
        """Tell whether *value*, which stands at *what*, is new for the template of *definition*."""
        instance = definition.origin.instance
        if instance is None:
            return True
        key = (instance.template, what, id(value), definition.timezone, definition.missing)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def _pipeline(project: Project, definition: PipelineDefinition, news: _News) -> Iterator[Problem]:
    settings = expression_settings(project, definition)
    for issue in _issues(definition, settings, news):
        place = definition.origin.place(issue.path)
        told = Problem(*place, issue.code, issue.severity, dotted(issue.path), issue.message, issue.hint, issue.fix)
        yield definition.origin.told(told)
    if definition.promises:
        from engine.compiler.promises import check_promises

        yield from map(definition.origin.told, check_promises(definition))
    if news.of(definition, "triggers", definition.triggers):
        yield from map(definition.origin.told, _triggers(project, definition))


def _triggers(project: Project, definition: PipelineDefinition) -> Iterator[Problem]:
    """Load what knows triggers only where there are any: validate is short."""
    if definition.triggers:
        from engine.compiler.triggers import check_triggers

        yield from check_triggers(definition, project.settings.get("calendars"))
    if any("webhook" in trigger for trigger in definition.triggers):
        from engine.compiler.webhooks import check_webhooks

        yield from check_webhooks(project, definition)


def _issues(definition: PipelineDefinition, settings: Settings, news: _News) -> Iterator[Issue]:
    if news.of(definition, "steps", definition.steps):
        yield from check_steps(definition.steps, PIPELINE_NAMES, settings)
        for step in definition.steps:
            if step.use is not None:
                yield from _options(step.use, PIPELINE_NAMES, definition, news)
    if definition.source is not None:
        yield from _options(definition.source.use, SOURCE_NAMES, definition, news)
        cursor = definition.source.cursor
        if cursor is not None and not isinstance(cursor.reset, bool) and news.of(definition, "reset", cursor.reset):
            yield from check_template(cursor.reset, ("source", "cursor", "reset"), _RESET_NAMES)
    for target in definition.targets:
        yield from _target(target, definition, news)


def _target(target: Target, definition: PipelineDefinition, news: _News) -> Iterator[Issue]:
    path = target.path
    if target.when is not None and news.of(definition, (*path, "when"), target.when):
        yield from check_condition(target.when, (*path, "when"), TARGET_NAMES)
    if target.mapping is not None and news.of(definition, (*path, "mapping"), target.mapping):
        yield from check_value(target.mapping, (*path, "mapping"), TARGET_NAMES)
    if target.key is not None and news.of(definition, (*path, "key"), target.key):
        yield from check_key(target.key, (*path, "key"), TARGET_NAMES)
    names = TARGET_NAMES | {"records"} if target.batch.written else TARGET_NAMES
    yield from _options(target.use, names, definition, news)


_RESET_NAMES = SOURCE_NAMES - {"cursor"}


def _options(use: Use, names: Set[str], definition: PipelineDefinition, news: _News) -> Iterator[Issue]:
    for path, kind in use.values.items():
        value = _at(use.options, path)
        if value is None or not news.of(definition, use.path + path, value):
            continue
        if kind == "expression":
            yield from check_expression(value, use.path + path)
        else:
            yield from check_template(value, use.path + path, names)


def _at(value: object, path: NodePath) -> object:
    for part in path:
        value = value[part]  # type: ignore[index]
    return value
