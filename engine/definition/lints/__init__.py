"""What is allowed, and would go wrong silently. Each lint is a pure function over a typed definition; none guesses."""

from __future__ import annotations

from collections.abc import Iterator

from engine.definition.explain import Finding
from engine.definition.lints import delivery, expressions, sql, unused
from engine.definition.lints.unused import unused_connections
from engine.definition.model import PipelineDefinition
from engine.definition.report import Severity

__all__ = ["lint", "unused_connections"]


def lint(definition: PipelineDefinition) -> Iterator[tuple[Finding, Severity]]:
    """Return what every lint says about one pipeline."""
    for look in (expressions.lint, sql.lint, delivery.lint, unused.lint):
        yield from look(definition)
