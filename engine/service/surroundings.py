"""What a project's settings make of the runtime's surroundings: its store, its folders, its secrets, its log lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from engine.definition.model import Project
from engine.events import BatchDelivered, BatchRead, Event, Settled
from engine.net.egress import Egress
from engine.redact import Redactor
from engine.store.base import LogLine, Store
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore
from engine.telemetry.runlog import log_line


class Surroundings(NamedTuple):
    """What follows from the settings and may change while the process lives."""

    roots: Sequence[Path]
    redact: Callable[[str], str]
    log: Callable[[Event], LogLine | None]
    egress: Any


def surroundings(project: Project) -> Surroundings:
    """Read them."""
    redactor = Redactor(project.secrets)
    roots = tuple(project.root / folder for folder in project.settings.get("files") or ())
    settings = project.settings.get("egress") or {}
    egress = Egress(private=settings.get("private", "deny"), allow=tuple(settings.get("allow") or ()))
    return Surroundings(roots, redactor.text, _logger(redactor), egress)


def store_path(project: Project) -> Path:
    """Where the store of *project* lies."""
    settings = (project.settings.get("store") or {}).get("sqlite") or {}
    return project.root / str(settings.get("path", "data/engine.db"))


def make_store(project: Project, wait: float) -> Store:
    """Make the store that the settings name; *wait*: seconds for another process that writes."""
    settings = project.settings.get("store") or {}
    if "memory" in settings:
        return MemoryStore()
    sqlite = settings.get("sqlite") or {}
    return SqliteStore(store_path(project), wait=wait, min_free=sqlite.get("min_free"), reserve=sqlite.get("reserve"))


def retention(project: Project) -> dict[str, float]:
    """Return the seconds that history is kept, by kind of row, where it is written."""
    kinds = {"runs": "runs", "logs": "logs", "dead_letters": "dead", "duplicates": "dedupe"}
    written = project.settings.get("retention") or {}
    return {kind: float(written[key]) for key, kind in kinds.items() if key in written}


def _logger(redactor: Redactor) -> Callable[[Event], LogLine | None]:
    """Return what makes the lines of a run's log, without secrets."""

    def log(event: Event) -> LogLine | None:
        # what happens with every batch is for the progress bar, not for the store
        if isinstance(event, BatchRead | BatchDelivered | Settled):
            return None
        line = log_line(event, datetime.now(UTC))
        return LogLine(*line)._replace(message=redactor.text(line.message)) if line is not None else None

    return log
