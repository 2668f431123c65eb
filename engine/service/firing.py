"""A firing: the reason for one run, durable in the lane ``<pipeline>/fire`` until that run has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.store.base import Entry, NewEntry

Kind = Literal["cron", "every", "webhook", "after", "file", "manual", "rerun"]

LANE = "fire"


@dataclass(frozen=True, slots=True)
class Firing:
    """One reason to run a pipeline."""

    trigger: str
    """The trigger's id; ``manual`` by hand."""
    kind: Kind
    params: Mapping[str, Any] = field(default_factory=dict)
    slot: str | None = None
    """Of a timer: the slot in UTC, ISO 8601."""
    group: str | None = None
    """What the runs of one chain share."""
    rerun_of: str | None = None
    around: Mapping[str, Any] = field(default_factory=dict)
    """What ``trigger`` shows besides: ``body``, ``headers``, ``status``, ``counts`` …"""

    def entry(self, pipeline: str, dedupe: str | None = None) -> NewEntry:
        """Write it as an entry of the pipeline's lane."""
        body = {
            **self.around,
            "trigger": self.trigger,
            "type": self.kind,
            "slot": self.slot,
            "params": dict(self.params),
            "group": self.group,
            "rerun_of": self.rerun_of,
        }
        return NewEntry(f"{pipeline}/{LANE}", body, dedupe)

    @classmethod
    def read(cls, entry: Entry) -> Firing:
        """Read what ``entry`` wrote, or a webhook of a pipeline with a source."""
        body = dict(entry.body)
        return cls(
            trigger=body.pop("trigger"),
            kind=body.pop("type"),
            params=body.pop("params"),
            slot=body.pop("slot", None),
            group=body.pop("group", None),
            rerun_of=body.pop("rerun_of", None),
            around=body,
        )

    @property
    def accepted(self) -> bool:
        """Tell whether it stands for data that must be worked, a call or a file: then no policy drops it."""
        return self.kind in ("webhook", "file")
