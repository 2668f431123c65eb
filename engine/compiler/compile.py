"""The assembly: a definition becomes a compiled, frozen pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from engine.compiler.facts import expression_settings, overlap_of
from engine.compiler.fingerprint import fingerprint
from engine.compiler.options import compile_options
from engine.compiler.params import ParamsSource, params_checker
from engine.compiler.registry import connector
from engine.compiler.remotes import compile_remote, part, remote_of
from engine.compiler.steps import compile_stages
from engine.definition.model import Cursor, PipelineDefinition, Project, Target
from engine.errors import RecordError
from engine.expressions import (
    Settings,
    compile_condition,
    compile_key,
    compile_mapping,
    compile_template,
    sensitive,
)
from engine.pipeline import CursorPlan, Pipeline, SourcePlan, Stage, TargetPlan

if TYPE_CHECKING:
    from engine.compiler.triggers import Triggers

__all__ = ["compile_pipeline", "compile_remote", "compile_starts", "fingerprint", "masks", "overlap_of"]


def compile_pipeline(
    project: Project, definition: PipelineDefinition, clock: Callable[[], datetime] | None = None
) -> Pipeline:
    """Compile *definition*; its connectors are loaded. Raises Unavailable when a driver is missing.

    The definition has no problems: ``check`` has said so. *clock* is what ``now()`` reads in options.
    """
    settings = expression_settings(project, definition, clock)
    mask, mask_sent = masks(definition)
    starts = compile_starts(project, definition, settings)
    return Pipeline(
        name=definition.name,
        fingerprint=fingerprint(project, definition),
        source=_source(project, definition, settings),
        stages=compile_stages(project, definition, settings),
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
        timers=starts.timers,
        after=starts.after,
        webhooks=starts.webhooks,
        files=starts.files,
        overlap=overlap_of(definition),
        max_age=definition.max_age,
        renamed_from=definition.renamed_from,
        inactive=tuple(key for key in ("triggers", "promises") if getattr(definition, key)),
    )


def compile_starts(project: Project, definition: PipelineDefinition, settings: Settings | None = None) -> Triggers:
    """Compile what starts a pipeline: timers, ``after`` and webhooks. Cheap, and what knows them loads when needed."""
    from engine.compiler.triggers.plans import Triggers, compile_triggers

    if not definition.triggers:
        return Triggers()
    made = compile_triggers(project, definition, settings or expression_settings(project, definition))
    if not any("webhook" in trigger for trigger in definition.triggers):
        return made
    from engine.compiler.webhooks import compile_webhooks

    return replace(made, webhooks=compile_webhooks(project, definition, settings))


def masks(definition: PipelineDefinition) -> tuple[Callable[[Any], Any], Callable[[str, Any], Any]]:
    """What hides ``$sensitive`` fields: in a record as read, and in one as mapped for a target."""
    made = {
        target.id: sensitive(definition.steps, target.mapping, (*target.path, "mapping"))
        for target in definition.targets
    }

    # without a target, what the steps make is the answer to a webhook
    all_of_them = list(made.values()) or [sensitive(definition.steps)]

    def read(record: Any) -> Any:
        for each in all_of_them:
            record = each.mask_source(record)
        return record

    return read, lambda target, record: made[target].mask_mapped(record)


def _source(project: Project, definition: PipelineDefinition, settings: Settings) -> SourcePlan:
    source = definition.source
    if source is None:
        return SourcePlan("params", None, ParamsSource, None, definition.resilience)
    use = source.use
    make = part(connector(use.connector), "source")
    options = compile_options(use, settings)
    return SourcePlan(
        use.connector,
        remote_of(project, use, f"{definition.name}.source", source.circuit_breaker),
        lambda context: make(context, **options),
        _cursor(source.cursor, settings) if source.cursor else None,
        definition.resilience,
    )


def _target(project: Project, pipeline: str, target: Target, settings: Settings) -> TargetPlan:
    kind = connector(target.use.connector)
    make = part(kind, "target")
    options = compile_options(target.use, settings)
    path = target.path
    stage: Stage | None = None
    if target.mapping is not None or target.omit_null:
        mine = replace(settings, omit_null=target.omit_null)
        stage = compile_mapping(target.mapping, (*path, "mapping"), mine)
    return TargetPlan(
        id=target.id,
        connector=target.use.connector,
        remote=remote_of(project, target.use, f"{pipeline}.{target.id}", target.circuit_breaker),
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
