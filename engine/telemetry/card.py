"""What monitors know of a pipeline: names and switches, nothing of what flows through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Card:
    """One loaded pipeline, for health and metrics."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    connections: tuple[str, ...] = ()
    """All it calls: of its source, its steps and its targets; also breakers of its own."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Target id → its connection, where it names one."""
    enabled: bool = True
    paused: bool = False


class Waiting(Protocol):
    """A lane with entries; the store's ``LaneRow`` is one, which this layer must not know."""

    @property
    def lane(self) -> str:
        """``PIPELINE/in/0``."""

    @property
    def entries(self) -> int:
        """How many wait."""

    @property
    def oldest(self) -> str | None:
        """When the first of them was appended, ISO 8601."""
