"""What people may ask of a serving engine from beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from engine.events import Emit
from engine.runtime.request import Request
from engine.store.base import Where


class Commands(Protocol):
    """Answered by the server; every refusal is an EngineError with what to do."""

    async def run(self, pipeline: str, request: Request, watch: Emit) -> Mapping[str, Any]:
        """Run it now and give its summary; *watch* sees the run's events. Raises Unavailable, DefinitionError."""
        ...

    async def cancel(self, run: str) -> bool:
        """Cancel a run that goes on at its next batch boundary; False when it is not running."""
        ...

    async def rerun(self, run: str) -> str:
        """Fire the same pipeline with the same params again; give the entry's id. Raises Unavailable."""
        ...

    async def amend(self, where: Where, do: Literal["replay", "edit", "drop"], body: Any = None, limit: int = 0) -> int:
        """Change dead letters; what is set to be replayed is worked at once. See ``Store.amend``."""
        ...

    async def pause(self, pipeline: str, by: str) -> None:
        """Hold a pipeline's triggers and sessions until ``resume``; kept over restarts. Raises Unavailable."""

    async def resume(self, pipeline: str, by: str) -> None:
        """Undo ``pause``. Raises Unavailable."""

    async def backup(self, path: Path) -> None:
        """Write a consistent copy of the store. Raises StoreError."""

    async def reload(self) -> bool:
        """Read the project again now; False when it has problems and the old one keeps running."""
        ...

    async def orphans(self, lane: str, do: Literal["drop", "move"], to: str = "") -> int:
        """Drop the entries of a lane whose pipeline is gone, or move them to another pipeline's; give how many."""
        ...
