"""What a definition tells its expressions; apart, so that checking them loads nothing else."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from engine.definition.model import PipelineDefinition, Project
from engine.expressions import Settings


def expression_settings(project: Project, definition: PipelineDefinition) -> Settings:
    """What is static for all expressions of a pipeline."""
    roots = tuple(project.root / folder for folder in project.settings.get("files") or ())
    return Settings(timezone=ZoneInfo(definition.timezone), missing=definition.missing, root=project.root, roots=roots)
