"""Files fire triggers: each version of a file once, and it is moved away when its run has ended.

What was fired is state of the lane ``*/files``, written with the firings; the end of a run puts a note into the same
lane, in the settlement of that end, and the note goes when the file was moved. So a process may die at any moment.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import LeaseLost, RecordError, StoreFull, Unavailable
from engine.events import Fired, Noted, RunStatus, Tell
from engine.ids import new_id
from engine.pipeline import FilePlan
from engine.service.arrivals import Arrival, Arrivals, Known, key_of, lost
from engine.service.firing import Firing
from engine.service.folders import Found, Mark, home, look, move
from engine.service.settling import settle
from engine.service.trails import Places
from engine.service.watch import Ears, Pace, first
from engine.store.base import Lease, NewEntry, Settlement, Store

LANE = "*/files"
TTL = 60.0
_BEAT = 10.0
POLL = 1.0
"""Seconds between looks, though nobody said that anything came."""
_SHARE = 20.0
"""A look that takes long is followed by so many times its length without one."""
_SLOWEST = 30.0
_AT_ONCE = 200
"""Firings of one settlement."""
AGAIN = 30.0
"""Seconds until a file that could not be moved is tried again."""
_GOOD = frozenset({"success", "partial", "empty"})
_BAD = frozenset({"failed", "timed_out"})

Rest = Callable[[float], Awaitable[None]]


def note(pipeline: str, firing: Firing, status: RunStatus) -> list[NewEntry]:
    """Return what says that the run of a file has ended; nothing for another kind of firing."""
    if firing.kind != "file" or status == "interrupted":
        return []
    facts = {"pipeline": pipeline, "trigger": firing.trigger, "status": status}
    return [NewEntry(LANE, {**facts, "path": firing.around["path"], "version": firing.around["version"]})]


@dataclass(slots=True)
class _Ended:
    """A file whose run has ended, until it is moved."""

    id: str
    body: Mapping[str, Any]
    after: float = 0.0
    """Not before, in monotonic seconds."""

    @property
    def key(self) -> str:
        return key_of(self.body["pipeline"], self.body["trigger"], self.body["path"])


@dataclass(slots=True)
class _Shown:
    """What one round of looks showed."""

    looked: set[str] = field(default_factory=set)
    present: set[str] = field(default_factory=set)
    folders: list[Path] = field(default_factory=list)
    rest: float = POLL


class Drops:
    """Watches the folders of one generation of pipelines after another.

    *silent* tells of paused and of disabled pipelines: their files wait. *root* is the project's folder, *roots* those
    of ``files:``. *rest* waits for so many seconds at most; without it, until the system tells of a change.
    """

    def __init__(
        self, store: Store, tell: Tell, root: Path, *, silent: Callable[[str], bool],
        clock: Callable[[], float] = time.time, ticks: Callable[[], float] = time.monotonic, rest: Rest | None = None,
    ) -> None:  # fmt: skip
        self._store, self._tell, self._root, self._silent = store, tell, root, silent
        self._clock, self._ticks, self._rest = clock, ticks, rest
        self._roots: Sequence[Path] = ()
        self._plans: Sequence[FilePlan] = ()
        self._lease: Lease | None = None
        self._renewed = 0.0
        self._arrivals = Arrivals()
        self._ended: list[_Ended] = []
        self._said: dict[str, set[str]] = {}
        """What was told of a trigger, and still holds."""
        self._changed = asyncio.Event()
        self._ears = Ears(root, Pace(debounce=0.05), lambda text: None)

    async def open(self, stack: AsyncExitStack) -> None:
        """Take the lane and read what was fired. Raises Unavailable when somebody else has it."""
        leases = await self._store.acquire(LANE, 1, TTL)
        if not leases or leases[0].lane != LANE:
            await self._store.release(leases)
            raise Unavailable("another engine watches the folders of this store; stop it, or wait a minute")
        self._lease, self._renewed = leases[0], self._ticks()
        stack.push_async_callback(self._store.release, leases)
        stack.push_async_callback(self._ears.close)
        state = (await self._store.load(self._lease)).state
        self._arrivals = Arrivals({key: Known.read(value) for key, value in state.items()})

    def replace(self, plans: Sequence[FilePlan], roots: Sequence[Path] = ()) -> None:
        """Watch the folders of *plans* from the next look on, and no others."""
        self._plans, self._roots = tuple(plans), roots
        there = {key_of(plan.pipeline, plan.id, "") for plan in plans}
        self._said = {trigger: said for trigger, said in self._said.items() if trigger in there}
        self._changed.set()

    async def work(self) -> None:
        """Watch until cancelled. Raises LeaseLost, StoreFailed."""
        while True:
            wait = await self.look()
            await (self._rest or self._hear)(wait)

    async def _hear(self, seconds: float) -> None:
        await first(seconds, self._ears.heard, self._changed)
        self._ears.heard.clear()
        self._changed.clear()

    async def look(self) -> float:
        """Look once: move what is done with, fire what has come; return the seconds until it is time again."""
        began = self._ticks()
        if began - self._renewed > _BEAT:
            await self._renew()
        await self._clear_away()
        shown = _Shown(looked=set(lost(self._arrivals.known, self._plans)))
        for plan in self._plans:
            if not self._silent(plan.pipeline):
                await self._watch(plan, shown)
        await self._remember(shown)
        if self._rest is None:
            await self._ears.at(await asyncio.to_thread(_places, shown.folders))
        slow = min(_SLOWEST, _SHARE * (self._ticks() - began))
        return max(shown.rest, slow, 0.01)

    async def _renew(self) -> None:
        try:
            held = await self._store.renew([self._held], TTL)
        except StoreFull:
            return  # a lease that expired and that nobody took still settles
        if not held:
            raise LeaseLost("another engine took over the folders of this store")
        self._renewed = self._ticks()

    @property
    def _held(self) -> Lease:
        assert self._lease is not None
        return self._lease

    # what has come

    async def _watch(self, plan: FilePlan, shown: _Shown) -> None:
        trigger = key_of(plan.pipeline, plan.id, "")
        try:
            folder, found = await asyncio.to_thread(self._see, plan)
        except (ValueError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            self._say(plan, {f"{plan.path}: {why}"}, "error", "file-folder", "the folder is not watched: ")
            return
        self._say(plan, {f"{name}: {why}" for name, why in found.odd.items()}, "warning", "file-ignored", "ignored: ")
        shown.folders.append(folder)
        shown.looked.add(trigger)
        files = {name: (_path(plan, name), mark) for name, mark in found.files.items()}
        shown.present.update(trigger + path for path, _ in files.values())
        fired, rest = self._arrivals.take(plan, files, self._ticks())
        shown.rest = min(shown.rest, rest)
        for begin in range(0, len(fired), _AT_ONCE):
            await self._fire(plan, fired[begin : begin + _AT_ONCE])

    def _see(self, plan: FilePlan) -> tuple[Path, Found]:
        folder = home(self._root, self._roots, plan.path)
        return folder, look(folder, plan.pattern)

    async def _fire(self, plan: FilePlan, fired: Sequence[Arrival]) -> None:
        append: list[NewEntry] = []
        told: list[Fired | Noted] = []
        for one in fired:
            firing = _firing(plan, one)
            try:
                names = {**firing.around, "id": plan.id, "type": "file", "params": {}}
                params = plan.params({"trigger": names})
            except RecordError as error:
                fact = f"its params cannot be made: {error.message}"
                fact = f"'{plan.id}' starts no run for {firing.around['path']}: {fact}"
                told.append(Noted(plan.pipeline, "", "error", "trigger-params", fact))
                append += note(plan.pipeline, firing, "failed")
            else:
                append.append(Firing(plan.id, "file", params, around=firing.around).entry(plan.pipeline))
                told.append(Fired(plan.pipeline, "", plan.id, "file", None, 0.0))
        await self._settle({one.key: Known(one.mark) for one in fired}, append=append)
        for event in told:
            self._tell(event)

    async def _remember(self, shown: _Shown) -> None:
        changes = self._arrivals.changes(shown.looked, shown.present, self._clock())
        self._arrivals.forget(shown.looked, shown.present)
        if changes:
            await self._settle(changes)

    def _say(self, plan: FilePlan, facts: set[str], level: str, code: str, words: str) -> None:
        """Tell what is new of *facts*, each once for as long as it holds."""
        trigger = key_of(plan.pipeline, plan.id, "")
        for fact in sorted(facts - self._said.get(trigger, set())):
            self._tell(Noted(plan.pipeline, "", level, code, f"'{plan.id}': {words}{fact}"))  # type: ignore[arg-type]
        self._said[trigger] = facts

    # what is done with

    async def _clear_away(self) -> None:
        """Move the files whose runs have ended."""
        while found := await self._store.fetch(self._held, _AT_ONCE, 1 << 20):
            self._ended += [_Ended(entry.id, entry.body) for entry in found]
        now = self._ticks()
        for one in [ended for ended in self._ended if ended.after <= now]:
            await self._finish(one)

    async def _finish(self, one: _Ended) -> None:
        plan = next((plan for plan in self._plans if one.key.startswith(key_of(plan.pipeline, plan.id, ""))), None)
        status = one.body["status"]
        folder = None if plan is None else plan.done if status in _GOOD else plan.failed if status in _BAD else None
        moved: dict[str, Known | None] = {}
        if plan is not None and folder is not None:
            mark = Mark.read(one.body["version"])
            try:
                await asyncio.to_thread(self._move, one.body["path"], mark, folder)
            except (OSError, ValueError) as error:
                self._stuck(one, plan, folder, error)
                return
            known = self._arrivals.known.get(one.key)
            if known is not None and known.mark == mark:
                moved[one.key] = None
        await self._settle(moved, done=[one.id])
        self._ended.remove(one)

    def _move(self, path: str, mark: Mark, folder: str) -> None:
        source = home(self._root, self._roots, posixpath.dirname(path) or ".") / posixpath.basename(path)
        move(source, mark, home(self._root, self._roots, folder))

    def _stuck(self, one: _Ended, plan: FilePlan, folder: str, error: Exception) -> None:
        if not one.after:
            why = error.strerror if isinstance(error, OSError) else str(error)
            fact = f"'{plan.id}': {one.body['path']} cannot be moved to {folder}: {why}; it is tried again"
            self._tell(Noted(plan.pipeline, "", "error", "file-move", fact))
        one.after = self._ticks() + AGAIN

    async def _settle(
        self, changes: Mapping[str, Known | None], *, append: Sequence[NewEntry] = (), done: Sequence[str] = ()
    ) -> None:
        """Settle, and while the store is full try the same again; then go on from there."""
        state = {key: None if known is None else known.write() for key, known in changes.items()}
        settlement = Settlement(new_id(), self._held, state=state, append=append, done=done)
        await settle(self._store, settlement, self._tell, self._pause)
        self._arrivals.follow(changes)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._renew()


def _path(plan: FilePlan, name: str) -> str:
    """Return the path of a file as the pipeline's source takes it."""
    return posixpath.normpath(posixpath.join(plan.path, name))


def _firing(plan: FilePlan, one: Arrival) -> Firing:
    modified = datetime.fromtimestamp(one.mark.modified / 1e9, UTC).isoformat()
    around = {"path": _path(plan, one.name), "name": one.name, "size": one.mark.size, "modified": modified}
    return Firing(plan.id, "file", around={**around, "version": str(one.mark)})


def _places(folders: Sequence[Path]) -> Places:
    found = set()
    for folder in folders:
        try:
            found.add((str(folder), os.stat(folder).st_ino))
        except OSError:  # it has gone meanwhile; the next look says so
            continue
    return Places(deep=frozenset(found))
