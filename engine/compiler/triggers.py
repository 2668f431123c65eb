"""What cron texts mean: whether they can ever fire, and when they do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from engine.definition.model import PipelineDefinition
from engine.errors import Problem

_PLAIN = re.compile(r"(\*|[1-5]?\d)(/[1-9]\d?)? (\*|1?\d|2[0-3])(/[1-9]\d?)? \* \* (\*|[0-6](-[0-6])?)")
"""Everyday texts that certainly fire: they need no library to tell."""


def check_triggers(definition: PipelineDefinition) -> Iterator[Problem]:
    """Yield a problem for every cron text that cannot be read or never fires."""
    for index, trigger in enumerate(definition.triggers):
        text = trigger.get("cron")
        if not isinstance(text, str) or _PLAIN.fullmatch(text):
            continue
        wrong = cron_problem(text)
        if wrong:
            path = ("triggers", index, "cron")
            place = definition.origin.place(path)
            where = f"triggers[{index}].cron"
            yield Problem(place.file, place.line, place.column, "cron-field", "error", where, *wrong)


def cron_problem(text: str) -> tuple[str, str] | None:
    """Return what is wrong with a cron text and what to do, or None."""
    from croniter import CroniterError, croniter

    fields = len(text.split())
    if fields not in (5, 6) and not text.startswith("@"):
        remedy = "write minute, hour, day, month, weekday; with 6 fields, seconds come first"
        return f"'{text}' has {fields} fields", remedy
    try:
        ticks = croniter(text, datetime(2026, 1, 1, tzinfo=UTC), second_at_beginning=True)
    except (CroniterError, ValueError) as error:
        remedy = "5 fields are minute, hour, day, month, weekday; with 6 fields, seconds come first"
        return f"'{text}' is not a cron text: {error}", remedy
    try:
        ticks.get_next(datetime)
    except (CroniterError, ValueError):
        return f"'{text}' never fires", "no such day exists"
    return None
