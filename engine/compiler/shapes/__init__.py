"""What records are, before any is read: where that is written, and whether a pipeline fits it.

- ``check_shapes(project) -> list[Problem]``: what ``engine validate`` says of fields and types.
- ``seen(project, definition) -> Walk``: the record at every place of one pipeline, for ``engine show --types``.
- ``learned``: what ``engine learn`` writes.

Where a source's records are known from is marked in its connector's JSON Schema, so no connector is loaded:
``x-records`` with ``select``, ``table``, ``schema``, ``graphql``, ``csv``, ``rows``; and what a target takes with
``x-takes``: ``schema``, ``graphql``, ``columns``, ``row``, ``statements``, ``sql``. ``x-over: record`` says that an
expression sees the record. An option marked ``x-check-only`` reaches no connector.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import TYPE_CHECKING

from engine.compiler.facts import expression_settings
from engine.definition.model import PipelineDefinition, Project
from engine.errors import Path, Place, Problem, dotted

if TYPE_CHECKING:
    from engine.compiler.shapes.desk import Desk
    from engine.compiler.shapes.walk import Walk
    from engine.expressions import Issue

__all__ = ["check_shapes", "seen"]


def check_shapes(project: Project, crowded: Set[str] = frozenset()) -> list[Problem]:
    """Return what does not fit the shapes that are known; instances of one template are looked at once.

    *crowded* are files with more problems than are shown: following their records would only take time.
    """
    from engine.compiler.shapes.desk import Desk

    desk = Desk(project)
    found = [*desk.problems()]
    looked: set[object] = set()
    for definition in project.pipelines.values():
        key = _key(desk, definition)
        if key not in looked and definition.origin.file not in crowded:
            looked.add(key)
            found += _problems(desk, definition)
    return [*found, *_of_drafts(desk)]


def _of_drafts(desk: Desk) -> Iterator[Problem]:
    if desk.project.drafts:
        from engine.compiler.shapes.unfinished import followable

        for draft in desk.project.drafts:
            definition = followable(draft)
            if definition is not None:
                yield from _problems(desk, definition)


def seen(project: Project, definition: PipelineDefinition) -> Walk:
    """Return the record at every place of one pipeline, as far as it is known."""
    from engine.compiler.shapes.desk import Desk
    from engine.compiler.shapes.walk import walk

    return walk(Desk(project), definition, expression_settings(project, definition))


def _problems(desk: Desk, definition: PipelineDefinition) -> Iterator[Problem]:
    from engine.compiler.shapes.walk import walk

    walked = walk(desk, definition, expression_settings(desk.project, definition))
    for issue in walked.issues:
        place, fix = _place(desk, definition, issue)
        path = dotted(tuple(part for part in issue.path if part != "$key"))
        told = Problem(*place, issue.code, issue.severity, path, issue.message, issue.hint, fix)
        yield definition.origin.told(told)
    if definition.name in desk.project.tests and not any(one.severity == "error" for one in walked.issues):
        from engine.compiler.shapes.tested import check_tests

        yield from check_tests(desk.project, definition.name, walked)


def _place(desk: Desk, definition: PipelineDefinition, issue: Issue) -> tuple[Place, str]:
    place = definition.origin.place(issue.path)
    if issue.offset is None:
        return place, issue.fix
    from engine.compiler.shapes.spots import spot

    return spot(desk.project.root, place, issue, _text(definition, issue.path))


def _text(definition: PipelineDefinition, path: Path) -> object:
    """Return the text that stands at *path*, where it is an option of a connector or part of a step."""
    from engine.compiler.shapes.desk import at

    uses = [target.use for target in definition.targets] + [step.use for step in definition.steps if step.use]
    uses += [definition.source.use] if definition.source else []
    for use in uses:
        if path[: len(use.path)] == use.path:
            return at(use.options, path[len(use.path) :])
    for target in definition.targets:
        if path[: len(target.path) + 1] == (*target.path, "mapping"):
            return at(target.mapping, path[len(target.path) + 1 :])
    for step in definition.steps:
        if path[: len(step.path)] == step.path:
            return at(step.body, path[len(step.path) :])
    return None


def _key(desk: Desk, definition: PipelineDefinition) -> object:
    """Return what is the same for instances of a template between which the types do not differ."""
    instance = definition.origin.instance
    if instance is None or any(map(_matters, instance.each)):
        return definition.name
    uses = [target.use for target in definition.targets] + [step.use for step in definition.steps if step.use]
    uses += [definition.source.use] if definition.source else []
    files = tuple(one.use.checks.get("tables") if (one := desk.connection(use)) else None for use in uses)
    return (instance.template, files)


_SHAPED = ("source", "target", "targets", "steps", "filters", "mapping", "params")


def _matters(path: Path) -> bool:
    """Whether a row's value at *path* may change the type of a record: not the name of a connection."""
    if path[0] == "triggers":
        return path[2:3] == ("params",) or (path[2:3] == ("webhook",) and path[3:4] in (("schema",), ("records",)))
    return path[0] in _SHAPED and path[-1] != "connection"
