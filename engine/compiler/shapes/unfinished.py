"""What can be followed of a pipeline that has other mistakes: only parts of which nothing was left out.

A misspelt key is taken out of a draft; a field that it would have given must not be lamented as missing besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.definition.loader import catalog
from engine.definition.model import PipelineDefinition, Target, Use
from engine.errors import Path

_KEY = "$key"
_OF_TARGETS = ("id", "when", "mapping", "batch", "key", "on_rejected", "omit_null", "resilience", "after")
_READ = ("source", "filters", "mapping", "steps", "params", "triggers")


def followable(draft: PipelineDefinition) -> PipelineDefinition | None:
    """Return *draft* with those of its targets that are whole; None where what comes before them is not."""
    written = [path for path in draft.origin.places if path and path[-1] != _KEY and not _noted(path)]
    known = set(catalog().kind("pipeline").shape.known())
    if any(path[0] not in known or (path[0] in _READ and not _kept(draft, path)) for path in written):
        return None
    whole = tuple(target for target in draft.targets if all(_in_target(target, path) for path in written))
    return replace(draft, targets=whole)


def _noted(path: Path) -> bool:
    return any(isinstance(part, str) and part.startswith("x-") for part in path)


def _kept(draft: PipelineDefinition, path: Path) -> bool:
    root, rest = path[0], path[1:]
    if root == "source":
        return draft.source is not None and (path[1:2] == ("cursor",) or _in_use(draft.source.use, path))
    if root in ("params", "triggers"):
        return _there(getattr(draft, str(root)), rest)
    if not rest and root != "mapping":
        return True
    own = {"filters": 2, "mapping": 1, "steps": 3}[str(root)]
    if root == "steps" and len(path) > 2 and path[2] == "id":
        return True
    return len(path) < own or any(step.path == path[:own] and _there(step.body, path[own:]) for step in draft.steps)


def _in_target(target: Target, path: Path) -> bool:
    if path[: len(target.path)] != target.path:
        return True
    rest = path[len(target.path) :]
    if rest[:1] == ("mapping",):
        return _there(target.mapping, rest[1:])
    if path[: len(target.use.path)] == target.use.path:
        return _in_use(target.use, path)
    return not rest or rest[0] in _OF_TARGETS


def _in_use(use: Use, path: Path) -> bool:
    rest = path[len(use.path) :]
    if path[: len(use.path)] != use.path:
        return len(path) < len(use.path)
    return not rest or rest[0] == "connection" or _there({**use.options, **use.checks}, rest)


def _there(value: Any, path: Path) -> bool:
    for part in path:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
            continue
        item = value[part] if isinstance(value, list | tuple) and isinstance(part, int) and part < len(value) else None
        if item is None:  # what was taken out of a list leaves null behind
            return False
        value = item
    return True
