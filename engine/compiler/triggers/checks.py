"""What is wrong with triggers that a schema cannot tell."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from engine.compiler.triggers.calendars import days
from engine.compiler.triggers.cron import cron_problem
from engine.compiler.triggers.plans import calendar_names, timer_slots
from engine.definition.model import PipelineDefinition
from engine.definition.nearest import did_you_mean
from engine.definition.units import seconds
from engine.errors import Path, Problem, dotted
from engine.expressions import check_template

Data = Mapping[str, Any]
Found = tuple[Path, str, str, str]
"""path, code, message, hint"""
PARAM_NAMES = frozenset({"trigger", "vars", "params"})
_TIMED = ("jitter", "missed", "missed_window", "calendar")
_PLAIN = re.compile(r"(\*|[1-5]?\d)(/[1-9]\d?)? (\*|1?\d|2[0-3])(/[1-9]\d?)? \* \* (\*|[0-6](-[0-6])?)")
"""Everyday texts that certainly fire: they need no library to tell."""
_LOOK_FROM = datetime(2026, 1, 1, tzinfo=UTC)
"""Whether something ever fires must not depend on the day of the check."""


def check_triggers(definition: PipelineDefinition, calendars: Data | None = None) -> Iterator[Problem]:
    """Yield the problems of all triggers; *calendars* are those of engine.yaml."""
    for index, trigger in enumerate(definition.triggers):
        place: Path = ("triggers", index)
        found = list(_timer(trigger, place, definition.timezone, calendars or {}))
        for issue in check_template(trigger.get("params"), (*place, "params"), PARAM_NAMES):
            found.append((issue.path, issue.code, issue.message, issue.hint))
        for path, code, message, hint in found:
            where = definition.origin.place(path)
            yield Problem(where.file, where.line, where.column, code, "error", dotted(path), message, hint)


def _timer(trigger: Data, place: Path, timezone: str, calendars: Data) -> Iterator[Found]:
    if "file" in trigger:
        yield from _file(trigger["file"], (*place, "file"))
    if "cron" not in trigger and "every" not in trigger:
        for key in _TIMED:
            if key in trigger and any(kind in trigger for kind in ("webhook", "after", "file")):
                yield (*place, key), "missing-key", f"'{key}' needs 'cron' or 'every' beside it", ""
        return
    found = [*_cron(trigger, place), *_every(trigger, place), *_calendars(trigger, place, calendars)]
    yield from found
    narrow = next((key for key in ("calendar", "between") if key in trigger), None)
    if found or narrow is None or timer_slots(trigger, timezone, calendars).next_after(_LOOK_FROM):
        return
    fact = f"with this '{narrow}' the trigger never fires"
    yield (*place, narrow), "never-fires", fact, "they have no moment in common"


def _file(given: Data, place: Path) -> Iterator[Found]:
    for key in ("path", "done", "failed"):
        text = given.get(key)
        if text is None:
            continue
        if "\0" in text or ".." in text.split("/"):
            yield (*place, key), "bad-value", f"'{text}' has '..' in it", "write the path from the project's folder"
        elif key != "path" and posixpath.normpath(text) == posixpath.normpath(given["path"]):
            yield (*place, key), "bad-value", f"'{text}' is the folder that is watched", "name another folder"
    if "/" in given.get("pattern", "*"):
        hint = "write the folder in path, and the names in pattern"
        yield (*place, "pattern"), "bad-value", f"'{given['pattern']}' names a folder", hint


def _cron(trigger: Data, place: Path) -> Iterator[Found]:
    text = trigger.get("cron")
    wrong = None if text is None or _PLAIN.fullmatch(text) else cron_problem(text)
    if wrong:
        yield (*place, "cron"), "cron-field", *wrong


def _every(trigger: Data, place: Path) -> Iterator[Found]:
    text = trigger.get("every")
    if text is not None and seconds(text) < 1:
        yield (*place, "every"), "bad-value", f"'{text}' is less than a second", "write 1s or more"


def _calendars(trigger: Data, place: Path, calendars: Data) -> Iterator[Found]:
    path = (*place, "calendar")
    for names in calendar_names(trigger).values():
        for name in names:
            if name in calendars:
                yield from ((path, *wrong) for wrong in _calendar(name, calendars[name]))
            else:
                hint = did_you_mean(name, calendars) or "name it under calendars in engine.yaml"
                yield path, "unknown-calendar", f"there is no calendar '{name}'", hint


def _calendar(name: str, value: Data) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with a calendar itself: engine.yaml's places are not known here, so its users say it."""
    where = f"calendars.{name} of engine.yaml"
    zone = value.get("timezone")
    if zone is not None and not _exists(zone):
        yield "unknown-timezone", f"{where}: there is no time zone '{zone}'", "write a name like America/Sao_Paulo"
    for key in ("holidays", "open"):
        for text in value.get(key, ()):
            try:
                days(text)
            except ValueError as error:
                yield "bad-value", f"{where}: {error}", "write 2026-12-25, 12-25, or two of them with .. between"


def _exists(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True
