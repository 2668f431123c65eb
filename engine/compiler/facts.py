"""What a definition tells without being compiled; apart, so that who only looks loads nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from engine.definition.model import PipelineDefinition, Project
from engine.expressions import Settings

if TYPE_CHECKING:
    from engine.pipeline import Overlap


def expression_settings(
    project: Project, definition: PipelineDefinition, clock: Callable[[], datetime] | None = None
) -> Settings:
    """What is static for all expressions of a pipeline; *clock* is what ``now()`` reads in options."""
    roots = tuple(project.root / folder for folder in project.settings.get("files") or ())
    settings = Settings(
        timezone=ZoneInfo(definition.timezone), missing=definition.missing, root=project.root, roots=roots
    )
    return settings if clock is None else replace(settings, clock=clock)


def connections_of(definition: PipelineDefinition) -> list[str]:
    """Name the connections that a pipeline uses, sorted."""
    uses = [target.use for target in definition.targets]
    if definition.source:
        uses.append(definition.source.use)
    uses += [step.use for step in definition.steps if step.use]
    return sorted({use.connection for use in uses if use.connection})


def overlap_of(definition: PipelineDefinition) -> Overlap:
    """What becomes of a firing while a run goes on."""
    overlap: Overlap = definition.concurrency.get("overlap", "skip")
    return overlap
