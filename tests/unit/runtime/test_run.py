"""One run: nothing lost, nothing settled too early, every end told."""

import asyncio

import pytest

from engine.errors import Disconnected, Misconfigured, RecordError, Rejected, Transient, Unavailable, Uncertain
from engine.events import BatchDelivered, CallRetried
from engine.pipeline import Remote
from engine.policy import CircuitBreaker
from engine.record import Receipt
from engine.store.base import Where
from engine.store.sqlite import SqliteStore

from .rig import Each, rig, rows


@pytest.fixture
async def bench(tmp_path):
    async with rig(lambda: SqliteStore(tmp_path / "engine.db", reserve=0)) as made:
        yield made


async def checkpoint(bench, lane="p/cursor"):
    found, _ = await bench.store.find("lanes", Where(lane=lane))
    return found[0].checkpoint if found else None


async def letters(bench):
    found, _ = await bench.store.find("dead", Where(status="open"))
    return found


async def test_everything_arrives_in_order_and_the_cursor_moves(bench):
    result = await bench.run(bench.pipeline(rows(95), cursor=["id"]))
    assert [record["id"] for record in bench.kept] == list(range(95))
    assert result.summary["status"] == "success"
    assert (result.summary["read"], result.summary["sent"]) == (95, {"out": 95})
    assert await checkpoint(bench) == {"cursor": {"id": 94}}


async def test_the_next_run_reads_only_what_is_new(bench):
    data = rows(30)
    await bench.run(bench.pipeline(data, cursor=["id"]))
    again = await bench.run(bench.pipeline(data, cursor=["id"]))
    assert (again.summary["status"], again.summary["read"]) == ("success", 0)
    data += [{"id": 30}, {"id": 31}]
    more = await bench.run(bench.pipeline(data, cursor=["id"]))
    assert more.summary["sent"] == {"out": 2}


async def test_ties_are_never_split_by_a_checkpoint(bench):
    """A failure inside a group of equal cursor values reads the whole group again."""
    data = [{"id": index, "at": index // 7} for index in range(70)]

    def fail_once(call, load):
        return Disconnected("gone") if call > 3 else None

    result = await bench.run(bench.pipeline(data, cursor=["at"], size=10, targets=[bench.target(fail_once)]))
    assert result.summary["status"] == "failed"
    stood = (await checkpoint(bench))["cursor"]["at"]
    sent = {record["id"] for record in bench.kept}
    assert {row["id"] for row in data if row["at"] <= stood} <= sent
    await bench.run(bench.pipeline(data, cursor=["at"]))
    assert {record["id"] for record in bench.kept} == set(range(70))


async def test_batches_are_gathered_over_chunks_to_their_size(bench):
    await bench.run(bench.pipeline(rows(95), size=7, targets=[bench.target(batch=20)]))
    sizes = [event.sent for event in bench.events if isinstance(event, BatchDelivered)]
    assert sizes == [20, 20, 20, 20, 15]


async def test_a_refused_record_is_kept_with_its_reason_and_the_rest_goes_on(bench):
    def refuse(call, load):
        return Receipt(rejected={i: "unknown bank" for i, r in enumerate(load.records) if r["id"] % 10 == 3})

    result = await bench.run(bench.pipeline(rows(40), cursor=["id"], targets=[bench.target(refuse)]))
    assert result.summary["status"] == "partial"
    assert (result.summary["sent"], result.summary["rejected"]) == ({"out": 36}, 4)
    assert result.summary["reasons"] == [{"code": "refused", "message": "unknown bank", "count": 4}]
    found = await letters(bench)
    assert sorted(letter.record["id"] for letter in found) == [3, 13, 23, 33]
    assert {letter.key for letter in found} == {"3", "13", "23", "33"}


async def test_a_failed_stage_keeps_the_source_record(bench):
    def stage(record):
        if record["id"] == 5:
            raise RecordError("missing-field", "description", "mapping.label")
        return [{"id": record["id"], "mapped": True}]

    result = await bench.run(bench.pipeline(rows(20, raw=1), stages=[Each(stage)]))
    (letter,) = await letters(bench)
    assert (letter.code, letter.where, letter.record) == ("missing-field", "mapping.label", {"id": 5, "raw": 1})
    assert result.summary["sent"] == {"out": 19}


async def test_filters_count_what_they_drop_and_a_run_that_drops_all_is_empty(bench):
    result = await bench.run(bench.pipeline(rows(20), stages=[Each(lambda r: None, "filters[0]")]))
    assert (result.summary["status"], result.summary["dropped"]) == ("empty", {"filters[0]": 20})


async def test_an_unreachable_target_is_retried_then_fails_the_run_at_the_last_settled_batch(bench):
    def down(call, load):
        return Disconnected("connection refused") if call >= 3 else None

    result = await bench.run(bench.pipeline(rows(60), cursor=["id"], targets=[bench.target(down)]))
    assert result.summary["status"] == "failed"
    assert result.summary["error"]["code"] == "disconnected"
    assert len(bench.kept) == 20
    assert (await checkpoint(bench))["cursor"]["id"] >= 18
    assert sum(isinstance(event, CallRetried) for event in bench.events) == 2
    assert await letters(bench) == []


async def test_a_passing_trouble_is_ridden_out(bench):
    def flaky(call, load):
        return Transient("busy", 0.0) if call in (1, 4, 5) else None

    result = await bench.run(bench.pipeline(rows(30), targets=[bench.target(flaky)]))
    assert result.summary["status"] == "success"
    assert [record["id"] for record in bench.kept] == list(range(30))


async def test_an_uncertain_write_goes_again_only_with_a_key(bench):
    def lost(call, load):
        return Uncertain("the answer was cut") if call == 1 else None

    keyed = await bench.run(bench.pipeline(rows(5), targets=[bench.target(lost)]))
    assert keyed.summary["status"] == "success"
    bare = await bench.run(bench.pipeline(rows(5), targets=[bench.target(lost, key=None)], name="q"))
    assert bare.summary["error"]["code"] == "uncertain"


async def test_misconfiguration_fails_at_once(bench):
    calls = []

    def unauthorised(call, load):
        calls.append(call)
        return Misconfigured("401")

    result = await bench.run(bench.pipeline(rows(5), targets=[bench.target(unauthorised)]))
    assert (result.summary["error"]["code"], calls) == ("misconfigured", [1])


async def test_a_batch_refused_whole_is_split_until_the_culprit_stands_alone(bench):
    def picky(call, load):
        return Rejected("bad batch") if any(r["id"] == 6 for r in load.records) else None

    result = await bench.run(bench.pipeline(rows(30), targets=[bench.target(picky)]))
    assert result.summary["rejected"] == 1
    assert sorted(record["id"] for record in bench.kept) == [i for i in range(30) if i != 6]
    (letter,) = await letters(bench)
    assert letter.record == {"id": 6}


async def test_when_every_record_is_refused_the_pipeline_is_wrong_and_nothing_is_kept(bench):
    def never(call, load):
        return Receipt(rejected=dict.fromkeys(range(len(load.records)), "no such column"))

    result = await bench.run(bench.pipeline(rows(500), cursor=["id"], targets=[bench.target(never)]))
    assert result.summary["status"] == "failed"
    assert "no such column" in result.summary["error"]["message"]
    assert await letters(bench) == []
    assert await checkpoint(bench) is None


async def test_nineteen_refused_of_nineteen_are_data(bench):
    def never(call, load):
        return Receipt(rejected=dict.fromkeys(range(len(load.records)), "no"))

    result = await bench.run(bench.pipeline(rows(19), cursor=["id"], targets=[bench.target(never)]))
    assert (result.summary["status"], len(await letters(bench))) == ("partial", 19)


@pytest.mark.parametrize(("policy", "status", "kept"), [("drop", "partial", 0), ("fail", "failed", 0)])
async def test_on_rejected_drop_and_fail(bench, policy, status, kept):
    def refuse(call, load):
        return Receipt(rejected={0: "no"})

    target = bench.target(refuse, on_rejected=policy)
    result = await bench.run(bench.pipeline(rows(30), targets=[target]))
    assert (result.summary["status"], len(await letters(bench))) == (status, kept)


async def test_stopping_ends_at_a_batch_boundary_and_the_next_run_goes_on(bench):
    stop = asyncio.Event()

    def halt(call, load):
        if call == 2:
            stop.set()

    target = bench.target(halt)
    first = await bench.run(bench.pipeline(rows(100), cursor=["id"], targets=[target]), stop)
    assert first.summary["status"] == "cancelled"
    sent = len(bench.kept)
    assert sent % 10 == 0
    assert sent < 100
    await bench.run(bench.pipeline(rows(100), cursor=["id"]))
    assert {record["id"] for record in bench.kept} == set(range(100))
    assert len(bench.kept) - 100 <= 2


async def test_stopping_wakes_a_wait_for_another_try(bench):
    stop = asyncio.Event()

    def busy(call, load):
        stop.set()
        return Transient("busy", 300.0)

    async with asyncio.timeout(5):
        result = await bench.run(bench.pipeline(rows(5), targets=[bench.target(busy)]), stop)
    assert result.summary["status"] == "cancelled"


async def test_a_run_over_its_time_limit_is_timed_out(bench):
    async def hang(call, load):
        await asyncio.Event().wait()

    result = await bench.run(bench.pipeline(rows(5), targets=[bench.target(hang)], time_limit=0.05))
    assert (result.summary["status"], result.summary["error"]["code"]) == ("timed_out", "time-limit")


async def test_a_cursor_that_goes_back_fails_the_run(bench):
    result = await bench.run(bench.pipeline([{"id": 2}, {"id": 1}], cursor=["id"]))
    assert result.summary["error"]["code"] == "cursor-order"


async def test_a_reset_keeps_its_own_position_and_moves_the_cursor_only_at_its_end(bench):
    data = rows(50)
    await bench.run(bench.pipeline(data[:20], cursor=["id"], reset=True))
    bench.kept.clear()

    def down(call, load):
        return Disconnected("gone") if call > 2 else None

    failed = await bench.run(
        bench.pipeline(data, cursor=["id"], reset=True, targets=[bench.target(down)]), params={"full": True}
    )
    assert failed.summary["status"] == "failed"
    assert await checkpoint(bench) == {"cursor": {"id": 19}}
    first = len(bench.kept)
    full = await bench.run(bench.pipeline(data, cursor=["id"], reset=True), params={"full": True})
    assert full.summary["read"] < 50
    assert {record["id"] for record in bench.kept} == set(range(50))
    assert first >= 20
    assert await checkpoint(bench) == {"cursor": {"id": 49}}
    nothing = await bench.run(bench.pipeline(data, cursor=["id"], reset=True))
    assert nothing.summary["read"] == 0
    again = await bench.run(bench.pipeline(data, cursor=["id"], reset=True), params={"full": True})
    assert again.summary["read"] == 50


async def test_fresh_starts_a_reset_over(bench):
    data = rows(50)

    def down(call, load):
        return Disconnected("gone") if call > 2 else None

    pipeline = bench.pipeline(data, cursor=["id"], reset=True, targets=[bench.target(down)])
    await bench.run(pipeline, params={"full": True})
    whole = await bench.run(bench.pipeline(data, cursor=["id"], reset=True), params={"full": True}, fresh=True)
    assert whole.summary["read"] == 50


async def test_limit_reads_so_many_and_the_next_run_goes_on_there(bench):
    pipeline = bench.pipeline(rows(50), cursor=["id"])
    for _ in range(3):
        assert (await bench.run(pipeline, limit=7)).summary["read"] == 7
    assert [record["id"] for record in bench.kept] == list(range(21))


async def test_a_source_without_cursor_begins_anew_after_a_complete_run_and_resumes_after_a_failed_one(bench):
    def down(call, load):
        return Disconnected("gone") if call > 2 else None

    await bench.run(bench.pipeline(rows(50), targets=[bench.target(down)]))
    assert await checkpoint(bench) == {"source": {"offset": 20}}
    resumed = await bench.run(bench.pipeline(rows(50)))
    assert resumed.summary["read"] == 30
    assert await checkpoint(bench) is None
    assert (await bench.run(bench.pipeline(rows(50)))).summary["read"] == 50


async def test_records_go_to_every_target_that_takes_them(bench):
    low, high = [], []
    targets = [
        bench.target(name="low", kept=low, when=lambda r, m, i, f: r["id"] < 30),
        bench.target(name="high", kept=high, when=lambda r, m, i, f: r["id"] >= 20),
    ]
    result = await bench.run(bench.pipeline(rows(50), cursor=["id"], targets=targets))
    assert result.summary["sent"] == {"low": 30, "high": 30}
    assert await checkpoint(bench) == {"cursor": {"id": 49}}


async def test_what_no_target_takes_is_rejected_unless_dropped(bench):
    targets = [bench.target(when=lambda r, m, i, f: r["id"] < 5)]
    kept = await bench.run(bench.pipeline(rows(10), targets=targets))
    assert (kept.summary["rejected"], {letter.code for letter in await letters(bench)}) == (5, {"unrouted"})
    dropped = await bench.run(bench.pipeline(rows(10), targets=targets, unrouted="drop", name="q"))
    assert (dropped.summary["rejected"], dropped.summary["dropped"]) == (0, {"unrouted": 5})


async def test_the_checkpoint_waits_for_the_slowest_target(bench):
    async def wait(call, load):
        return Misconfigured("no such table") if call == 2 else None

    targets = [bench.target(name="fast", kept=[]), bench.target(wait, name="slow", kept=[])]
    await bench.run(bench.pipeline(rows(50), cursor=["id"], targets=targets))
    assert (await checkpoint(bench))["cursor"]["id"] <= 9


async def test_nothing_is_settled_before_the_end_for_a_target_visible_only_at_its_end(bench):
    seen = []

    async def look(call, load):
        seen.append(await checkpoint(bench))

    target = bench.target(look, traits={"at_end": True})
    await bench.run(bench.pipeline(rows(50), cursor=["id"], targets=[target]))
    assert set(map(str, seen)) == {"None"}
    assert await checkpoint(bench) == {"cursor": {"id": 49}}


async def test_dead_letters_are_replayed_where_they_failed_and_only_there(bench):
    other = []

    def refuse(call, load):
        return Receipt(rejected={i: "no" for i, r in enumerate(load.records) if r["id"] == 4})

    targets = [bench.target(refuse, name="a"), bench.target(name="b", kept=other)]
    await bench.run(bench.pipeline(rows(20), targets=targets))
    assert await bench.store.amend(Where(pipeline="p"), "replay") == 1
    assert await bench.store.amend(Where(pipeline="p"), "replay") == 0
    fixed = [bench.target(name="a"), bench.target(name="b", kept=other)]
    result = await bench.run(bench.pipeline([], targets=fixed), replay=True)
    assert result.summary["sent"] == {"a": 1}
    assert len(other) == 20
    assert await letters(bench) == []
    assert (await bench.run(bench.pipeline([], targets=fixed), replay=True)).summary["read"] == 0


async def test_a_replay_that_is_refused_again_is_a_dead_letter_again(bench):
    def refuse(call, load):
        return Receipt(rejected={i: "no" for i, r in enumerate(load.records) if r["id"] == 4})

    pipeline = bench.pipeline(rows(20), targets=[bench.target(refuse)])
    await bench.run(pipeline)
    await bench.store.amend(Where(pipeline="p"), "replay")
    result = await bench.run(pipeline, replay=True)
    assert result.summary["rejected"] == 1
    assert len(await letters(bench)) == 1


async def test_a_replay_of_one_child_does_not_send_its_brothers_again(bench):
    def parts(record):
        return [{"id": f"{record['id']}-{n}"} for n in range(3)]

    def refuse(call, load):
        return Receipt(rejected={i: "no" for i, r in enumerate(load.records) if r["id"] == "2-1"})

    await bench.run(bench.pipeline(rows(5), stages=[Each(parts)], targets=[bench.target(refuse)]))
    assert len(bench.kept) == 14
    await bench.store.amend(Where(pipeline="p"), "replay")
    await bench.run(bench.pipeline([], stages=[Each(parts)]), replay=True)
    assert sorted(record["id"] for record in bench.kept)[6:9] == ["2-0", "2-1", "2-2"]
    assert len(bench.kept) == 15


async def test_an_open_breaker_fails_the_run_without_another_call(bench):
    calls = []

    def down(call, load):
        calls.append(call)
        return Disconnected("gone")

    remote = Remote("hub", None, CircuitBreaker(failures=2, window=60, reset_after=60))
    result = await bench.run(bench.pipeline(rows(50), targets=[bench.target(down, remote=remote)]))
    assert (result.summary["error"]["code"], calls) == ("circuit-open", [1, 2])


async def test_a_pipeline_does_not_run_twice_at_once(bench):
    busy, go = asyncio.Event(), asyncio.Event()

    async def wait(call, load):
        busy.set()
        await go.wait()

    first = asyncio.create_task(bench.run(bench.pipeline(rows(5), targets=[bench.target(wait)])))
    await busy.wait()
    with pytest.raises(Unavailable, match="running already"):
        await bench.run(bench.pipeline(rows(5)))
    go.set()
    assert (await first).summary["status"] == "success"


async def test_a_dry_run_shows_and_changes_nothing(bench):
    result = await bench.run(bench.pipeline(rows(5), cursor=["id"]), dry_run=True)
    assert [preview.mapped for preview in result.previews] == rows(5)
    assert bench.kept == []
    assert await checkpoint(bench) is None
    assert (await bench.store.find("runs"))[0] == []


async def test_without_settling_an_interrupted_run_repeats_everything(bench):
    """The control of the tests above: the checkpoint is what makes a run resume."""
    bench.settling = False

    def down(call, load):
        return Disconnected("gone") if call > 3 else None

    await bench.run(bench.pipeline(rows(50), cursor=["id"], targets=[bench.target(down)]))
    again = await bench.run(bench.pipeline(rows(50), cursor=["id"]))
    assert again.summary["read"] == 50


async def test_the_row_of_a_run_tells_how_it_ended(bench):
    await bench.run(bench.pipeline(rows(5)))
    (row,) = (await bench.store.find("runs"))[0]
    assert (row.pipeline, row.status, row.summary["sent"]) == ("p", "success", {"out": 5})
    assert row.finished


class Appending:
    """A target that can be cut back, whose flush takes its time."""

    def __init__(self, target):
        self.resumed, self.plan = [], target

    def make(self, context):
        made = self.plan.build(context)
        made.rewinds = True
        made.progress = lambda: {"length": len(made.kept)}

        async def resume(progress):
            self.resumed.append(progress)
            if progress:
                del made.kept[progress["length"] :]

        async def flush():
            for _ in range(20):
                await asyncio.sleep(0)

        made.resume, made.flush = resume, flush
        return made


async def test_a_settlement_under_way_at_the_end_is_not_lost(bench):
    """A run used to end while its settlement waited for the flush: the cursor stayed where it was."""
    target = bench.target()
    append = Appending(target)
    result = await bench.run(bench.pipeline(rows(50), cursor=["id"], targets=[bench.target(build=append.make)]))
    assert result.summary["cursor"] == {"id": 49}
    assert await checkpoint(bench) == {"cursor": {"id": 49}}


async def test_what_was_appended_before_the_first_settlement_is_cut_back_too(bench):
    bench.kept.append({"id": "of somebody else"})
    append = Appending(bench.target())

    class Broken(Exception):
        pass

    def die(call, load):
        if call == 2:
            raise Broken

    dying = Appending(bench.target(die))
    with pytest.raises((ExceptionGroup, Broken)):
        await bench.run(bench.pipeline(rows(30), targets=[bench.target(build=dying.make)]))
    await bench.run(bench.pipeline(rows(30), targets=[bench.target(build=append.make)]))
    assert append.resumed[-1] is not None
    assert [record["id"] for record in bench.kept] == ["of somebody else", *range(30)]


async def test_after_a_complete_run_a_file_is_its_owners_again(bench):
    append = Appending(bench.target())
    pipeline = bench.pipeline(rows(10), cursor=["id"], targets=[bench.target(build=append.make)])
    await bench.run(pipeline)
    bench.kept.append({"id": "of somebody else"})
    await bench.run(pipeline)
    assert append.resumed == [None, None]
    assert len(bench.kept) == 11


async def test_a_replay_never_replaces_a_whole_file_by_a_few_records(bench):
    def refuse(call, load):
        return Receipt(rejected={0: "no"})

    target = bench.target(refuse, traits={"at_end": True})
    await bench.run(bench.pipeline(rows(20), targets=[target]))
    kept = list(bench.kept)
    await bench.store.amend(Where(pipeline="p"), "replay")
    result = await bench.run(bench.pipeline([], targets=[bench.target(traits={"at_end": True})]), replay=True)
    assert result.summary["error"]["code"] == "misconfigured"
    assert "run the whole pipeline again" in result.summary["error"]["message"]
    assert bench.kept == kept
