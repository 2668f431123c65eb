"""A process of its own that fires a slot each second: arguments are the store's file and how it settles."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from engine.compiler.triggers import timer_slots
from engine.events import Fired, Told
from engine.ids import new_id
from engine.pipeline import TimerPlan
from engine.service.scheduler import Scheduler
from engine.store.base import Settlement
from engine.store.sqlite import SqliteStore


class Forgetful(SqliteStore):
    """The control's store: neither places nor dedupe."""

    async def settle(self, settlement: Settlement) -> None:
        plain = [new._replace(dedupe=None) for new in settlement.append]
        await super().settle(settlement._replace(state={}, append=plain))


def tell(told: Told) -> None:
    if isinstance(told, Fired):
        print(told.slot, flush=True)


async def main(path: Path, store_class: type[SqliteStore]) -> None:
    slots = timer_slots({"cron": "* * * * * *"}, "UTC", {})
    plan = TimerPlan("t", slots.next_after, "all", pipeline="p")
    async with AsyncExitStack() as stack:
        store = store_class(path, min_free=0, reserve=0)
        await store.open(stack, new_id())
        scheduler = Scheduler(store, tell, paused=lambda name: False)
        await scheduler.open(stack)
        scheduler.replace([plan])
        await scheduler.work()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Forgetful if sys.argv[2] == "forgetful" else SqliteStore))
