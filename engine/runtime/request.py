"""What a run is asked to do, and what it gives back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from engine.events import RunStatus


@dataclass(frozen=True, slots=True)
class Request:
    """One firing: by hand, by a trigger, or of dead letters."""

    params: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    """Read no more records than this."""
    dry_run: bool = False
    """Show what would be sent; nothing is written anywhere."""
    fresh: bool = False
    """Do not continue an interrupted read from the beginning: start over."""
    trigger: str = "manual"
    replay: bool = False
    """Take the dead letters that were set to be replayed, not the source."""
    rerun_of: str | None = None
    group: str | None = None
    """What the runs of one chain share."""
    around: Mapping[str, Any] = field(default_factory=dict)
    """What ``trigger`` shows besides ``id`` and ``params``: type, slot, body, headers …"""
    apart: int | None = None
    """The number of its own lane, where it runs side by side with others of its pipeline (``overlap: allow``)."""
    session: str | None = None
    """Work this lane of accepted work until stopped: ``in/0``, ``out/TARGET``."""

    def with_params(self, params: Mapping[str, Any]) -> Request:
        """The same request with its params checked and completed."""
        return replace(self, params=params)


class Stop(asyncio.Event):
    """Ends a run at its next batch boundary; *status* is how it ends then."""

    def __init__(self, status: RunStatus = "cancelled") -> None:
        super().__init__()
        self.status: RunStatus = status

    def halt(self, status: RunStatus) -> None:
        """End it with *status*; the first one counts."""
        if not self.is_set():
            self.status = status
            self.set()


class Preview(NamedTuple):
    """What a dry run shows of one record, already masked."""

    record: Any
    meta: Mapping[str, Any]
    target: str | None
    """None: it would be rejected before any."""
    mapped: Any
    key: str | None
    problem: str = ""
    """Why it would be rejected."""


class RunResult(NamedTuple):
    """How a run ended."""

    summary: Mapping[str, Any]
    """One line of ``engine run --json``."""
    previews: Sequence[Preview] = ()
