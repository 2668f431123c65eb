"""A world in which everything can go wrong, and what must hold in it all the same: the runtime against a model.

A *scenario* says what there is to do (rows, cursor, stages, targets) and what goes wrong in each *life* of the
process: targets that refuse, stall, lose answers; disks that are full; stops, cancellations, and deaths, after which
nothing that the run still tries has any effect. A new life opens the store anew. The laws are checked at every
settlement and at the end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import Disconnected, EngineError, RecordError
from engine.pipeline import CursorPlan, Pipeline, SourcePlan, TargetPlan
from engine.runtime.request import Request
from engine.runtime.runner import Runtime
from engine.runtime.settler import LAG
from engine.store.base import DeadLetter, Page, Settlement, Where

from .model_peers import LOSSY_FAULTS, Bug, Door, Sink, Watched
from .model_scenario import Life, Out, Scenario
from .rig import QUICK, Each, ListSource

ENDED = {"success", "partial", "empty"}


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
        self._full = {"full": 2, "full awhile": 35, "full long": 200}.get(fault, 0)
        return fault

    # the laws

    def judge(self, settlement: Settlement) -> None:
        """At every settlement: nothing behind its checkpoint is missing."""
        for letter in settlement.dead:
            self.letters[letter.target, row_of(letter)] += 1
        lanes = {settlement.lease.lane: settlement.checkpoint} | {lease.lane: point for lease, point in settlement.also}
        if "p/targets" in lanes:
            self.places = lanes.pop("p/targets")
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
            await self._recall(store)
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
            await store.release([])  # whatever a cancelled call had begun to write is written now
            runs, _ = await store.find("runs", Where(), Page(1000))
            self.completed = any(run.status in ENDED for run in runs)
        self.results.append(result)
        return result

    async def _recall(self, store: Any) -> None:
        """What a settlement that was cut off would have moved did not move, unless the store has it."""
        lanes, _ = await store.find("lanes", Where(), Page(1000))
        points = {row.lane: row.checkpoint for row in lanes}
        self.stands = ((points.get("p/cursor") or {}).get("cursor") or {"at": None})["at"]
        self.places = points.get("p/targets")

    async def _told(self, store: Any, result: Mapping[str, Any] | None) -> None:
        """However a run ends, its row says so."""
        found, _ = await store.find("runs", Where(), Page(1))
        if not found and any(fault.startswith("full ") for fault in self.life.settles.values()):
            return
        newest = found[0]
        faults = list(self.life.settles.values())
        # nobody can write a row to a full disk, or when cancelled again while the cancellation is written
        excused = (
            any(fault.startswith("full ") for fault in faults)
            or [*faults, *self.life.writes.values()].count("cancel") > 1
        )
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
        self._bounded()
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

    def _bounded(self) -> None:
        troubled = sum(bool(life.writes or life.settles) for life in self.scenario.lives)
        most = sum(out.batch for out in self.scenario.outs) * (LAG + 1) * troubled
        repeats = sum(len(sink.taken) - len(set(sink.taken)) for sink in self.sinks.values())
        if self.scenario.bounded and repeats > most:
            self.problems.append(f"{repeats} were sent again after {troubled} interruptions, more than {most}")

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
        await self._all_arrived()

    async def _all_arrived(self) -> None:
        s = self.scenario
        for sink in self.sinks.values():
            rows = [row for row in range(s.rows) if s.takes(sink.out, row) and row not in s.dropped]
            wanted = Counter(name for row in rows for name in s.items(row) or [f"{row}.0"])
            got = Counter(sink.content) if sink.out.kind == "rewinds" else Counter(set(sink.taken))
            if got != wanted:
                self.problems.append(f"after the replay {sink.out.name} lacks {wanted - got} or holds {got - wanted}")
        async with AsyncExitStack() as stack:
            store = self.open_store()
            await store.open(stack, "reader")
            if (await store.find("dead", Where(status="open")))[0]:
                self.problems.append("dead letters are left although nothing was refused")


def row_of(letter: DeadLetter) -> int:
    """The row a dead letter is of; its record may be that of the row or that of a child."""
    return int(letter.record["id"])


def s_unique(scenario: Scenario) -> bool:
    """Every record has a cursor value of its own, and none is read again on purpose."""
    return scenario.cursor == "unique" and scenario.tie == 1 and not scenario.lookback


async def _no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


def played(scenario: Scenario, open_store: Callable[[], Any], replays: Sequence[Life] | None = None) -> World:
    """Play *scenario*, and then replays of its dead letters; ``problems`` holds what was not as it must be."""
    world = World(scenario, open_store)

    async def play() -> None:
        await world.play()
        if replays is not None:
            await world.replay(replays)

    asyncio.run(play())
    return world
