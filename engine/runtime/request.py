"""What a run is asked to do, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple


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

    def with_params(self, params: Mapping[str, Any]) -> Request:
        """The same request with its params checked and completed."""
        return replace(self, params=params)


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
