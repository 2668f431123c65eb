"""What came of one test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.events import Event


@dataclass(slots=True)
class Outcome:
    """Everything that ``expect`` may speak of, as plain data."""

    sent: dict[str, list[Any]] = field(default_factory=dict)
    """By target, what it took."""
    requests: Sequence[Mapping[str, Any]] = ()
    rejected: list[dict[str, Any]] = field(default_factory=list)
    """Each with ``code reason where``, and ``record target`` where they are known."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    read: int = 0
    cursor: Mapping[str, Any] | None = None
    status: str = ""
    """Empty: nothing ran."""
    error: Mapping[str, str] | None = None
    reply: dict[str, Any] | None = None
    logs: list[dict[str, str]] = field(default_factory=list)
    fires: list[list[str]] = field(default_factory=list)
    """The moments of each of ``expect.fires``."""
    rows: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    """By connection and table: what stands in the databases behind it."""
    unused: Mapping[str, int] = field(default_factory=dict)
    """By connection: responses that nobody asked for."""
    stuck: str = ""
    """Why the test cannot count."""
    events: list[Event] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """Targets that refused a record."""
    failed: set[str] = field(default_factory=set)
    """Targets that could not be reached, or answered nothing good."""
