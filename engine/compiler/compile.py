"""The assembly: a definition becomes a compiled, frozen pipeline."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from engine import codec
from engine.compiler.facts import expression_settings
from engine.compiler.options import compile_options
from engine.compiler.params import ParamsSource, params_checker
from engine.compiler.registry import connector
from engine.connector import Connector, Context
from engine.definition.model import ConnectionDefinition, Cursor, PipelineDefinition, Project, Target, Use
from engine.errors import RecordError, Unavailable
from engine.expressions import (
    Settings,
    compile_condition,
    compile_key,
    compile_mapping,
    compile_steps,
    compile_template,
    sensitive,
)
from engine.pipeline import CursorPlan, Pipeline, Remote, SourcePlan, Stage, TargetPlan
from engine.policy import CircuitBreaker


def compile_pipeline(project: Project, definition: PipelineDefinition) -> Pipeline:
    """Compile *definition*; its connectors are loaded. Raises Unavailable when a driver is missing.

    The definition has no problems: ``check`` has said so.
    """
    settings = expression_settings(project, definition)
    mask, mask_sent = masks(definition)
    return Pipeline(
        name=definition.name,
        fingerprint=fingerprint(project, definition),
        source=_source(project, definition, settings),
        stages=compile_steps(definition.steps, settings),
        targets=tuple(_target(project, definition.name, target, settings) for target in definition.targets),
        timezone=settings.timezone,
        params=definition.params,
        check_params=params_checker(definition),
        mask=mask,
        mask_sent=mask_sent,
        time_limit=definition.time_limit,
        unrouted=definition.unrouted,
        labels=definition.labels,
        vars=project.settings.get("vars") or {},
        enabled=definition.enabled,
        inactive=tuple(key for key in ("triggers", "promises") if getattr(definition, key)),
    )


def masks(definition: PipelineDefinition) -> tuple[Callable[[Any], Any], Callable[[str, Any], Any]]:
    """What hides ``$sensitive`` fields: in a record as read, and in one as mapped for a target."""
    made = {
        target.id: sensitive(definition.steps, target.mapping, (*target.path, "mapping"))
        for target in definition.targets
    }

    def read(record: Any) -> Any:
        for each in made.values():
            record = each.mask_source(record)
        return record

    return read, lambda target, record: made[target].mask_mapped(record)


def fingerprint(project: Project, definition: PipelineDefinition) -> str:
    """A hash of the pipeline and the connections it names: equal content, equal fingerprint."""
    parts = [definition.origin.revision]
    uses = [target.use for target in definition.targets]
    if definition.source:
        uses.append(definition.source.use)
    for name in sorted({use.connection for use in uses if use.connection}):
        parts.append(project.connections[name].origin.revision)
    return hashlib.sha256(codec.encode(parts).encode()).hexdigest()[:16]


def compile_remote(project: Project, connection: ConnectionDefinition) -> Remote:
    """Make a connection's plan; its connector is loaded when it is built."""
    settings = Settings(timezone=ZoneInfo("UTC"), root=project.root)
    use = connection.use

    def build(context: Context) -> Any:
        make = connector(use.connector).connection
        if make is None:
            raise Unavailable(f"the connector '{use.connector}' has no connections")
        return make(context, **compile_options(use, settings))

    return Remote(connection.name, build, connection.circuit_breaker, connection.rate_limit, connection.origin.revision)


def _source(project: Project, definition: PipelineDefinition, settings: Settings) -> SourcePlan:
    source = definition.source
    if source is None:
        return SourcePlan("params", None, ParamsSource, None, definition.resilience)
    use = source.use
    make = _part(connector(use.connector), "source")
    options = compile_options(use, settings)
    return SourcePlan(
        use.connector,
        _remote(project, use, f"{definition.name}.source", source.circuit_breaker),
        lambda context: make(context, **options),
        _cursor(source.cursor, settings) if source.cursor else None,
        definition.resilience,
    )


def _target(project: Project, pipeline: str, target: Target, settings: Settings) -> TargetPlan:
    kind = connector(target.use.connector)
    make = _part(kind, "target")
    options = compile_options(target.use, settings)
    path = target.path
    stage: Stage | None = None
    if target.mapping is not None or target.omit_null:
        mine = replace(settings, omit_null=target.omit_null)
        stage = compile_mapping(target.mapping, (*path, "mapping"), mine)
    return TargetPlan(
        id=target.id,
        connector=target.use.connector,
        remote=_remote(project, target.use, f"{pipeline}.{target.id}", target.circuit_breaker),
        build=lambda context: make(context, **options),
        when=None if target.when is None else compile_condition(target.when, (*path, "when"), settings),
        stage=stage,
        key=None if target.key is None else compile_key(target.key, (*path, "key"), settings),
        batch=target.batch.size if target.batch.written else kind.batch,
        batched=target.batch.written,
        wait=target.batch.wait,
        resilience=target.resilience,
        on_rejected=target.on_rejected,
    )


def _remote(project: Project, use: Use, name: str, breaker: CircuitBreaker | None) -> Remote | None:
    """Plan the connection that *use* names; without one, a breaker of its own stands under *name*."""
    if use.connection:
        return compile_remote(project, project.connections[use.connection])
    return Remote(name, None, breaker) if breaker else None


def _part(kind: Connector, role: str) -> Callable[..., Any]:
    made: Callable[..., Any] | None = getattr(kind, role)
    if made is None:
        raise Unavailable(f"the connector '{kind.name}' cannot be a {role}")
    return made


def _cursor(cursor: Cursor, settings: Settings) -> CursorPlan:
    reset: Callable[[Mapping[str, Any]], bool]
    if isinstance(cursor.reset, bool):
        always = cursor.reset
        reset = lambda names: always  # noqa: E731  (a constant function needs no name of its own)
    else:
        template = compile_template(cursor.reset, ("source", "cursor", "reset"), settings)
        reset = lambda names: _true_or_false(template(names))  # noqa: E731
    return CursorPlan(cursor.fields, cursor.initial, cursor.lookback, cursor.lookback_is_time, reset)


def _true_or_false(value: Any) -> bool:
    if not isinstance(value, bool):
        fact = f"cursor.reset gives {value!r}, not true or false"
        raise RecordError("type", fact, "source.cursor.reset")
    return value
