"""However a run ends, in whatever part and by whatever mistake: the row tells, and no settlement says too much."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest

from engine.connector import BaseSource
from engine.errors import Disconnected, LeaseLost, Misconfigured, RecordError, StoreFailed
from engine.events import RunFinished
from engine.record import Batch, Receipt
from engine.runtime.ledger import FIRST, Ledger
from engine.runtime.request import Request
from engine.runtime.runner import Runtime
from engine.store.base import LogLine, Where
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore

from .rig import Each, ScriptedTarget, rig, rows


@pytest.fixture
async def bench(tmp_path):
    async with rig(lambda: SqliteStore(tmp_path / "engine.db", reserve=0)) as made:
        yield made


async def last_run(bench):
    return (await bench.store.find("runs"))[0][0]


async def stands(bench, lane="p/cursor"):
    found, _ = await bench.store.find("lanes", Where(lane=lane))
    return found[0].checkpoint if found else None


async def letters(bench):
    return (await bench.store.find("dead", Where(status="open")))[0]


class FileTarget(ScriptedTarget):
    """A list in place of a file: what was not settled is cut off by ``resume``."""

    rewinds = True

    async def resume(self, progress):
        if progress is not None:
            del self.kept[progress["length"] :]

    def progress(self):
        return {"length": len(self.kept)}


def file(bench, kept, script=None, kind=FileTarget, **more):
    return bench.target(build=lambda context: kind(context, kept, script), kept=kept, **more)


TAKE_OVER = "UPDATE lanes SET token = token + 1 WHERE lane = 'p/cursor'"

# mistakes in connectors

PARTS = ("open", "resume", "write", "finish", "flush", "progress")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("mistake", [ValueError("odd"), KeyError("id")])
async def test_a_mistake_in_a_target_ends_the_run_as_failed_and_is_not_hidden(bench, part, mistake):
    class Broken(FileTarget):
        pass

    async def broken(self, *args):
        raise mistake

    def broken_now(self, *args):
        raise mistake

    setattr(Broken, part, broken_now if part == "progress" else broken)
    with pytest.raises(type(mistake)) as caught:
        await bench.run(bench.pipeline(rows(50), cursor=["id"], targets=[file(bench, [], kind=Broken)]))
    assert caught.value is mistake
    row = await last_run(bench)
    assert (row.status, row.summary["error"]["code"]) == ("failed", "internal")
    assert type(mistake).__name__ in row.summary["error"]["message"]
    assert any(isinstance(event, RunFinished) and event.status == "failed" for event in bench.events)
    assert part == "finish" or not (await stands(bench) or {}).get("cursor")


@pytest.mark.parametrize("mistake", [ValueError("odd"), ConnectionResetError("reset"), TimeoutError()])
async def test_a_mistake_in_a_source_lets_the_writers_come_to_a_batch_boundary(bench, mistake):
    third = asyncio.Event()

    async def before(at):
        if at == 40:
            await third.wait()
            raise mistake

    target = bench.target(lambda call, load: third.set() if call == 3 else None)
    pipeline = bench.pipeline(rows(50), cursor=["id"], before=before, targets=[target])
    if isinstance(mistake, OSError):
        result = await bench.run(pipeline)
        assert result.summary["error"]["code"] != "time-limit"
    else:
        with pytest.raises(ValueError, match="odd"):
            await bench.run(pipeline)
    assert (await last_run(bench)).status == "failed"
    assert (await stands(bench))["cursor"]["id"] == len(bench.kept) - 1


async def test_the_end_of_a_run_is_a_line_in_its_log(bench):
    def line(event):
        name = type(event).__name__
        return LogLine(event.run, "", "info", name, "") if name.startswith("Run") else None

    runtime = Runtime(bench.store, bench.events.append, Path(), log=line)
    await runtime.run(bench.pipeline(rows(5)), Request(), asyncio.Event())
    lines, _ = await bench.store.find("logs")
    assert [line.code for line in lines] == ["RunStarted", "RunFinished"]


# time and cancellation


async def test_the_time_limit_holds_for_opening_too(bench):
    class Slow(ScriptedTarget):
        async def open(self, stack):
            await asyncio.Event().wait()

    slow = bench.target(build=lambda context: Slow(context, []))
    result = await bench.run(bench.pipeline(rows(5), targets=[slow], time_limit=0.02))
    assert (result.summary["status"], result.summary["error"]["code"]) == ("timed_out", "time-limit")


@pytest.mark.parametrize("count", [5, 25, 100])
async def test_a_run_that_is_cut_off_leaves_no_task_behind(bench, count):
    """Also where it had read everything and waited to tell a writer so."""

    async def hang(call, load):
        await asyncio.Event().wait()

    await bench.run(bench.pipeline(rows(count), targets=[bench.target(hang)], time_limit=0.05))
    gc.collect()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("moment", ["open", "read", "write", "flush", "finish"])
async def test_a_cancelled_run_says_so_in_its_row_wherever_it_was(bench, moment):
    reached = asyncio.Event()

    async def hang(*args):
        reached.set()
        await asyncio.Event().wait()

    class Hanging(FileTarget):
        pass

    if moment == "read":
        pipeline = bench.pipeline(rows(50), cursor=["id"], before=hang)
    else:
        setattr(Hanging, moment, hang)
        pipeline = bench.pipeline(rows(50), cursor=["id"], targets=[file(bench, [], kind=Hanging)])
    run = asyncio.create_task(bench.run(pipeline))
    await reached.wait()
    if moment == "flush":  # the end of the run flushes again: let it
        Hanging.flush = ScriptedTarget.flush
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (await last_run(bench)).status == "cancelled"
    again = await bench.run(bench.pipeline(rows(50), cursor=["id"]))
    assert again.summary["status"] == "success"


async def test_the_generators_of_a_source_are_closed_before_what_they_read_from(bench):
    order = []

    class Careful(BaseSource):
        def __init__(self, context):
            pass

        async def open(self, stack):
            stack.callback(order.append, "connection closed")

        async def read(self, after):
            try:
                for at in range(1000):
                    yield Batch([{"id": at}], [{}], {"offset": at + 1})
            finally:
                order.append("reading closed")

    def down(call, load):
        return Misconfigured("no such table")

    pipeline = bench.pipeline([], targets=[bench.target(down)])
    object.__setattr__(pipeline.source, "build", Careful)
    await bench.run(pipeline)
    await bench.run(pipeline, limit=3)
    assert order == ["reading closed", "connection closed"] * 2


# the store


async def test_a_run_whose_lane_was_taken_settles_nothing_more(bench):
    """Another owner works the lane now; what this run still delivers is that one's to judge."""

    async def take_over(call, load):
        if call == 2:
            store = bench.store
            lane = (await store.find("lanes", Where(lane="p/cursor")))[0][0]
            assert lane.owner
            await store._write(
                lambda c: c.execute("UPDATE lanes SET token = token + 1 WHERE lane = 'p/cursor'").rowcount
            )

    with pytest.raises(LeaseLost):
        await bench.run(bench.pipeline(rows(100), cursor=["id"], targets=[bench.target(take_over)]))
    assert ((await stands(bench)) or {"cursor": {"id": -1}})["cursor"]["id"] <= 9
    finished = [event for event in bench.events if isinstance(event, RunFinished)]
    assert [event.status for event in finished] == ["failed"]


async def test_a_flush_that_failed_is_never_followed_by_a_settlement():
    """After a failed fsync a second one says that all is well; nobody knows what is on the disk."""

    class Failing(FileTarget):
        calls = 0

        async def flush(self):
            Failing.calls += 1
            if Failing.calls == 1:
                raise Misconfigured("the disk did not take what was written")

    async with rig(MemoryStore) as bench:
        result = await bench.run(bench.pipeline(rows(50), cursor=["id"], targets=[file(bench, [], kind=Failing)]))
        assert result.summary["status"] == "failed"
        assert await stands(bench) is None


async def test_a_store_that_failed_is_left_alone_and_the_run_raises_it():
    class Broken(MemoryStore):
        calls = 0

        async def settle(self, settlement):
            self.calls += 1
            if self.calls > 1:
                raise StoreFailed("the disk is gone")
            await super().settle(settlement)

    async with rig(Broken) as bench:
        with pytest.raises(StoreFailed):
            await bench.run(bench.pipeline(rows(50), cursor=["id"]))
        assert [e.status for e in bench.events if isinstance(e, RunFinished)] == ["failed"]


@pytest.mark.parametrize(
    "odd", [float("nan"), float("inf"), "\ud800", {1, 2}, object()], ids=lambda odd: type(odd).__name__
)
async def test_a_refused_record_that_no_store_can_hold_does_not_fail_the_run(bench, odd):
    def refuse(call, load):
        return Receipt(rejected={0: f"cannot take {odd}"})

    data = [{"id": 1, "odd": {"deep": [odd]}}, {"id": 2}]
    result = await bench.run(bench.pipeline(data, targets=[bench.target(refuse)]))
    assert result.summary["status"] == "partial"
    (letter,) = await letters(bench)
    assert letter.record["id"] == 1


# positions


async def test_a_limit_that_ends_with_a_batch_of_the_source_still_moves_the_cursor(bench):
    pipeline = bench.pipeline(rows(50), cursor=["id"], size=7)
    for _ in range(3):
        await bench.run(pipeline, limit=7)
    assert [record["id"] for record in bench.kept] == list(range(21))


async def test_a_lookback_never_moves_the_cursor_back(bench):
    from engine.pipeline import CursorPlan

    def down(call, load):
        return Disconnected("gone") if call > 1 else None

    await bench.run(bench.pipeline(rows(50), cursor=["id"]))
    for _ in range(3):
        pipeline = bench.pipeline(rows(50), cursor=["id"], targets=[bench.target(down)])
        object.__setattr__(pipeline.source, "cursor", CursorPlan(("id",), {"id": -1}, 30.0, False, lambda names: False))
        await bench.run(pipeline)
        assert (await stands(bench))["cursor"] == {"id": 49}


async def test_a_run_with_other_params_does_not_go_on_in_the_middle_of_what_it_reads(bench):
    def down(call, load):
        return Disconnected("gone") if call > 2 else None

    await bench.run(bench.pipeline(rows(50), targets=[bench.target(down)]), params={"day": 1})
    other = await bench.run(bench.pipeline(rows(50), targets=[bench.target(down)]), params={"day": 2})
    assert other.summary["read"] >= 30
    bench.kept.clear()
    same = await bench.run(bench.pipeline(rows(50)), params={"day": 2})
    assert (same.summary["read"], len(bench.kept)) == (30, 30)


async def test_source_batches_that_are_empty_do_no_harm(bench):
    class Gaps(BaseSource):
        def __init__(self, context):
            pass

        async def read(self, after):
            for at in range(10):
                yield Batch([], [], {"offset": at})
                yield Batch([{"id": at}], [{}], {"offset": at + 1})

    pipeline = bench.pipeline([])
    object.__setattr__(pipeline.source, "build", Gaps)
    assert (await bench.run(pipeline)).summary["sent"] == {"out": 10}


# files


async def test_two_files_are_each_cut_back_to_where_they_stood(bench):
    """One writer is ahead of the other: what is settled of the slow one must not be cut off."""
    fast, slow = [], []

    async def dawdle(call, load):
        for _ in range(20):
            await asyncio.sleep(0)
        if call >= 4:
            raise Disconnected("gone")

    data = rows(100)
    targets = [file(bench, fast, name="fast"), file(bench, slow, dawdle, name="slow")]
    await bench.run(bench.pipeline(data, cursor=["id"], targets=targets))
    assert len(slow) < 100
    targets = [file(bench, fast, name="fast"), file(bench, slow, name="slow")]
    await bench.run(bench.pipeline(data, cursor=["id"], targets=targets))
    assert (fast, slow) == (data, data)


async def test_what_others_append_after_a_complete_run_is_theirs(bench):
    kept = []
    await bench.run(bench.pipeline(rows(10), cursor=["id"], targets=[file(bench, kept)]))
    kept.append("of somebody else")
    await bench.run(bench.pipeline(rows(20), cursor=["id"], targets=[file(bench, kept)]))
    assert kept == [*rows(10), "of somebody else", *rows(20)[10:]]


async def test_a_replay_between_an_interrupted_run_and_the_next_one_is_not_cut_off(bench):
    kept = []

    def trouble(call, load):
        if call > 2:
            return Disconnected("gone")
        return Receipt(rejected={0: "not yet"}) if call == 1 else None

    await bench.run(bench.pipeline(rows(50), cursor=["id"], targets=[file(bench, kept, trouble)]))
    assert await bench.store.amend(Where(pipeline="p"), "replay") == 1
    await bench.run(bench.pipeline([], cursor=["id"], targets=[file(bench, kept)]), replay=True)
    await bench.run(bench.pipeline(rows(50), cursor=["id"], targets=[file(bench, kept)]))
    assert sorted(record["id"] for record in kept) == list(range(50))


# stages and routes


async def test_a_replay_to_a_place_that_is_no_more_is_a_dead_letter_again_and_holds_nothing_up(bench):
    def parts(record):
        return [{"id": f"{record['id']}-{n}"} for n in range(2)]

    def refuse(call, load):
        return Receipt(rejected={i: "no" for i, r in enumerate(load.records) if r["id"].startswith("2-")})

    stages = [Each(parts, "steps[0]"), Each(lambda r: [r], "steps[1]")]
    await bench.run(bench.pipeline(rows(5), stages=stages, targets=[bench.target(refuse)]))
    await bench.store.amend(Where(pipeline="p"), "replay")
    for renamed in (
        {"stages": [Each(parts, "steps[0]")]},
        {"targets": [bench.target(name="other")], "unrouted": "drop"},
    ):
        result = await bench.run(bench.pipeline([], **{"stages": stages, **renamed}), replay=True)
        assert (result.summary["status"], result.summary["rejected"]) == ("partial", 2)
        found = await letters(bench)
        assert {(one.code, one.target, one.entry) for one in found} == {("place-gone", "out", "steps[1]")}
        await bench.store.amend(Where(pipeline="p"), "replay")
    assert (await bench.run(bench.pipeline([], stages=stages), replay=True)).summary["sent"] == {"out": 2}


async def test_a_child_that_no_target_takes_is_told_although_its_brother_failed(bench):
    def parts(record):
        return [{"id": "bad"}, {"id": "lonely"}]

    def check(record):
        if record["id"] == "bad":
            raise RecordError("check", "bad", "steps[1]")
        return [record]

    targets = [bench.target(when=lambda r, m, i, f: False)]
    await bench.run(bench.pipeline(rows(1), stages=[Each(parts, "s0"), Each(check, "s1")], targets=targets))
    assert {letter.code for letter in await letters(bench)} == {"check", "unrouted"}


async def test_on_rejected_fail_tells_no_sensitive_value(bench):
    def refuse(call, load):
        return Receipt(rejected={0: "the card 4111111111111111 is not valid"})

    pipeline = bench.pipeline(
        [{"id": 1, "card": "4111111111111111"}], targets=[bench.target(refuse, on_rejected="fail")],
        mask=lambda record: {**record, "card": "***"}, mask_sent=lambda target, record: {**record, "card": "***"},
    )  # fmt: skip
    result = await bench.run(pipeline)
    assert result.summary["status"] == "failed"
    assert "4111" not in str(result.summary)


def test_a_streak_that_one_write_completes_together_with_what_follows_it_is_seen():
    ledger = Ledger()
    for sequence in range(FIRST + 1):
        ledger.take(sequence, {"at": sequence}, (), range(1), 1)
    for sequence in range(FIRST, 0, -1):
        ledger.done(sequence, 1, [(0, "letter")] if sequence < FIRST else ())
    ledger.done(0, 1, [(0, "letter")])
    assert ledger.mistaken
    assert ledger.frontier(final=True).empty


async def test_the_same_key_many_times_in_a_batch_is_accounted_record_by_record(bench):
    def refuse(call, load):
        return Receipt(rejected={i: "no" for i, record in enumerate(load.records) if record["n"] % 2})

    data = [{"id": 1, "n": n} for n in range(10)]
    result = await bench.run(bench.pipeline(data, targets=[bench.target(refuse)]))
    assert (result.summary["sent"], result.summary["rejected"]) == ({"out": 5}, 5)
    assert sorted(letter.record["n"] for letter in await letters(bench)) == [1, 3, 5, 7, 9]


async def test_a_batch_larger_than_everything_is_one_write(bench):
    calls = []
    await bench.run(
        bench.pipeline(rows(95), targets=[bench.target(lambda call, load: calls.append(call), batch=10**9)])
    )
    assert (calls, len(bench.kept)) == ([1], 95)
