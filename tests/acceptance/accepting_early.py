"""The engine that says "accepted" before it is true: the control of the webhook kill test."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.cli.main import main
from engine.ids import new_id
from engine.store.sqlite import SqliteStore

durable = SqliteStore.append
late = set()


async def append(store, entries):
    """Answer at once, and write a little later."""

    async def write():
        await asyncio.sleep(0.05)
        await durable(store, entries)

    if entries:
        task = asyncio.create_task(write())
        late.add(task)
        task.add_done_callback(late.discard)
    return [(new_id(), True) for _ in entries]


SqliteStore.append = append

if __name__ == "__main__":
    sys.exit(main())
