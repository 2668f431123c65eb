"""Triggers become plans: timers with their slots, and ``after``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.compiler.triggers.calendars import DayRule, Opening, calendar, span, weekdays
from engine.compiler.triggers.cron import cron
from engine.compiler.triggers.every import Every
from engine.compiler.triggers.slots import Slots, Wanted
from engine.compiler.triggers.zones import zone
from engine.definition.model import PipelineDefinition, Project
from engine.definition.units import seconds
from engine.expressions import Settings, compile_template

if TYPE_CHECKING:  # validate only looks at triggers: it is short
    from engine.pipeline import AfterPlan, FilePlan, TimerPlan, WebhookPlan

Data = Mapping[str, Any]
Params = Callable[[Data], Data]
_RULE = ("cron", "every", "between", "weekdays", "calendar")
_KINDS = ("cron", "every", "webhook", "after", "file")
DEFAULT_MISSED = "last"
DEFAULT_SETTLE = "1s"


@dataclass(frozen=True, slots=True)
class Triggers:
    """What starts a pipeline."""

    timers: tuple[TimerPlan, ...] = ()
    after: tuple[AfterPlan, ...] = ()
    webhooks: tuple[WebhookPlan, ...] = ()
    files: tuple[FilePlan, ...] = ()


def compile_triggers(project: Project, definition: PipelineDefinition, settings: Settings) -> Triggers:
    """Compile what time, files and other pipelines start; webhooks are left empty.

    Cheap: croniter and the zones are first looked at when a slot is asked for.
    """
    from engine.pipeline import AfterPlan

    calendars = project.settings.get("calendars") or {}
    timers, after, files = [], [], []
    for index, (name, trigger) in enumerate(zip(trigger_ids(definition), definition.triggers, strict=True)):
        params = _params(trigger, index, settings, project.settings.get("vars") or {})
        if "cron" in trigger or "every" in trigger:
            timers.append(_timer(definition, name, trigger, calendars, params))
        elif "after" in trigger:
            named = trigger["after"]
            pipelines = (named,) if isinstance(named, str) else tuple(named)
            after.append(AfterPlan(name, pipelines, trigger.get("on", "success"), params))
        elif "file" in trigger:
            files.append(_file(definition.name, name, trigger["file"], params))
    return Triggers(tuple(timers), tuple(after), files=tuple(files))


def trigger_ids(definition: PipelineDefinition) -> tuple[str, ...]:
    """Return each trigger's id; one without is called by its kind: ``cron``, ``cron-2``."""
    taken = {trigger["id"] for trigger in definition.triggers if "id" in trigger}
    found = []
    for trigger in definition.triggers:
        name = trigger.get("id")
        if name is None:
            kind = next((kind for kind in _KINDS if kind in trigger), "trigger")
            name, number = kind, 1
            while name in taken:
                number += 1
                name = f"{kind}-{number}"
            taken.add(name)
        found.append(name)
    return tuple(found)


def timer_slots(trigger: Data, timezone: str, calendars: Data) -> Slots:
    """Make the slots of a ``cron`` or ``every``, read in *timezone*."""
    gates = [
        Wanted(calendar(calendars[name], timezone), wanted)
        for wanted, names in calendar_names(trigger).items()
        for name in names
    ]
    clock = zone(timezone)
    if "cron" in trigger:
        return Slots(clock, cron(trigger["cron"]), gates)
    if "between" in trigger or "weekdays" in trigger:
        hours = [span(trigger["between"])] if "between" in trigger else []
        rule = DayRule(weekdays(trigger["weekdays"])) if "weekdays" in trigger else DayRule()
        gates.insert(0, Wanted(Opening(clock, hours, rule)))
    return Slots(clock, Every(seconds(trigger["every"])), gates)


def calendar_names(trigger: Data) -> dict[bool, tuple[str, ...]]:
    """Return the calendars a trigger names: those that must be open (True), and those that must be closed (False)."""
    value = trigger.get("calendar", {})
    if isinstance(value, str):
        value = {"only": value}
    named = {True: value.get("only", ()), False: value.get("except", ())}
    return {wanted: (names,) if isinstance(names, str) else tuple(names) for wanted, names in named.items()}


def _timer(definition: PipelineDefinition, name: str, trigger: Data, calendars: Data, params: Params) -> TimerPlan:
    from engine.pipeline import TimerPlan

    window = trigger.get("missed_window")
    return TimerPlan(
        id=name,
        next_after=_later(partial(timer_slots, trigger, definition.timezone, calendars)),
        missed=trigger.get("missed", DEFAULT_MISSED),
        missed_window=None if window is None else seconds(window),
        jitter=seconds(trigger.get("jitter", "0s")),
        params=params,
        pipeline=definition.name,
        kind="cron" if "cron" in trigger else "every",
        rule=_rule(trigger, definition.timezone),
    )


def _file(pipeline: str, name: str, given: Data, params: Params) -> FilePlan:
    from engine.pipeline import FilePlan

    settle = seconds(given.get("settle", DEFAULT_SETTLE))
    pattern = given.get("pattern", "*")
    return FilePlan(name, given["path"], pattern, settle, given.get("done"), given.get("failed"), params, pipeline)


def _rule(trigger: Data, timezone: str) -> str:
    """Name what the slots follow from; not what a calendar says, so that a new holiday is no new trigger."""
    words = [timezone, *(trigger.get(key) for key in _RULE)]
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:8]


def _later(make: Callable[[], Slots]) -> Callable[[datetime], datetime | None]:
    """Make the slots when they are first asked for: most of ten thousand triggers sleep for hours."""
    made: list[Callable[[datetime], datetime | None]] = []

    def next_after(now: datetime) -> datetime | None:
        if not made:
            made.append(make().next_after)
        return made[0](now)

    return next_after


def _params(trigger: Data, index: int, settings: Settings, variables: Data) -> Params:
    given = trigger.get("params")
    if not given:
        return lambda names: {}
    template: Params = compile_template(given, ("triggers", index, "params"), settings)
    return lambda names: template({"vars": variables, "params": {}, **names})
