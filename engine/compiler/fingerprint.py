"""What a pipeline is, in sixteen letters: they change when anything does that it is compiled from, and only then.

Cheap: nothing is compiled, so that ten thousand can be compared after every change of a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from engine import codec
from engine.compiler.facts import connections_of
from engine.compiler.triggers.plans import calendar_names
from engine.definition.model import PipelineDefinition, Project


def fingerprint(project: Project, definition: PipelineDefinition) -> str:
    """A hash of the pipeline and of all it names: connections, calendars, vars, files, and the project's defaults.

    It is taken of values after ``${…}``: another value of a variable or a secret is another fingerprint, and no
    value can be read from it.
    """
    settings = project.settings
    parts = [
        definition.origin.revision,
        [_revision(project, name) for name in connections_of(definition)],
        _calendars(settings.get("calendars") or {}, definition),
        _vars(settings.get("vars") or {}, definition),
        _defaults(definition),
        list(settings.get("files") or ()),
        [_content(project, name) for name in sorted(set(_files(definition)))],
    ]
    return hashlib.sha256(codec.encode(parts).encode()).hexdigest()[:16]


def _revision(project: Project, name: str) -> str:
    found = project.connections.get(name)  # one with a mistake is not loaded
    return found.origin.revision if found else ""


def _calendars(known: Mapping[str, Any], definition: PipelineDefinition) -> list[list[Any]]:
    named = {name for trigger in definition.triggers for names in calendar_names(trigger).values() for name in names}
    return [[name, known.get(name)] for name in sorted(named)]


def _vars(known: Mapping[str, Any], definition: PipelineDefinition) -> list[list[Any]]:
    names = known if definition.origin.vars is None else definition.origin.vars
    return [[name, known.get(name)] for name in sorted(names)]


def _defaults(definition: PipelineDefinition) -> list[Any]:
    """What it has of its own or of ``defaults``: the document alone does not tell."""
    kept = [definition.timezone, definition.time_limit, repr(definition.resilience)]
    targets = [[target.on_rejected, repr(target.resilience)] for target in definition.targets]
    return [kept, targets, [repr(step.resilience) for step in definition.steps if step.use]]


def _files(definition: PipelineDefinition) -> Iterator[str]:
    """Yield the files that are read when it is compiled: schemas and key sets."""
    for trigger in definition.triggers:
        webhook = trigger.get("webhook") or {}
        yield from _text(webhook.get("schema"))
        for item in webhook["auth"] if isinstance(webhook.get("auth"), list) else ():
            yield from _text((item.get("jwt") or {}).get("jwks"))
    for step in definition.steps:
        if step.kind == "validate":
            yield from _text(step.body.get("schema"))


def _text(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else ()


def _content(project: Project, name: str) -> list[str]:
    try:
        return [name, hashlib.sha256((project.root / name).read_bytes()).hexdigest()]
    except OSError:
        return [name, ""]
