"""What the webhooks of a project say about each other: paths that collide, callers that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import Problem, dotted

if TYPE_CHECKING:
    from engine.definition.model import PipelineDefinition, Project
    from engine.http.routes import Bound


def webhook_problems(project: Project, known: Sequence[Problem], skip_env: bool = False) -> list[Problem]:
    """Return what keeps the webhooks from being served together; of pipelines without errors in *known*.

    What listens is loaded only where there is a webhook: validate is short. With *skip_env* credentials are not judged:
    those of another machine are not here.
    """
    errors = [problem for problem in known if problem.severity == "error"]
    named = [
        one for one in project.pipelines.values() if _has_webhook(one) and not any(map(one.origin.concerned, errors))
    ]
    if not named:
        return []
    from engine.compiler.webhooks import compile_clients
    from engine.http.routes import problems

    try:
        clients = compile_clients(project)
    except ValueError as error:
        return [Problem("engine.yaml", 1, 1, "file", "error", "clients", f"this is not a key set in JSON: {error}")]
    places = {(one.origin.file, dotted(path)): place for one in named for path, place in one.origin.places.items()}
    found = [
        replace(one, line=place.line, column=place.column) if (place := places.get((one.file, one.path))) else one
        for one in problems(list(_bounds(project, named)), clients)
    ]
    # of a broken engine.yaml nothing is known: that a caller is not there only follows
    unread = any(problem.path.startswith("clients") or problem.file == "engine.yaml" for problem in errors)
    return [
        problem
        for problem in found
        if not (unread and problem.code == "unknown-client") and not (skip_env and problem.path.endswith(".auth"))
    ]


def _has_webhook(definition: PipelineDefinition) -> bool:
    return any("webhook" in trigger for trigger in definition.triggers)


def _bounds(project: Project, named: Sequence[PipelineDefinition]) -> Iterator[Bound]:
    from engine.compiler.webhooks import compile_webhooks
    from engine.http.routes import Bound

    for definition in named:
        for plan in compile_webhooks(project, definition):
            yield Bound(definition.name, plan)
