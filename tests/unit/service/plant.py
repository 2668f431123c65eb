"""Firings and lanes of pipelines made of plain functions, over a store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.pipeline import AfterPlan, Pipeline
from engine.runtime.runner import Runtime
from engine.service.generation import Card
from engine.service.supervisor import Supervisor
from engine.store.base import Where


@dataclass
class Made:
    """Stands for a Generation: pipelines that need no files."""

    pipelines: Mapping[str, Pipeline]
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def cards(self) -> dict[str, Card]:
        return {name: Card(name, one.fingerprint, webhooks=one.webhooks) for name, one in self.pipelines.items()}

    @property
    def afters(self) -> dict[str, tuple[AfterPlan, ...]]:
        return {name: one.after for name, one in self.pipelines.items() if one.after}

    def pipeline(self, name: str) -> Pipeline:
        return self.pipelines[name]


@dataclass
class Plant:
    """A supervisor over one store."""

    store: Any
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)
    paused: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        runtime = Runtime(self.store, self.events.append, Path(), random=lambda: 0.5)
        made: Any = Made(self.pipelines, self.renamed)
        self.supervisor = Supervisor(runtime, made, lambda name: name in self.paused)

    async def entries(self, lane: str) -> int:
        rows, _ = await self.store.find("lanes", Where(lane=lane))
        return sum(row.entries for row in rows)

    async def runs(self, pipeline: str = "p") -> list[Any]:
        rows, _ = await self.store.find("runs", Where(pipeline=pipeline))
        return list(reversed(rows))

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Any, seconds: float = 5.0) -> None:
        """Look, again and again, until *condition* (sync or async) holds."""
        async with asyncio.timeout(seconds):
            while True:
                await self.supervisor.look()
                found = condition()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return
                await asyncio.sleep(0.002)
