"""Which line of a pipeline made a field: what a person looks at first when a test fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.definition.model import PipelineDefinition
from engine.errors import Path, dotted


def maker(definition: PipelineDefinition, target: str, field: Path) -> Path | None:
    """Return the node that makes *field* of what a target gets; None: it comes from the source as it is."""
    plan = next((one for one in definition.targets if one.id == target), None)
    if plan is not None and plan.mapping is not None:
        return _inside(plan.mapping, field, (*plan.path, "mapping"))
    return _of_steps([(step.kind, step.body, step.path) for step in definition.steps], field)


def _of_steps(steps: Sequence[tuple[str, Any, Path]], field: Path) -> Path | None:
    for kind, body, path in reversed(steps):
        found: Path | None = None
        if kind in ("map", "set"):
            found = _inside(body, field, path)
        elif kind in ("lookup", "call") and isinstance(body, Mapping) and body.get("into") == (field or ("",))[0]:
            found = (*path, "into")
        elif kind == "switch":
            found = _of_cases(body, field, path)
        if found is not None or kind == "map":
            return found
    return None


def _of_cases(body: Any, field: Path, path: Path) -> Path | None:
    """Return the node where just one case makes the field, else the switch: which one it was is not known."""
    found: list[Path] = []
    for number, case in enumerate(body if isinstance(body, list) else ()):
        under = "else" if "else" in case else "steps"
        inner = []
        for at, step in enumerate(case.get(under) or ()):
            kind = next((key for key in step if key != "id" and not key.startswith("x-")), "")
            inner.append((kind, step.get(kind), (*path, number, under, at, kind)))
        if (one := _of_steps(inner, field)) is not None:
            found.append(one)
    return None if not found else found[0] if len(found) == 1 else path


def _inside(mapping: Any, field: Path, path: Path) -> Path | None:
    if not field or not isinstance(mapping, Mapping | list):
        return path
    head, rest = field[0], field[1:]
    if isinstance(mapping, list):
        known = isinstance(head, int) and head < len(mapping)
        return _inside(mapping[int(head)], rest, (*path, head)) if known else path
    if mapping and all(key.startswith("$") for key in mapping) and "$copy" not in mapping:
        return _inside(mapping["$map"], rest, (*path, "$map")) if "$map" in mapping else path
    if head in mapping:
        return _inside(mapping[str(head)], rest, (*path, head))
    copied = mapping.get("$copy") or ()
    return (*path, "$copy", list(copied).index(head)) if head in copied else None


def place(definition: PipelineDefinition, path: Path) -> str:
    """Say where a node stands: ``mapping.label, transactions.yaml:27``."""
    where = definition.origin.place(path)
    return f"{dotted(path)}, {where.file.rpartition('/')[2]}:{where.line}"


def placed(definition: PipelineDefinition, where: str) -> str:
    """Say where the dotted place *where* stands."""
    for path in definition.origin.places:
        if dotted(path) == where:
            return place(definition, path)
    return where
