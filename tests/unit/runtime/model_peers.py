"""What stands around the runtime in the model: targets and a store in which things go wrong as the plan says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.connector import BaseTarget
from engine.errors import Disconnected, Misconfigured, Rejected, StoreFailed, StoreFull, Transient, Uncertain
from engine.record import Receipt
from engine.store.base import Settlement

from .model_scenario import Out

if TYPE_CHECKING:
    from .model import World


class Bug(Exception):
    """A mistake in a connector: nothing the engine knows."""


@dataclass
class Sink:
    """What stands at the other side; it outlives the process."""

    out: Out
    taken: list[str] = field(default_factory=list)
    """Every delivery, in order."""
    content: list[str] = field(default_factory=list)
    """Of a file: what it holds."""
    part: list[str] = field(default_factory=list)
    flushed: int = 0

    def die(self, kept: int) -> None:
        """What was not flushed may be on the disk, or not."""
        lost = max(0, len(self.content) - self.flushed)
        self.content = self.content[: self.flushed + min(kept, lost)]
        self.flushed = min(self.flushed, len(self.content))

    def holds(self, length: int | None) -> set[str]:
        if self.out.kind == "plain":
            return set(self.taken)
        if self.out.kind == "at_end":
            return set(self.content)
        if length is None:
            return set(self.content[: self.flushed])
        assert length <= self.flushed, "settled what was not flushed"
        return set(self.content[:length])


class Door(BaseTarget):
    """A target of one run, in front of a sink."""

    def __init__(self, world: World, sink: Sink, stages: bool):
        self.world, self.sink = world, sink
        self.atomic = sink.out.atomic
        self.at_end, self.rewinds = sink.out.kind == "at_end", sink.out.kind == "rewinds"

    async def open(self, stack):
        self.sink.part = []

    async def resume(self, progress):
        if self.rewinds and progress is not None:
            assert len(self.sink.content) >= progress["length"], "what was settled is gone"
            del self.sink.content[progress["length"] :]
            self.sink.flushed = min(self.sink.flushed, len(self.sink.content))

    def progress(self):
        return {"length": len(self.sink.content)} if self.rewinds else None

    async def flush(self):
        await asyncio.sleep(0)
        if not self.world.dead:
            self.sink.flushed = len(self.sink.content)

    async def finish(self):
        await asyncio.sleep(0)
        if self.at_end and not self.world.dead:
            self.sink.content = list(self.sink.part)

    async def write(self, load):
        world = self.world
        world.alive()
        world.widest = max(world.widest, len(load.records))
        await asyncio.sleep(0)
        fault = world.next_write()
        names = [record["name"] for record in load.records]
        assert load.keys == (
            [record["name"] for record in load.records] if self.sink.out.keyed else [None] * len(names)
        )
        if fault in ("die", "cancel"):
            await world.end(fault)
        if fault == "die half":
            self._take([r["name"] for r in load.records[: len(names) // 2] if not self._refused(r)], load)
            await world.end("die")
        if fault in RAISED:
            raise RAISED[fault]()
        if self.sink.out.atomic and any(self._refused(record) for record in load.records):
            raise Rejected("one of them is bad")
        receipt = self._receipt(load, fault)
        gone = {*receipt.rejected, *receipt.retry, *receipt.uncertain}
        self._take([name for index, name in enumerate(names) if index not in gone], load)
        if fault == "stop":
            world.stop.set()
        if fault == "lost answer":
            raise Uncertain("the answer was lost")
        if fault in ("taken die", "taken cancel"):
            await world.end(fault.removeprefix("taken "))
        return receipt

    def _refused(self, record) -> bool:
        return record["row"] in self.sink.out.refuses and not self.world.forgiving

    def _receipt(self, load, fault) -> Receipt:
        rejected = {i: "refused for ever" for i, record in enumerate(load.records) if self._refused(record)}
        others = [i for i in range(len(load.records)) if i not in rejected]
        retry = dict.fromkeys(others[::2], "later") if fault == "retry some" else {}
        unsure = dict.fromkeys(others[1::2], "no word of it") if fault == "unsure of some" else {}
        return Receipt(rejected, retry, unsure)

    def _take(self, names, load) -> None:
        if self.world.dead:
            return
        self.sink.taken += names
        (self.sink.part if self.at_end else self.sink.content).extend(names)


RAISED: Mapping[str, Callable[[], Exception]] = {
    "transient": lambda: Transient("busy", 0.0),
    "disconnected": lambda: Disconnected("gone"),
    "unsent": lambda: Uncertain("no answer"),
    "misconfigured": lambda: Misconfigured("401"),
    "bug": lambda: Bug("a mistake"),
    "raw": lambda: ConnectionResetError("reset"),
}
CLEAN_FAULTS = ("die", "die half", "taken die", "stop", "cancel", "taken cancel", "transient", "disconnected",
                "misconfigured", "bug", "raw")  # fmt: skip
"""What can happen to a file; the others leave a repeat behind, or an order that nobody can keep."""
LOSSY_FAULTS = ("unsent", "lost answer", "retry some", "unsure of some")
SETTLE_FAULTS = ("die before", "die after", "full", "full awhile", "full long", "stop", "cancel")


class Watched:
    """A store that dies, fills up, and checks the laws at every settlement."""

    def __init__(self, store: Any, world: World) -> None:
        self._store, self._world = store, world

    def __getattr__(self, name: str) -> Any:
        world, call = self._world, getattr(self._store, name)

        async def checked(*args: Any, **more: Any) -> Any:
            if world.dead:
                raise StoreFailed("the process is dead")
            return await call(*args, **more)

        return checked

    async def settle(self, settlement: Settlement) -> None:
        world = self._world
        if world.dead:
            raise StoreFailed("the process is dead")
        fault = world.next_settle()
        for _ in range(world.scenario.slow):
            await asyncio.sleep(0)
        if world.dead:
            raise StoreFailed("the process is dead")
        if fault.startswith("full"):
            await asyncio.sleep(0)
            raise StoreFull("no space")
        if fault == "stop":
            world.stop.set()
        if fault == "die before":
            world.die()
            raise StoreFailed("the process is dead")
        if fault == "cancel":
            await world.end("cancel")
        world.judge(settlement)
        await self._store.settle(settlement)
        if fault == "die after":
            world.die()
            raise StoreFailed("the process is dead")
