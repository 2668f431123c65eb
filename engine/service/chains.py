"""Chains: the end of one run fires the pipelines that come ``after`` it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from engine.errors import RecordError
from engine.events import Noted, RunStatus, Tell
from engine.pipeline import AfterPlan
from engine.service.firing import Firing
from engine.store.base import NewEntry

_GOOD = frozenset({"success", "partial", "empty"})
_BAD = frozenset({"failed", "timed_out"})
_ENDED = _GOOD | _BAD | {"cancelled"}
"""An interrupted run has not ended: it goes on when the engine is back."""


class Ended(NamedTuple):
    """A run that came to its end."""

    pipeline: str
    run: str
    status: RunStatus
    summary: Mapping[str, Any]
    """The shape of ``engine run --json``."""
    params: Mapping[str, Any]
    group: str | None = None


def followers(afters: Mapping[str, Sequence[AfterPlan]], ended: Ended, tell: Tell | None = None) -> list[NewEntry]:
    """Return the firings that *ended* causes; *afters*: pipeline → its ``after`` triggers.

    Of a list of pipelines each one's end fires. A trigger whose params cannot be made does not fire, and *tell* is
    told so; without *tell* it raises RecordError. Asking again for the same run gives the same entries: their dedupe
    makes them one.
    """
    entries = []
    for name, plans in afters.items():
        for plan in plans:
            if ended.pipeline not in plan.pipelines or not matches(plan.on, ended.status):
                continue
            try:
                entries.append(_entry(name, plan, ended))
            except RecordError as error:
                if tell is None:
                    raise
                fact = f"'{plan.id}' does not fire after run {ended.run}: its params cannot be made: {error.message}"
                tell(Noted(name, "", "error", "trigger-params", fact))
    return entries


def matches(on: Literal["success", "failure", "any"], status: RunStatus) -> bool:
    """Tell whether a run that ended in *status* is what a trigger waits for.

    A run that people cancelled, or that a newer one replaced, is neither success nor failure; ``any`` takes it.
    """
    return status in {"success": _GOOD, "failure": _BAD, "any": _ENDED}[on]


def counts(summary: Mapping[str, Any]) -> dict[str, int]:
    """Sum up a run: records read, dropped by filters, sent (over all targets) and rejected."""
    return {
        "read": summary.get("read", 0),
        "dropped": sum(summary.get("dropped", {}).values()),
        "sent": sum(summary.get("sent", {}).values()),
        "rejected": summary.get("rejected", 0),
    }


def _entry(name: str, plan: AfterPlan, ended: Ended) -> NewEntry:
    around = {
        "pipeline": ended.pipeline,
        "run": ended.run,
        "status": ended.status,
        "counts": counts(ended.summary),
    }
    params = plan.params({"trigger": {**around, "id": plan.id, "type": "after", "params": ended.params}})
    group = ended.group or ended.run
    return Firing(plan.id, "after", params, group=group, around=around).entry(name, f"{plan.id}|{ended.run}")
