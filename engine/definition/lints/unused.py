"""What is written and never used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from engine.definition.document import Document
from engine.definition.explain import Finding
from engine.definition.lints.texts import everything
from engine.definition.model import PipelineDefinition
from engine.definition.nearest import nearest
from engine.definition.references import Named
from engine.definition.report import Severity
from engine.definition.uses import connections_of, sites

_ONE = re.compile(r"\bparams\s*(?:\.get\(\s*['\"](\w+)['\"]|\.\s*(\w+)|\[\s*['\"](\w+)['\"]\s*\])")
_ALL = re.compile(r"\bparams\b(?!\s*(?:\.\s*\w+|\[\s*['\"]\w+['\"]\s*\]))")
_BIND = re.compile(r"(?<![:\w]):(\w+)")


def lint(definition: PipelineDefinition) -> Iterator[tuple[Finding, Severity]]:
    """Say which params nothing reads."""
    if not definition.params or definition.source is None:
        return  # without a source the record is made of the params
    used: set[str] = set()
    for text in _texts(definition):
        if "params" in text:
            if _ALL.search(text):
                return
            used.update(name for match in _ONE.findall(text) for name in match if name)
        if ":" in text:
            used.update(_BIND.findall(text))
    others = [name for name in used if name not in definition.params]
    for name in definition.params:
        # read under a name that is not quite its own: that is said there
        if name not in used and not any(nearest(other, [name]) for other in others):
            yield Finding(("params", name), True, "unused", f"nothing reads the param '{name}'", "remove it"), "warning"


def _texts(definition: PipelineDefinition) -> Iterator[str]:
    source = definition.source
    if source is not None:
        yield from everything(source.use.options)
        yield from everything(source.cursor.reset if source.cursor else None)
    for step in definition.steps:
        yield from everything(step.body)
    for target in definition.targets:
        yield from everything([target.use.options, target.mapping, target.when, target.key])
    yield from everything(definition.triggers)


def unused_connections(named: Named, pipelines: Sequence[Any]) -> Iterator[tuple[Document, Finding]]:
    """Say which connections no pipeline names; *pipelines* are the documents, good and bad."""
    used = {name for pipeline in pipelines for site in sites(pipeline) for name in connections_of(site)}
    used |= {name.partition("[")[0] for name in used}
    for name, document, path in named:
        if name not in used:
            fact = f"no pipeline uses the connection '{name}'"
            yield document, Finding(path[:-1], True, "unused", fact, "remove it")
