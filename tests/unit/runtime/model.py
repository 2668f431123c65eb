"""A world in which everything can go wrong, and what must hold in it all the same: the runtime against a model.

A *scenario* says what there is to do (rows, cursor, stages, targets) and what goes wrong in each *life* of the process:
targets that refuse, stall, lose answers; disks that are full; stops, cancellations, and deaths, after which nothing that
the run still tries has any effect. A new life opens the store anew. The laws are checked at every settlement and at the end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.connector import BaseTarget
from engine.errors import (
    Disconnected,
    EngineError,
    Misconfigured,
    RecordError,
    Rejected,
    StoreFailed,
    StoreFull,
    Transient,
    Uncertain,
)
from engine.pipeline import CursorPlan, Pipeline, SourcePlan, TargetPlan
from engine.record import Receipt
from engine.runtime.request import Request
from engine.runtime.runner import Runtime
from engine.store.base import Page, Settlement, Where

from .rig import QUICK, Each, ListSource

ENDED = {"success", "partial", "empty"}


class Bug(Exception):
    """A mistake in a connector: nothing the engine knows."""


@dataclass(frozen=True)
class Out:
    """One target of a scenario."""

    name: str
    kind: str = "plain"
    """plain, at_end or rewinds."""
    batch: int = 5
    keyed: bool = True
    atomic: bool = False
    share: int = 0
    """0: takes every record; n: those whose row is no multiple of n."""
    refuses: frozenset[int] = frozenset()
    """Rows whose records it refuses, for ever."""
    drops: bool = False
    """``on_rejected: drop``."""


@dataclass(frozen=True)
class Life:
    """What goes wrong while one process lives."""

    writes: Mapping[int, str] = field(default_factory=dict)
    """By number of the write call in this life, over all targets."""
    settles: Mapping[int, str] = field(default_factory=dict)
    limit: int | None = None
    full: bool = False


@dataclass(frozen=True)
class Scenario:
    """What there is to do, and what goes wrong."""

    cursor: str = "unique"
    """unique, ties, or none: the source gives checkpoints."""
    rows: int = 30
    tie: int = 1
    """Neighbouring rows with one cursor value."""
    read: int = 10
    """Records of a batch of the source."""
    dropped: frozenset[int] = frozenset()
    failing: frozenset[int] = frozenset()
    children: int = 1
    """Into how many every third row is split."""
    unrouted: str = "reject"
    lookback: int = 0
    outs: tuple[Out, ...] = (Out("out"),)
    lives: tuple[Life, ...] = ()

    @cached_property
    def data(self) -> list[dict[str, Any]]:
        return [{"id": row, "at": row // self.tie} for row in range(self.rows)]

    def items(self, row: int) -> list[str]:
        """The names of what a row becomes."""
        if row in self.dropped or row in self.failing:
            return []
        return [f"{row}.{n}" for n in range(self.children if row % 3 == 0 else 1)]

    def takes(self, out: Out, row: int) -> bool:
        return not out.share or row % out.share != 0

    def wanted(self, out: Out, rows: Sequence[int]) -> list[str]:
        """What *out* must get of *rows*, in order."""
        return [item for row in rows if self.takes(out, row) and row not in out.refuses for item in self.items(row)]

    def letters(self, rows: Sequence[int]) -> Counter[tuple[str | None, int]]:
        """The dead letters there must be of *rows*: (target, row)."""
        found: Counter[tuple[str | None, int]] = Counter()
        forgotten = len(self.outs) == 1 and self.outs[0].drops
        for row in rows:
            if row in self.failing and not forgotten:
                found[None, row] += 1
            items = len(self.items(row))
            takers = [out for out in self.outs if self.takes(out, row)]
            for out in takers:
                if row in out.refuses and not out.drops:
                    found[out.name, row] += items
            if not takers and self.unrouted == "reject" and not forgotten:
                found[None, row] += items
        return +found


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
SETTLE_FAULTS = ("die before", "die after", "full", "full long", "stop", "cancel")


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
        if fault in ("full", "full long"):
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


@dataclass
class World:
    """One scenario, life after life."""

    scenario: Scenario
    open_store: Callable[[], Any]
    sinks: dict[str, Sink] = field(default_factory=dict)
    dead: bool = False
    forgiving: bool = False
    """Nothing is refused any more: for replays."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    life: Life = field(default_factory=Life)
    widest: int = 0
    ticks: int = 0
    letters: Counter[tuple[str | None, int]] = field(default_factory=Counter)
    stands: int | None = None
    places: Mapping[str, Any] | None = None
    """Where the files stood at the last settlement; None: nothing of them can be cut off any more."""
    completed: bool = False
    """A run came to its end, and that is on disk."""
    problems: list[str] = field(default_factory=list)
    results: list[Mapping[str, Any] | None] = field(default_factory=list)
    interrupted: int = 0
    _writes: int = 0
    _settles: int = 0
    _full: int = 0
    _task: asyncio.Task[Any] | None = None

    def __post_init__(self) -> None:
        self.sinks = {out.name: Sink(out) for out in self.scenario.outs}

    # what goes wrong

    def alive(self) -> None:
        if self.dead:
            raise Disconnected("the process is dead")

    def die(self) -> None:
        self.dead = True
        for number, sink in enumerate(self.sinks.values()):
            sink.die((self._writes * 7 + number) % 5)

    async def end(self, how: str) -> None:
        """End the life, or only the run, in the middle of a call that never returns."""
        if how == "die":
            self.die()
        assert self._task is not None
        self._task.cancel()
        await asyncio.Event().wait()

    def next_write(self) -> str:
        self._writes += 1
        return self.life.writes.get(self._writes, "")

    def next_settle(self) -> str:
        if self._full:
            self._full -= 1
            return "full"
        self._settles += 1
        fault = self.life.settles.get(self._settles, "")
        self._full = {"full": 2, "full long": 200}.get(fault, 0)
        return fault

    # the laws

    def judge(self, settlement: Settlement) -> None:
        """At every settlement: nothing behind its checkpoint is missing."""
        for letter in settlement.dead:
            self.letters[letter.target, letter.record["row"] if "row" in letter.record else letter.record["id"]] += 1
        lanes = {settlement.lease.lane: settlement.checkpoint} | {lease.lane: point for lease, point in settlement.also}
        if "p/targets" in lanes:
            self.places = lanes.pop("p/targets")
        self.completed = self.completed or (settlement.run is not None and settlement.run.status in ENDED)
        for lane, point in lanes.items():
            if not lane.endswith("/replay") and point:
                self._check(lane, point)

    def _check(self, lane: str, point: Mapping[str, Any]) -> None:
        rows = self._covered(point)
        for sink in self.sinks.values():
            length = None if self.places is None else (self.places.get(sink.out.name) or {"length": 0})["length"]
            missing = [n for n in self.scenario.wanted(sink.out, rows) if n not in sink.holds(length)]
            if missing:
                self.problems.append(f"{lane} stands at {point}, but {sink.out.name} has not {missing}")
        lacking = self.scenario.letters(rows) - self.letters
        if lacking:
            self.problems.append(f"{lane} stands at {point} without the dead letters {dict(lacking)}")
        if lane.endswith("/cursor") and "cursor" in point:
            at = point["cursor"]["at"]
            if self.stands is not None and at < self.stands:
                self.problems.append(f"the cursor went back from {self.stands} to {at}")
            self.stands = at

    def _covered(self, point: Mapping[str, Any]) -> range:
        if "cursor" in point:
            return range(sum(row["at"] <= point["cursor"]["at"] for row in self.scenario.data))
        return range((point.get("source") or {}).get("offset", 0))

    # the runtime under test

    def pipeline(self) -> Pipeline:
        s = self.scenario
        plan = None
        if s.cursor != "none":
            back = float(s.lookback) if s.lookback else None
            plan = CursorPlan(("at",), {"at": -1}, back, False, lambda names: bool(names["params"].get("full")))
        source = SourcePlan("list", None, lambda c: ListSource(c, s.data, s.read), plan, QUICK)
        targets = tuple(self._plan(out) for out in s.outs)
        return Pipeline(
            name="p", fingerprint="f1", source=source, stages=self._stages(), targets=targets, timezone=UTC, params={},
            check_params=lambda given: given, mask=lambda record: record, mask_sent=lambda target, record: record,
            unrouted=s.unrouted,
        )  # fmt: skip

    def _stages(self) -> tuple[Each, ...]:
        s = self.scenario

        def choose(record):
            row = record["id"]
            if row in s.failing and not self.forgiving:
                raise RecordError("check", "this row is bad", "steps[0]")
            return None if row in s.dropped else [record]

        def split(record):
            made = s.items(record["id"]) or [f"{record['id']}.0"]
            return [{"id": record["id"], "row": record["id"], "name": name} for name in made]

        return Each(choose, "steps[0]"), Each(split, "steps[1]")

    def _plan(self, out: Out) -> TargetPlan:
        sink, s = self.sinks[out.name], self.scenario
        return TargetPlan(
            id=out.name, connector="door", remote=None, build=lambda context: Door(self, sink, bool(s.children)),
            when=(lambda r, m, i, f: s.takes(out, r["row"])) if out.share else None, stage=None,
            key=(lambda r, m, i, f: r["name"]) if out.keyed else None, batch=out.batch, batched=True, wait=None,
            resilience=QUICK, on_rejected="drop" if out.drops else "dead_letter",
        )  # fmt: skip

    def _clock(self) -> float:
        self.ticks += 1
        return self.ticks * 0.3

    async def live(self, life: Life, replay: bool = False) -> Mapping[str, Any] | None:
        """Run once in a new process; give the summary, None when the process died or the run was cancelled."""
        self.life, self.dead, self.stop = life, False, asyncio.Event()
        self._writes = self._settles = self._full = 0
        result = None
        async with AsyncExitStack() as stack:
            store = self.open_store()
            await store.open(stack, f"life {len(self.results)}")
            runtime = Runtime(
                Watched(store, self), lambda event: None, Path(), random=lambda: 0.5, clock=self._clock,
                now=lambda: datetime(2026, 1, 1, tzinfo=UTC), sleep=_no_sleep,
            )  # fmt: skip
            params = {"full": True} if life.full else {}
            request = Request(params=params, limit=life.limit, replay=replay)
            self._task = asyncio.ensure_future(runtime.run(self.pipeline(), request, self.stop))
            try:
                async with asyncio.timeout(20):
                    result = (await asyncio.shield(self._task)).summary
            except TimeoutError:
                self._task.cancel()
                raise AssertionError("the run hangs") from None
            except (asyncio.CancelledError, EngineError, Bug, ConnectionResetError):
                self.interrupted += 1
            if not self.dead:
                await self._told(store, result)
        self.results.append(result)
        return result

    async def _told(self, store: Any, result: Mapping[str, Any] | None) -> None:
        """However a run ends, its row says so."""
        found, _ = await store.find("runs", Where(), Page(1))
        if not found and "full long" in self.life.settles.values():
            return
        newest = found[0]
        faults = list(self.life.settles.values())
        # nobody can write a row to a full disk, or when cancelled again while the cancellation is written
        excused = "full long" in faults or [*faults, *self.life.writes.values()].count("cancel") > 1
        if newest.status == "running" and not excused:
            self.problems.append(f"the run ended, and its row says {newest.status}")
        if result is not None and newest.status != result["status"]:
            self.problems.append(f"the run ended as {result['status']}, and its row says {newest.status}")

    async def play(self) -> None:
        """All lives, then clean ones until the work is done; then the laws of the end."""
        files = any(out.kind != "plain" for out in self.scenario.outs)
        for life in self.scenario.lives:
            if files and self.completed:
                break
            before = sum(len(sink.taken) for sink in self.sinks.values())
            result = await self.live(life)
            self._count(result, life, sum(len(sink.taken) for sink in self.sinks.values()) - before)
        # a file is judged after the first run that ended; the next one would rightly change it
        ways = {life.full for life in self.scenario.lives} | {False}
        for full in () if files and self.completed else sorted(ways, reverse=True):
            result = await self.live(Life(full=full))
            if result is None or result["status"] not in ENDED:
                self.problems.append(f"a run without trouble ended as {result and (result['status'], result['error'])}")
        await self._last()

    def _count(self, result: Mapping[str, Any] | None, life: Life, taken: int) -> None:
        """What the summary says was sent, was; more can only have gone in a write that failed."""
        if result is None:
            return
        sent = sum(result["sent"].values())
        troubled = any(fault not in ("", "stop", "transient") for fault in life.writes.values())
        if sent > taken or (sent != taken and not troubled):
            self.problems.append(f"the summary says {sent} were sent, and {taken} were")
        if result["rejected"] != sum(reason["count"] for reason in result["reasons"]):
            self.problems.append("the reasons do not add up to the rejected")

    async def _last(self) -> None:
        s, everything = self.scenario, range(self.scenario.rows)
        for sink in self.sinks.values():
            wanted = s.wanted(sink.out, everything)
            if not set(sink.taken) <= set(wanted):
                self.problems.append(f"{sink.out.name} got what it should not: {set(sink.taken) - set(wanted)}")
            if sink.out.kind == "plain":
                self._first_deliveries(sink, wanted)
            elif sink.content != wanted:
                self.problems.append(f"{sink.out.name} holds {sink.content}, not {wanted}")
        async with AsyncExitStack() as stack:
            store = self.open_store()
            await store.open(stack, "reader")
            found, _ = await store.find("dead", Where(status="open"), Page(1000))
            kept = Counter(
                (one.target, one.record["row"] if "row" in one.record else one.record["id"]) for one in found
            )
            wanted_letters = s.letters(everything)
            again = s.cursor == "none" or s.lookback or any(life.full for life in s.lives)
            right = set(kept) == set(wanted_letters) and not wanted_letters - kept if again else kept == wanted_letters
            if not right:
                self.problems.append(f"dead letters {dict(kept)}, not {dict(wanted_letters)}")
            runs, _ = await store.find("runs", Where(status="running"), Page(1000))
            if runs:
                self.problems.append("a run that ended is still told to be running")

    def _first_deliveries(self, sink: Sink, wanted: list[str]) -> None:
        first = list(dict.fromkeys(sink.taken))
        if set(first) != set(wanted):
            self.problems.append(f"{sink.out.name} never got {[n for n in wanted if n not in first]}")
        some = any(fault in LOSSY_FAULTS for life in self.scenario.lives for fault in life.writes.values())
        if not some and first != wanted:
            self.problems.append(f"{sink.out.name} got {first}, which is not the order of the source")
        repeats = len(sink.taken) - len(first)
        quiet = all(not life.writes and not life.settles and not life.full for life in self.scenario.lives)
        whole = s_unique(self.scenario) and all(out.kind == "plain" for out in self.scenario.outs)
        if quiet and whole and repeats:
            self.problems.append(f"nothing went wrong, and {repeats} were sent again")

    async def replay(self, lives: Sequence[Life]) -> None:
        """Send all dead letters again, now that nothing is refused; whatever happens, each arrives."""
        self.forgiving = True
        async with AsyncExitStack() as stack:
            store = self.open_store()
            await store.open(stack, "replay")
            await store.amend(Where(pipeline="p"), "replay")
        self.letters.clear()
        for life in lives:
            await self.live(life, replay=True)
        result = await self.live(Life(), replay=True)
        if result is None or result["status"] not in ENDED:
            self.problems.append(f"a replay without trouble ended as {result and (result['status'], result['error'])}")


def s_unique(scenario: Scenario) -> bool:
    """Every record has a cursor value of its own, and none is read again on purpose."""
    return scenario.cursor == "unique" and scenario.tie == 1 and not scenario.lookback


async def _no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


def problems(scenario: Scenario, open_store: Callable[[], Any]) -> list[str]:
    """Play *scenario*; give what did not hold."""
    world = World(scenario, open_store)
    asyncio.run(world.play())
    return world.problems
