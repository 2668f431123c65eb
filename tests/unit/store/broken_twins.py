"""A deliberately broken store for every conformance case: each makes one plausible mistake."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from engine.errors import LeaseLost, StoreError, StoreFull
from engine.store.base import ANY, FIRST, Entry, Lease, NewEntry, Page, Settlement, Where
from engine.store.conformance import clearing, history, lanes, settling
from engine.store.memory import MemoryStore
from engine.store.memory import lanes as lanes_of_memory
from engine.store.memory.lanes import held
from engine.store.memory.tables import DedupeKept, EntryKept
from engine.store.rules import entry_id, entry_number, stamp


class LooksFirstAppendsLater(MemoryStore):
    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        known = [(scope, text) for scope, text in self.tables.dedupe]
        await asyncio.sleep(0)
        plain = [new if (f"lane:{new.lane}", new.dedupe) in known else new._replace(dedupe=None) for new in entries]
        given = await super().append(plain)
        for new, (entry, _) in zip(entries, given, strict=True):
            if new.dedupe:
                self.tables.dedupe.setdefault((f"lane:{new.lane}", new.dedupe), DedupeKept(int(entry, 16)))
        return given


class ForgetsDoneEvents(MemoryStore):
    async def settle(self, settlement: Settlement) -> None:
        await super().settle(settlement)
        for key in [key for key, kept in self.tables.dedupe.items() if kept.done]:
            del self.tables.dedupe[key]


class KnowsOneScope(MemoryStore):
    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        return await super().append([new._replace(scope="all") for new in entries])


class WritesPlainJson(MemoryStore):
    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        return await super().append(
            [new._replace(body=json.loads(json.dumps(new.body, default=str))) for new in entries]
        )


class NumbersBeforeItCommits(MemoryStore):
    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        numbers = [self.tables.number() for _ in entries]
        for _ in range(len(str(entries[0].body)) // 1000):
            await asyncio.sleep(0)
        for number, new in zip(numbers, entries, strict=True):
            kept = EntryKept(number, new.lane, json.dumps(new.body), stamp(self._clock()), 0, None)
            self.tables.put(self.tables.entries, number, kept)
        return [(entry_id(number), True) for number in numbers]


class FetchesFromTheStart(MemoryStore):
    async def fetch(self, lease: Lease, limit: int, max_bytes: int) -> Sequence[Entry]:
        self._fetched.clear()
        return await super().fetch(lease, limit, max_bytes)


class RemovesWhatItFetched(MemoryStore):
    async def fetch(self, lease: Lease, limit: int, max_bytes: int) -> Sequence[Entry]:
        found = await super().fetch(lease, limit, max_bytes)
        for entry in found:
            del self.tables.entries[int(entry.id, 16)]
        return found


class RenewsNothing(MemoryStore):
    async def renew(self, leases: Sequence[Lease], ttl: float) -> Sequence[Lease]:
        return leases


class RenewsWhoeverAsks(MemoryStore):
    async def renew(self, leases: Sequence[Lease], ttl: float) -> Sequence[Lease]:
        await super().renew(leases, ttl)
        return leases


class CountsTokensAnew(MemoryStore):
    async def release(self, leases: Sequence[Lease]) -> None:
        await super().release(leases)
        for lease in leases:
            self.tables.lanes[lease.lane] = self.tables.lanes[lease.lane]._replace(token=0)


class CountsReleases(MemoryStore):
    async def release(self, leases: Sequence[Lease]) -> None:
        await super().release(leases)
        for lease in leases:
            kept = self.tables.lanes[lease.lane]
            self.tables.lanes[lease.lane] = kept._replace(restarts=kept.restarts + 1)


class TakesLanesByName(MemoryStore):
    async def acquire(self, prefix: str, limit: int, ttl: float) -> Sequence[Lease]:
        return sorted(await super().acquire(prefix, limit, ttl))


class AsksTheCallersClock(MemoryStore):
    async def acquire(self, prefix: str, limit: int, ttl: float) -> Sequence[Lease]:
        ahead = time.time() - _STARTED
        self._clock, clock = (lambda: clock() + ahead), self._clock
        try:
            return await super().acquire(prefix, limit, ttl)
        finally:
            self._clock = clock


_STARTED = time.time()


class WakesNobody(MemoryStore):
    async def wait(self, prefix: str, timeout: float) -> None:
        await asyncio.Event().wait()


class TrustsEveryToken(MemoryStore):
    async def settle(self, settlement: Settlement) -> None:
        def now(lease: Lease) -> Lease:
            kept = self.tables.lanes[lease.lane]
            return Lease(lease.lane, kept.owner or lease.owner, kept.token)

        also = [(now(lease), checkpoint) for lease, checkpoint in settlement.also]
        finished = [(now(lease), entries) for lease, entries in settlement.finished]
        await super().settle(settlement._replace(lease=now(settlement.lease), also=also, finished=finished))


class ChecksTheTokenOnly(MemoryStore):
    async def settle(self, settlement: Settlement) -> None:
        lane = settlement.lease.lane
        kept = self.tables.lanes[lane]
        if kept.token == settlement.lease.token:
            self.tables.lanes[lane] = kept._replace(owner=settlement.lease.owner)
        await super().settle(settlement)


class RollsNothingBack(MemoryStore):
    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[float]:
        await self._pause()
        yield self._clock()


class ForgetsSettlements(MemoryStore):
    async def settle(self, settlement: Settlement) -> None:
        await super().settle(settlement)
        kept = self.tables.lanes[settlement.lease.lane]
        self.tables.lanes[settlement.lease.lane] = kept._replace(settlements=())


class FinishesEverythingBefore(MemoryStore):
    async def settle(self, settlement: Settlement) -> None:
        last = max(settlement.done, default="")
        before = [entry_id(number) for number in self.tables.entries if entry_id(number) <= last]
        await super().settle(settlement._replace(done=before))


class TakesSilenceForNothing(MemoryStore):
    async def settle(self, settlement: Settlement) -> None:
        await super().settle(settlement)
        if settlement.checkpoint is None:
            kept = self.tables.lanes[settlement.lease.lane]
            self.tables.lanes[settlement.lease.lane] = kept._replace(checkpoint=None)


class ForgetsStateAtTheEnd(MemoryStore):
    async def open(self, stack: AsyncExitStack, owner: str) -> None:
        self.tables.state.clear()
        await super().open(stack, owner)


class SettlesFurtherLanesUnasked(MemoryStore):
    async def settle(self, settlement: Settlement) -> None:
        await super().settle(settlement._replace(also=()))
        for lease, checkpoint in settlement.also:
            with contextlib.suppress(LeaseLost):
                kept = held(self.tables, lease)
                text = None if checkpoint is None else json.dumps(checkpoint)
                self.tables.lanes[lease.lane] = kept._replace(checkpoint=text)


class FinishesUnasked(MemoryStore):
    async def settle(self, settlement: Settlement) -> None:
        await super().settle(settlement._replace(finished=()))
        for lease, entries in settlement.finished:
            lanes_of_memory.finish(self.tables, lease.lane, map(entry_number, entries), stamp(self._clock()))


class KnowsOwnersByName(MemoryStore):
    async def settle(self, settlement: Settlement) -> None:
        kept = self.tables.lanes[settlement.lease.lane]
        if kept.owner == settlement.lease.owner:
            settlement = settlement._replace(lease=settlement.lease._replace(token=kept.token))
        await super().settle(settlement)


class NamesEveryLane(MemoryStore):
    async def waiting(self) -> Sequence[str]:
        return sorted(self.tables.lanes)


class ShowsTheNewestEntry(MemoryStore):
    async def find(self, what: Any, where: Where = ANY, page: Page = FIRST) -> tuple[Sequence[Any], str | None]:
        found, after = await super().find(what, where, page)
        if what == "lanes":
            times = {kept.lane: kept.appended for kept in self.tables.entries.values()}
            found = [row._replace(oldest=times.get(row.lane)) for row in found]
        return found, after


class ForgetsDroppedEvents(MemoryStore):
    async def clear(self, lane: str, to: str | None, limit: int) -> int:
        cleared = await super().clear(lane, to, limit)
        for key in [key for key, kept in self.tables.dedupe.items() if kept.done]:
            del self.tables.dedupe[key]
        return cleared


class MovesByRenaming(MemoryStore):
    async def clear(self, lane: str, to: str | None, limit: int) -> int:
        if to is None:
            return await super().clear(lane, to, limit)
        numbers = sorted(number for number, kept in self.tables.entries.items() if kept.lane == lane)[:limit]
        for number in numbers:
            self.tables.entries[number] = self.tables.entries[number]._replace(lane=to)
        return len(numbers)


class ClearsUnderTheOwner(MemoryStore):
    async def clear(self, lane: str, to: str | None, limit: int) -> int:
        self.tables.lanes[lane] = self.tables.lanes[lane]._replace(owner=None)
        return await super().clear(lane, to, limit)


class KeepsWhatFits(MemoryStore):
    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        fits = [new for new in entries if len(str(new.body)) < 1000]
        try:
            return await super().append(entries)
        except StoreFull:
            self.tables.before_write, room = (lambda: None), self.tables.before_write
            await super().append([*fits, NewEntry(entries[0].lane, None)])
            self.tables.before_write = room
            raise


class LeavesRunsRunning(MemoryStore):
    async def open(self, stack: AsyncExitStack, owner: str) -> None:
        runs = dict(self.tables.runs)
        await super().open(stack, owner)
        self.tables.runs.update(runs)


class KeepsEveryLetterApart(MemoryStore):
    async def settle(self, settlement: Settlement) -> None:
        await super().settle(settlement._replace(dead=[letter._replace(identity=None) for letter in settlement.dead]))


class OpensClosedLetters(MemoryStore):
    async def amend(self, where: Where, do: Any, body: Any = None, limit: int = 0) -> int:
        for name, kept in self.tables.dead.items():
            self.tables.dead[name] = kept._replace(row=kept.row._replace(status="open"))
        return await super().amend(where, do, body, limit)


class LooksFirstReplaysLater(MemoryStore):
    async def amend(self, where: Where, do: Any, body: Any = None, limit: int = 0) -> int:
        found, _ = await self.find("dead", where)
        await asyncio.sleep(0)
        given = [NewEntry(f"{letter.pipeline}/in/replay", letter._asdict()) for letter in found]
        await self.append(given)
        await super().amend(where, "drop")
        return len(given)


class GroupsByCode(MemoryStore):
    async def find(self, what: Any, where: Where = ANY, page: Page = FIRST) -> tuple[Sequence[Any], str | None]:
        found, after = await super().find(what, where, page)
        return (
            (list({row.code: row for row in reversed(found)}.values()), after) if what == "causes" else (found, after)
        )


class IgnoresUnknownFields(MemoryStore):
    async def find(self, what: Any, where: Where = ANY, page: Page = FIRST) -> tuple[Sequence[Any], str | None]:
        return await super().find(what, where._replace(lane=None) if what == "runs" else where, page)


class CountsPagesByOffset(MemoryStore):
    async def find(self, what: Any, where: Where = ANY, page: Page = FIRST) -> tuple[Sequence[Any], str | None]:
        whole, _ = await super().find(what, where, Page(10_000))
        if page.after is not None and not page.after.isdigit():
            raise StoreError("no mark")
        start = int(page.after or 0)
        end = start + page.limit
        return whole[start:end], str(end) if end < len(whole) else None


class PurgesEverythingAtOnce(MemoryStore):
    async def purge(self, older: Mapping[str, str], limit: int) -> int:
        return await super().purge(older, 10**9)


TWINS = {
    lanes.duplicates_are_found_among_concurrent_appends: LooksFirstAppendsLater,
    lanes.duplicates_are_found_after_the_entry_is_done: ForgetsDoneEvents,
    lanes.duplicates_are_found_within_their_scope_only: KnowsOneScope,
    lanes.bodies_come_back_exactly_and_in_order: WritesPlainJson,
    lanes.a_late_commit_is_fetched: NumbersBeforeItCommits,
    lanes.a_fetch_continues_after_the_last: FetchesFromTheStart,
    lanes.a_fetch_changes_nothing: RemovesWhatItFetched,
    lanes.a_lane_has_one_owner: RenewsNothing,
    lanes.renewing_gives_what_is_still_held: RenewsWhoeverAsks,
    lanes.tokens_strictly_grow: CountsTokensAnew,
    lanes.restarts_count_crashes_only: CountsReleases,
    lanes.the_longest_waiting_lane_comes_first: TakesLanesByName,
    lanes.the_callers_clock_does_not_matter: AsksTheCallersClock,
    lanes.waiting_ends_with_an_append: WakesNobody,
    settling.an_old_token_leaves_no_trace: TrustsEveryToken,
    settling.work_that_was_taken_over_is_done_once: KnowsOwnersByName,
    settling.a_released_lease_settles_nothing: ChecksTheTokenOnly,
    settling.a_torn_settlement_is_all_or_nothing: RollsNothingBack,
    settling.settling_twice_is_settling_once: ForgetsSettlements,
    settling.a_settlement_names_its_entries: FinishesEverythingBefore,
    settling.silence_keeps_the_checkpoint: TakesSilenceForNothing,
    settling.progress_survives_a_restart: ForgetsStateAtTheEnd,
    settling.further_lanes_are_settled_with_it: SettlesFurtherLanesUnasked,
    settling.further_lanes_finish_their_entries: FinishesUnasked,
    settling.a_full_store_changes_nothing_and_recovers: KeepsWhatFits,
    settling.runs_of_a_dead_process_are_interrupted: LeavesRunsRunning,
    clearing.lanes_with_entries_are_waiting: NamesEveryLane,
    clearing.a_lane_shows_its_oldest_entry: ShowsTheNewestEntry,
    clearing.entries_are_dropped_in_steps: ForgetsDroppedEvents,
    clearing.moved_entries_stay_what_they_are: MovesByRenaming,
    clearing.a_lane_in_use_is_not_cleared: ClearsUnderTheOwner,
    history.open_letters_of_one_identity_are_one: KeepsEveryLetterApart,
    history.a_replay_of_a_replay_is_none: OpensClosedLetters,
    history.replays_side_by_side_append_once: LooksFirstReplaysLater,
    history.closed_letters_do_not_change: OpensClosedLetters,
    history.causes_group_open_letters: GroupsByCode,
    history.listings_show_what_is_asked: IgnoresUnknownFields,
    history.pages_show_every_row_once: CountsPagesByOffset,
    history.purging_is_bounded_and_spares_what_is_needed: PurgesEverythingAtOnce,
}
