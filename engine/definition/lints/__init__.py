"""What is allowed, and would go wrong silently. Each lint is a pure function over a typed definition; none guesses."""

from __future__ import annotations

from collections.abc import Iterator

from engine.definition.explain import Finding
from engine.definition.lints import binds, certain, delivery, expressions, options, sql, unused
from engine.definition.lints.unused import unused_connections
from engine.definition.model import PipelineDefinition
from engine.definition.report import Severity
from engine.errors import Path

__all__ = ["LintOnce", "lint", "unused_connections"]


class LintOnce:
    """Lints pipelines; instances of one template only where a row's value may change what is said."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[tuple[Finding, Severity], ...]] = {}

    def lint(self, definition: PipelineDefinition) -> Iterator[tuple[Finding, Severity]]:
        """Return what ``lint`` says."""
        instance = definition.origin.instance
        if instance is None or not all(map(_calm, instance.each)):
            return lint(definition)
        if instance.template not in self._said:
            self._said[instance.template] = tuple(lint(definition))
        return iter(self._said[instance.template])


def _calm(path: Path) -> bool:
    """Whether no lint reads what stands at *path*: labels, a webhook's path, or an option of a connector."""
    if path[0] in ("labels", "description", "enabled"):
        return True
    if path[0] == "triggers":
        return path[2:3] in (("id",), ("cron",), ("every",)) or path[2:4] == ("webhook", "path")
    at = 2 if path[0] == "targets" else 1
    return path[0] in ("source", "target", "targets") and path[at + 1 :] in (("connection",), ("path",), ("table",))


def lint(definition: PipelineDefinition) -> Iterator[tuple[Finding, Severity]]:
    """Return what every lint says about one pipeline."""
    for look in (expressions.lint, sql.lint, binds.lint, certain.lint, options.lint, delivery.lint, unused.lint):
        yield from look(definition)
