"""From definitions to the cards that health and metrics know pipelines by."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from engine.definition.model import PipelineDefinition, Project
from engine.telemetry.card import Card


def cards(project: Project, paused: Collection[str] = ()) -> Iterator[Card]:
    """Give a card for each pipeline of *project*."""
    for definition in project.pipelines.values():
        yield card(project, definition, paused=definition.name in paused)


def card(project: Project, definition: PipelineDefinition, *, paused: bool = False) -> Card:
    """Write the card of one pipeline."""
    targets = {target.id: target.use.connection for target in definition.targets if target.use.connection}
    source = definition.source.use.connection if definition.source else None
    steps = [name for step in definition.steps for name in _named(step.body) if name in project.connections]
    connections = [*([source] if source else []), *steps, *targets.values()]
    return Card(
        name=definition.name,
        labels=definition.labels,
        connections=tuple(dict.fromkeys(connections)),
        targets=targets,
        enabled=definition.enabled,
        paused=paused,
    )


def _named(body: Any) -> Iterator[str]:
    """Give what may be connections in a step: ``lookup`` and ``call`` name them, also inside a ``switch``."""
    if isinstance(body, Mapping):
        for key, value in body.items():
            if key == "connection" and isinstance(value, str):
                yield value
            else:
                yield from _named(value)
    elif isinstance(body, list | tuple):
        for item in body:
            yield from _named(item)
