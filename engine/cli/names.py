"""What people call the parts of a pipeline, from its definition. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.errors import dotted
from engine.telemetry.summary import Names

if TYPE_CHECKING:
    from engine.definition.model import PipelineDefinition


def names_of(definition: PipelineDefinition | None) -> Names:
    """Return the names for a summary; empty for a pipeline that is not there any more."""
    if definition is None:
        return Names()
    filters = {dotted(step.path): _condition(step.body) for step in definition.steps if step.kind == "filter"}
    return Names(
        targets={target.id: target.use.connection or target.use.connector for target in definition.targets},
        filters=filters,
        connections=_connections(definition),
    )


def _condition(body: object) -> str:
    return body if isinstance(body, str) else ""


def _connections(definition: PipelineDefinition) -> dict[str, str]:
    """Map every way an error may name a remote system to its connection."""
    found: dict[str, str] = {}
    for target in definition.targets:
        connection = target.use.connection
        if connection:
            found |= {target.id: connection, dotted(target.path): connection, connection: connection}
    source = definition.source.use.connection if definition.source else None
    if source:
        found |= {"source": source, source: source}
    if len(set(found.values())) == 1:
        found[""] = next(iter(found.values()))
    return found


def read_from(definition: PipelineDefinition) -> str:
    """Say where records come from: a connection, a connector, the webhook, or the run's params."""
    if definition.source is not None:
        use = definition.source.use
        return use.connection or use.connector
    return "webhook" if any("webhook" in trigger for trigger in definition.triggers) else "params"


def drawn(definition: PipelineDefinition | None) -> Mapping[str, str]:
    """Return the names for the progress: by target id, and ``source``."""
    if definition is None:
        return {}
    called = {"source": read_from(definition)}
    return called | dict(names_of(definition).targets)
