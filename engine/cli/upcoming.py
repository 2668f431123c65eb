"""What starts a pipeline next, and who holds it: for the listings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.cli.session import Session
from engine.errors import EngineError
from engine.telemetry.words import ago, duration, moment

if TYPE_CHECKING:
    from engine.definition.model import PipelineDefinition, Project

Paused = Mapping[str, Mapping[str, Any]]
"""By pipeline: ``by`` and ``at``."""


def paused(session: Session, project: Project) -> Paused:
    """Return the pipelines that somebody holds; none, and a line on stderr, when the store cannot be read."""
    from engine.service.pauses import paused as held

    async def read() -> Paused:
        async with session.reader(project) as store:
            return await held(store)

    try:
        return asyncio.run(read())
    except EngineError as error:
        session.err.line(f"who is paused is not known, the store cannot be read: {error}")
        return {}


def paused_text(held: Mapping[str, Any], now: datetime) -> str:
    """Say who paused it, and when: ``paused by ada, 5 min ago``."""
    return f"paused by {held['by']}, {ago(held['at'], now)}"


def next_firing(project: Project, one: PipelineDefinition, now: datetime) -> datetime | None:
    """Return when time fires a pipeline next; None for never, and for triggers that have problems."""
    from engine.cli.schedule import checked, timers
    from engine.schedule import moment as fires

    if not one.enabled or not any("cron" in trigger or "every" in trigger for trigger in one.triggers):
        return None
    good, _ = checked(project, [one])
    plans = timers(project, one).values() if good else ()
    slots = [(plan, plan.next_after(now)) for plan in plans]
    return min((fires(plan, slot) for plan, slot in slots if slot is not None), default=None)


def next_text(session: Session, name: str, at: datetime | None, now: datetime) -> str:
    """Say when: ``in 4 min, 2026-11-22 03:00``, in the pipeline's zone."""
    if at is None:
        return ""
    return f"in {duration((at - now).total_seconds())}, {moment(at.isoformat(), session.zone(name) or UTC)}"
