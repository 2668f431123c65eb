"""Accepted work under random trouble: what callers sent, what the targets got, and the laws between them."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from engine.errors import Disconnected, Misconfigured, StoreError, Transient, Uncertain
from engine.record import Receipt
from engine.store.base import NewEntry, Page, Settlement, Where
from engine.store.memory import MemoryStore
from tests.unit.runtime.accepted_rig import HOOK, body
from tests.unit.runtime.rig import Rig
from tests.unit.service.plant import Plant

TARGETS = ("a", "b")
EVERY = 9
"""One record of so many is refused by target a."""


class Gone(StoreError):
    """The process is dead: whatever it still asks of the store comes from nobody."""


class Mortal:
    """A process's hold of the store: once dead it changes nothing, and its leases are neither given back nor kept."""

    def __init__(self, store: Any, watch: Any) -> None:
        self._store, self._watch = store, watch
        self.dead = self.dying = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*given: Any) -> Any:
            if self.dead:
                raise Gone("dead")
            return await method(*given)

        return call

    async def settle(self, settlement: Settlement) -> None:
        if self.dead:
            raise Gone("dead")
        self._watch(settlement)
        await self._store.settle(settlement)
        if self.dying:
            self.dead = True
            raise Gone("died when it was on disk, before anybody knew")


@dataclass
class World:
    """One scenario."""

    random: random.Random
    store: Any = field(init=False)
    now: float = 1e9
    got: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By target: every record it took, in order."""
    trouble: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(TARGETS, False))
    broken: list[str] = field(default_factory=list)
    """Laws that were broken while it went on."""
    sent: int = 0
    entries: dict[str, list[int]] = field(default_factory=dict)
    """By entry: the records in it."""
    revision: int = 0
    plant: Plant = field(init=False)
    mortal: Mortal = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryStore(clock=lambda: self.now)
        self.rig = Rig(self.store)
        self.grows = self.random.random() < 0.4
        self.begin()

    # what happens

    def begin(self) -> None:
        """Start a process."""
        self.mortal = Mortal(self.store, self.look)
        self.plant = Plant(self.mortal)
        self.compile()

    def compile(self) -> None:
        """Make the pipeline of the revision of now."""
        targets = [self.target(name) for name in TARGETS]
        self.plant.pipelines["p"] = self.rig.pipeline(
            [], webhooks=(HOOK,), targets=targets, fingerprint=f"f{self.revision}"
        )

    def target(self, name: str) -> Any:
        traits = {"rewinds": True, "progress": self.length, "resume": self.cut} if self.grown(name) else {}
        batch = self.random.randint(1, 4)
        return self.rig.target(lambda call, load: self.write(name, load), name=name, batch=batch, traits=traits)

    def grown(self, name: str) -> bool:
        """Tell whether a target is a file that grows, and is cut back to where it was settled."""
        return self.grows and name == "a"

    def length(self) -> dict[str, int]:
        return {"length": len(self.got["a"])}

    async def cut(self, place: Any) -> None:
        if place is not None:
            del self.got["a"][place["length"] :]

    def write(self, name: str, load: Any) -> Any:
        """Take, refuse, or fail; sometimes take and say nothing of it."""
        ids = [record["id"] for record in load.records]
        if self.trouble[name] and self.random.random() < 0.8:
            kind = self.random.choice([Disconnected, Transient, Misconfigured, Uncertain])
            if kind is Uncertain and not self.grown(name):
                self.got[name] += [one for one in ids if not self.refuses(name, one)]
            return kind("trouble")
        refused = {index: "no" for index, one in enumerate(ids) if self.refuses(name, one)}
        self.got[name] += [one for one in ids if not self.refuses(name, one)]
        return Receipt(rejected=refused)

    def refuses(self, name: str, one: int) -> bool:
        return name == "a" and one % EVERY == EVERY - 1

    async def accept(self) -> None:
        """Let callers send something: one record, several, or what cannot be read."""
        for _ in range(self.random.randint(1, 6)):
            count = self.random.choice([0, 1, 1, 1, 3])
            ids = list(range(self.sent, self.sent + count))
            self.sent += count
            records = ",".join(f'{{"id": {one}}}' for one in ids)
            ((entry, _),) = await self.store.append([NewEntry("p/in/0", body(f"[{records}]" if count else "{"))])
            self.entries[entry] = ids

    async def die(self) -> None:
        """Die, sometimes with a settlement on disk that nobody was told of."""
        if self.random.random() < 0.5:
            self.mortal.dying = True
            await self.go_on()
        self.mortal.dead = True
        tasks = [one.task for one in self.plant.supervisor._workers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.now += 60.0  # its leases expire
        self.begin()

    async def stop(self) -> None:
        """Stop in order and start again."""
        await self.plant.supervisor.stop(self.random.choice([0.0, 1.0]))
        self.begin()

    async def reload(self) -> None:
        """Go over to a new revision."""
        self.revision += 1
        self.compile()
        await self.plant.supervisor.apply(self.plant.supervisor.generation)

    async def disturb(self) -> None:
        """Break a target, or mend it."""
        name = self.random.choice(TARGETS)
        self.trouble[name] = not self.trouble[name]

    async def go_on(self) -> None:
        """Let the process work for a while."""
        with suppress(Gone):
            for _ in range(self.random.randint(1, 8)):
                await self.plant.supervisor.look()
                await asyncio.sleep(0.001)

    async def live(self, steps: int) -> None:
        """Let things happen, then let it all come to its end."""
        acts = [self.accept, self.accept, self.disturb, self.disturb, self.die, self.stop, self.reload]
        for _ in range(steps):
            await self.random.choice(acts)()
            await self.go_on()
        self.trouble = dict.fromkeys(TARGETS, False)
        await self.plant.until(self.empty, 10.0)
        await self.plant.supervisor.stop(1.0)

    async def empty(self) -> bool:
        return await self.store.waiting() == []

    # the laws

    def look(self, settlement: Settlement) -> None:
        """What is settled was delivered, refused, or put aside in the same settlement."""
        if settlement.lease.lane != "p/in/0":
            return
        kept = {one.record["id"] for one in settlement.dead if isinstance(one.record, dict) and one.target is None}
        aside = defaultdict(set)
        for letter in settlement.dead:
            if letter.target and isinstance(letter.record, dict):
                aside[letter.target].add(letter.record["id"])
        for entry in settlement.append:
            aside[entry.body["target"]].add(entry.body["record"]["id"])
        for entry in settlement.done:
            for one in self.entries.get(entry, ()):
                for name in TARGETS:
                    if one not in kept and one not in aside[name] and one not in self.got[name]:
                        self.broken.append(f"record {one} is settled, and {name} has not got it")

    async def verdict(self) -> list[str]:
        """Tell which laws are broken, at the end."""
        letters, _ = await self.store.find("dead", Where(), Page(10_000))
        broken = list(self.broken)
        for name in TARGETS:
            dead = [
                (one.record["id"], one.code)
                for one in letters
                if isinstance(one.record, dict) and one.target in (None, name)
            ]
            taken = set(self.got[name])
            for one in range(self.sent):
                codes = [code for number, code in dead if number == one]
                if one not in taken and not codes:
                    broken.append(f"{name}: record {one} is lost")
                if one in taken and "refused" in codes:
                    broken.append(f"{name}: record {one} is taken and a dead letter")
                if len(codes) > 1:
                    broken.append(f"{name}: record {one} is {len(codes)} dead letters")
            first = list(dict.fromkeys(self.got[name]))
            if self.grown(name) and first != self.got[name]:
                broken.append(f"{name}: something is in it twice: {self.got[name]}")
            if first != sorted(first):
                broken.append(f"{name}: out of order {first}")
        unreadable = sum(not ids for ids in self.entries.values())
        if (found := sum(not isinstance(one.record, dict) for one in letters)) != unreadable:
            broken.append(f"{unreadable} calls were not readable, {found} are dead letters")
        return broken
