"""The retail hub as a project in a folder of its own: its real files, its own databases, known secrets."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from engine.app import App, Request, open_app
from engine.compiler.check import check
from engine.connector import BaseSource
from engine.definition.loader import load
from engine.definition.model import Project
from engine.errors import Problem
from engine.pipeline import SourcePlan
from engine.policy import Resilience
from engine.record import Batch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.banban_demo import SECRETS, make_databases  # noqa: E402

KEYS = {name: f"{name}-for-tests-and-long-enough-to-be-one" for name in SECRETS}
ENVIRON = {
    **{f"ENGINE_SECRET_{name.upper().replace('-', '_')}": key for name, key in KEYS.items()},
    "ENGINE_STORE_SQLITE_MIN_FREE": "1KiB",
    "ENGINE_STORE_SQLITE_RESERVE": "1KiB",
}
"""What the project is loaded with."""

BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)


def write_project(folder: Path, *, history: bool = False) -> Path:
    """Copy the hub's real files to *folder* and make its databases."""
    shutil.copytree(ROOT / "pipelines" / "banban", folder / "pipelines" / "banban")
    shutil.copy(ROOT / "engine.yaml", folder / "engine.yaml")
    make_databases(folder, history=history)
    return folder


def loaded(folder: Path, environ: Mapping[str, str] = ENVIRON) -> tuple[Project, list[Problem]]:
    """Load it as every command does."""
    project, problems = load(folder, environ=environ)
    return project, sorted({*problems, *check(project)})


def event(action: str, number: Any = 1, **data: Any) -> dict[str, Any]:
    """Make a body; *number* tells events of one action apart."""
    return {"event_id": f"{action}-{number}", "action": action, "data": data}


def at(minutes: int = 0) -> str:
    """Give a moment as the stores write it."""
    return (BEGIN + timedelta(minutes=minutes)).isoformat()


def sale(number: int = 1, *, items: Sequence[tuple[str, int, float]] = (("SAND-AZ-38", 2, 50.0),), **more: Any) -> Any:
    """Make a register_sale: *items* are (sku, quantity, unit price)."""
    lines = [{"line": line, "sku": s, "quantity": q, "unit_price": p} for line, (s, q, p) in enumerate(items, 1)]
    total = round(sum(q * p for _, q, p in items) - more.get("discount", 0), 2)
    data = {"sale_id": f"S{number}", "store_id": "LOJA-01", "customer_id": "C1", "sold_at": at(), "total": total}
    return event("register_sale", number, **{**data, "items": lines, **more})


def payment(number: int = 1, *, sale: str = "S1", amount: float = 100.0) -> Any:
    """Make a register_payment."""
    data = {"payment_id": f"P{number}", "sale_id": sale, "method": "pix", "amount": amount, "paid_at": at(1)}
    return event("register_payment", number, **data)


def cancellation(number: int = 1, *, sale: str = "S1") -> Any:
    """Make a register_cancellation."""
    return event("register_cancellation", number, sale_id=sale, reason="a mistake", cancelled_at=at(2))


def lines(**quantities: int) -> list[dict[str, Any]]:
    """Make lines by short names: ``sand=2`` is two of SAND-AZ-38."""
    names = {"sand": "SAND-AZ-38", "tenis": "TENIS-BR-40", "bota": "BOTA-MR-37", "bolsa": "BOLSA-PT"}
    return [{"sku": names[short], "quantity": quantity} for short, quantity in quantities.items()]


class Outcome(NamedTuple):
    """What became of the bodies that were worked."""

    status: str
    sent: int
    refused: list[str]
    """The reasons, oldest first."""


@dataclass
class Hub:
    """The pipelines of one client, compiled; bodies are worked as they come, without a server."""

    folder: Path
    app: App
    client: str = "banban"
    events: list[Any] = field(default_factory=list)

    async def take(self, flow: str, *bodies: Any) -> Outcome:
        """Work *bodies* in order through the pipeline *flow*, in place of its webhook.

        Where callers wait for the answer each goes by itself; where they do not, those that wait go together.
        """
        if flow.startswith("sales"):
            return await self.at_once(flow, *bodies)
        found = [await self.at_once(flow, body) for body in bodies]
        reasons = [reason for one in found for reason in one.refused]
        return Outcome("partial" if reasons else "success", sum(one.sent for one in found), reasons)

    async def at_once(self, flow: str, *bodies: Any) -> Outcome:
        """Work *bodies* as one batch."""
        pipeline = self.app.pipeline(f"{flow}[{self.client}]")
        meta = {"client": self.client, "received": at(5)}
        listed = SourcePlan("list", None, lambda context: _List(bodies, meta), None, Resilience())
        result = await self.app.runtime.run(replace(pipeline, source=listed), Request(), asyncio.Event())
        return await self._outcome(result.summary)

    async def run(self, name: str, **params: Any) -> Outcome:
        """Run a pipeline as ``engine run`` does."""
        result = await self.app.run(f"{name}[{self.client}]", Request(params=params), asyncio.Event())
        return await self._outcome(result.summary)

    async def _outcome(self, summary: Mapping[str, Any]) -> Outcome:
        from engine.store.base import Page, Where

        dead, _ = await self.app.store.find("dead", Where(run=summary["run"]), Page(1000))
        assert summary["error"] is None, summary["error"]
        return Outcome(summary["status"], sum(summary["sent"].values()), [one.message for one in reversed(dead)])

    def rows(self, query: str, *values: Any) -> list[Any]:
        """Read the client's database: rows, or the values of a single column."""
        found = sql(self.folder, query, *values, client=self.client)
        return [row[0] if len(row) == 1 else row for row in found]

    def stock(self, place: str = "LOJA-01", sku: str = "SAND-AZ-38") -> int:
        """Give what there is of a product at a place."""
        [quantity] = self.rows("select quantity from stock where location_id = ? and sku = ?", place, sku)
        return int(quantity)


@asynccontextmanager
async def hub(folder: Path, client: str = "banban") -> AsyncIterator[Hub]:
    """Open the hub in *folder*; its files have no problems."""
    project, problems = loaded(folder)
    assert problems == []
    events: list[Any] = []
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(open_app(project, emit=events.append))
        yield Hub(folder, app, client, events)


def sql(folder: Path, query: str, *values: Any, client: str = "banban") -> list[tuple[Any, ...]]:
    """Ask or change a client's database past the engine."""
    with closing(sqlite3.connect(folder / ".run" / f"{client}.db", timeout=10)) as database, database:
        return database.execute(query, values).fetchall()


class _List(BaseSource):
    """Reads a list once."""

    def __init__(self, records: Sequence[Any], meta: Mapping[str, Any]) -> None:
        # through JSON, as a body comes: what is no JSON cannot be sent
        self._records = json.loads(json.dumps(records))
        self._meta = meta

    async def read(self, after: Any) -> AsyncIterator[Batch]:
        """Yield all of it."""
        yield Batch(self._records, [self._meta] * len(self._records), {"done": True})
