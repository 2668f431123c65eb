"""Counts of one run, and the summary made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import CircuitOpen, EngineError
from engine.events import RunStatus

DISTINCT = 200
"""Reasons counted apart; what comes after is counted under its code alone."""


@dataclass(slots=True)
class Tally:
    """What happened so far."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    discarded: int = 0
    """Rejected and, as the author asked, not kept."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    def refuse(self, code: str, message: str, kept: bool) -> None:
        """Count a rejected record."""
        self.rejected += 1
        self.discarded += not kept
        reason = (code, message)
        self.reasons[reason if reason in self.reasons or len(self.reasons) < DISTINCT else (code, "")] += 1

    @property
    def outcome(self) -> RunStatus:
        """The status of a run that came to its end."""
        if self.rejected:
            return "partial"
        return "empty" if self.read and self.dropped and not sum(self.sent.values()) else "success"

    def worst(self) -> str:
        """The most frequent reason, for a message."""
        if not self.reasons:
            return ""
        code, message = self.reasons.most_common(1)[0][0]
        return f"{code}: {message}"

    def summary(self) -> Mapping[str, Any]:
        """The counting part of ``engine run --json``."""
        return {
            "read": self.read,
            "dropped": dict(self.dropped),
            "sent": dict(self.sent),
            "rejected": self.rejected,
            "discarded": self.discarded,
            "reasons": [
                {"code": code, "message": message, "count": count}
                for (code, message), count in self.reasons.most_common(10)
            ],
        }


class TimeLimit(EngineError):
    """The run took longer than its pipeline allows."""

    code = "time-limit"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the run took longer than its time_limit of {seconds:g} s")


def explain(error: Exception, redact: Callable[[str], str]) -> dict[str, str]:
    """The ``error`` of a summary."""
    message = str(error) or type(error).__name__
    if isinstance(error, CircuitOpen):
        code = "circuit-open"
    elif isinstance(error, EngineError | OSError):
        code = str(getattr(error, "code", "")) or "error"
    else:
        code, message = "internal", f"a mistake in the engine or a connector: {type(error).__name__}: {error}"
    return {"code": code, "message": redact(message), "where": str(getattr(error, "where", ""))}
