"""What is right in a wrong pipeline, so that one mistake does not hide the others: checked further, never run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.definition.build import Builder
from engine.definition.explain import Finding
from engine.definition.model import Origin, PipelineDefinition
from engine.definition.schema import Catalog
from engine.definition.uses import connector_of, sites
from engine.errors import Path


def draft(
    value: Mapping[str, Any], found: Iterable[Finding], catalog: Catalog, builder: Builder, origin: Origin
) -> PipelineDefinition | None:
    """Build what is left of *value* without what was *found* wrong; None where that no longer holds together."""
    left = without(value, {finding.path for finding in found if finding.code != "missing-key"})
    if not catalog.kind("pipeline").valid(left):
        return None
    for site in sites(left):
        name = connector_of(site, catalog)
        connector = catalog.connector(name) if name else None
        if name is None or connector is None or not connector.role(site.role).valid(site.value[name] or {}):
            return None
    return builder.pipeline(left, origin)


def without(value: Any, paths: Iterable[Path]) -> Any:
    """Return *value* without the nodes at *paths*; items of a list become null, so the others keep their places."""
    here: dict[Any, list[Path]] = {}
    for path in paths:
        if path:
            here.setdefault(path[0], []).append(path[1:])
    if isinstance(value, Mapping):
        return {key: without(item, here.get(key, ())) for key, item in value.items() if () not in here.get(key, ())}
    if isinstance(value, list):
        return [None if () in here.get(i, ()) else without(item, here.get(i, ())) for i, item in enumerate(value)]
    return value
