"""What is allowed, and would go wrong silently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.definition.document import Document
from engine.definition.explain import Finding
from engine.definition.model import PipelineDefinition
from engine.definition.references import Named
from engine.definition.report import Severity


def lint(definition: PipelineDefinition, document: Document) -> Iterator[tuple[Finding, Severity]]:
    """x"""
    yield from ()


def unused_connections(named: Named, pipelines: Sequence[Any]) -> Iterator[tuple[Document, Finding]]:
    """x"""
    yield from ()
