"""All who hear what happens: the log, the metrics, the health; and what the admin listener shows of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import engine
from engine.definition.model import Project
from engine.events import Tell, Told
from engine.http.admin import AdminPorts, Page, as_page
from engine.service.cards import cards
from engine.service.health import Health, HealthSettings, Probe
from engine.store.base import LaneRow, Store, Where
from engine.store.base import Page as Mark
from engine.store.sqlite import SqliteStore, sqlite_facts
from engine.telemetry.metrics import Metrics

_RECALLED = timedelta(days=1)
_PAGE = 500


class Observers:
    """Tells the log first, then counts."""

    def __init__(self, tell: Tell, store: Store, project: Project) -> None:
        labels = (project.settings.get("metrics") or {}).get("labels") or ()
        self._tell, self._store = tell, store
        self.probes: dict[str, Probe] = {}
        self.metrics = Metrics(self._lanes, labels, {"version": engine.__version__})
        self.health = Health(
            HealthSettings.of(project.settings.get("health")), probes=self.probes, sqlite=sqlite_facts().version
        )

        if isinstance(store, SqliteStore):
            store.committed = self.metrics.committed

    def told(self, event: Told) -> None:
        """Pass it on."""
        self._tell(event)
        self.metrics(event)
        self.health(event)

    def replace(self, project: Project, paused: Collection[str]) -> None:
        """Know the pipelines of *project*."""
        made, connections = list(cards(project, paused)), list(project.connections)
        self.health.settings = HealthSettings.of(project.settings.get("health"))
        self.health.replace(made, connections)
        self.metrics.replace(made, connections)

    async def recall(self) -> None:
        """Learn from history how the last runs ended."""
        since = (datetime.now(UTC) - _RECALLED).isoformat()
        rows, _ = await self._store.find("runs", Where(since=since), Mark(_PAGE))
        for row in rows:
            if row.finished:
                self.health.recall(row.pipeline, row.status, datetime.fromisoformat(row.finished))

    def ports(self) -> AdminPorts:
        """Return what the admin listener shows."""

        def group(name: str) -> Page | None:
            answer = self.health.group(name, datetime.now(UTC))
            return None if answer is None else as_page(answer)

        return AdminPorts(
            live=lambda: as_page(self.health.live()),
            ready=lambda: as_page(self.health.ready(datetime.now(UTC))),
            metrics=self.metrics.expose,
            group=group,
            tell=self.told,
        )

    async def _lanes(self) -> Sequence[LaneRow]:
        """Return the lanes that have work."""
        rows: list[LaneRow] = []
        for lane in await self._store.waiting():
            found, _ = await self._store.find("lanes", Where(lane=lane))
            rows += found
        return rows
