"""What is read is judged soberly: nothing half-written, broken or vanished takes the place of what is good."""

import asyncio
import os
import shutil
import time
from dataclasses import replace

import pytest

import engine.service.reload as reload_module
import engine.service.watch as watch_module
from engine.errors import StoreFailed, Unavailable
from engine.events import Noted
from tests.integration.reload_rig import QUICK, SILENT, Followed, following, pipeline, renamed_into, until, write

BROKEN = "pipeline: a\nsource: {inline: {rows: []}}\ntargets_: {console: {}}\n"
HALF = pipeline("a", "second")[:-9]


@pytest.fixture
def root(tmp_path):
    project = tmp_path / "project"
    write(project / "pipelines/a.yaml", pipeline("a"))
    write(project / "pipelines/b.yaml", pipeline("b"))
    return project


async def test_a_broken_file_is_told_once_with_its_place_and_replaces_nothing(root):
    async with following(Followed(root)) as one:
        write(root / "pipelines/a.yaml", BROKEN)
        await until(lambda: one.failures)
        [problem] = [found for found in one.failures[0].problems if found.code == "unknown-key"]
        assert str(problem).startswith("pipelines/a.yaml:3:1: error[unknown-key]")
        assert one.descriptions == {"a": "first", "b": "first"}
        renamed_into(root / "pipelines/a.yaml", BROKEN)
        await until(lambda: one.loads == 2)
        write(root / "pipelines/b.yaml", pipeline("b", "second"))
        await until(lambda: one.loads == 3)
        assert not one.reloads
        assert not one.applied, "all or nothing: the good change waits for the bad one to be mended"
        assert len(one.failures) == 1, "the same problems again are no news"
        write(root / "pipelines/a.yaml", BROKEN.replace("targets_", "tragets"))
        await until(lambda: len(one.failures) == 2)
        write(root / "pipelines/a.yaml", pipeline("a", "second"))
        await until(lambda: one.reloads)
        assert one.reloads[0].changed == ("a", "b")
        assert one.reloader.problems == ()


async def test_a_broken_file_put_back_is_good_news(root):
    async with following(Followed(root)) as one:
        write(root / "pipelines/a.yaml", BROKEN)
        await until(lambda: one.failures)
        write(root / "pipelines/a.yaml", pipeline("a"))
        await until(lambda: one.reloads)
        assert (one.reloads[0].changed, one.reloads[0].removed) == ((), ())
        assert one.reloader.problems == ()
        write(root / "pipelines/a.yaml", BROKEN)
        await until(lambda: len(one.failures) == 2)


async def test_a_half_written_file_is_refused_until_it_is_whole(root):
    async with following(Followed(root)) as one:
        for _ in range(3):
            write(root / "pipelines/a.yaml", HALF)
            await until(lambda: one.reloader.problems)
            write(root / "pipelines/a.yaml", pipeline("a", "second"))
            await until(lambda: not one.reloader.problems)
            assert one.descriptions == {"a": "second", "b": "first"}


def changing_under_the_reader(one, times):
    """Let the files change after they were read and before it is over, *times* times."""
    left = iter(range(times))

    def after():
        for number in left:
            renamed_into(one.root / "pipelines/b.yaml", pipeline("b", f"during-{number}"))
            break

    one.after_load = after


async def test_a_reading_during_which_files_change_is_not_followed(root):
    one = Followed(root)
    async with following(one):
        changing_under_the_reader(one, 2)
        write(root / "pipelines/a.yaml", pipeline("a", "second"))
        await until(lambda: one.descriptions == {"a": "second", "b": "during-1"})
        assert [project.pipelines["b"].description for project in one.applied] == ["during-1"]


async def test_control_without_the_second_look_a_torn_project_is_followed(root, monkeypatch):
    monkeypatch.setattr(reload_module, "differing", lambda before, now: [])
    one = Followed(root)
    async with following(one):
        changing_under_the_reader(one, 2)
        write(root / "pipelines/a.yaml", pipeline("a", "second"))
        await until(lambda: one.descriptions == {"a": "second", "b": "during-1"})
        assert one.applied[0].pipelines["b"].description == "first", "read before it changed"


async def test_files_that_never_stand_still_are_named_and_followed_when_they_do(root):
    one = Followed(root)
    async with following(one):
        changing_under_the_reader(one, 12)
        write(root / "pipelines/a.yaml", pipeline("a", "second"))
        await until(lambda: one.failures)
        [problem] = one.failures[0].problems
        assert (problem.file, problem.code) == ("pipelines/b.yaml", "project-changing")
        await until(lambda: one.descriptions == {"a": "second", "b": "during-11"})
        assert one.reloader.problems == ()


async def test_a_file_that_comes_back_soon_was_never_gone(root):
    """Programs that renew a folder delete before they write."""
    one = Followed(root)
    async with following(one, replace(QUICK, confirm=2.0)):
        (root / "pipelines/b.yaml").unlink()
        await until(lambda: one.loads)
        write(root / "pipelines/b.yaml", pipeline("b", "second"))
        await until(lambda: one.descriptions == {"a": "first", "b": "second"})
        assert [sorted(project.pipelines) for project in one.applied] == [["a", "b"]]


async def test_control_without_confirmation_it_is_gone_for_a_while(root):
    one = Followed(root)
    async with following(one, replace(QUICK, confirm=0.0)):
        (root / "pipelines/b.yaml").unlink()
        await until(lambda: one.reloads)
        write(root / "pipelines/b.yaml", pipeline("b", "second"))
        await until(lambda: one.descriptions == {"a": "first", "b": "second"})
        assert [sorted(project.pipelines) for project in one.applied] == [["a"], ["a", "b"]]


@pytest.mark.parametrize("pace", [QUICK, SILENT], ids=["events", "looks"])
@pytest.mark.parametrize("bare", [True, False], ids=["an empty folder", "no folder"])
async def test_a_project_that_is_gone_keeps_running_and_is_followed_when_it_is_back(root, pace, bare):
    """An unmounted volume leaves an empty folder; no signal makes the engine forget its pipelines then."""
    one = Followed(root)
    pace = replace(pace, poll=0.2)  # a folder that is gone tells no events of its own coming back
    async with following(one, pace):
        root.rename(root.with_name("away"))
        if bare:
            root.mkdir()
        await until(lambda: one.codes() == {"project-gone"})
        assert len(one.failures) == 1
        assert not await one.reloader.reload(asked=True)
        assert len(one.failures) == 2, "who asks is told again"
        assert one.descriptions == {"a": "first", "b": "first"}
        write(root.with_name("away") / "pipelines/a.yaml", pipeline("a", "second"))
        if bare:
            root.rmdir()
        root.with_name("away").rename(root)
        await until(lambda: one.descriptions == {"a": "second", "b": "first"})
        assert one.reloader.problems == ()
        assert len(one.failures) == 2


async def test_a_project_without_pipelines_is_followed_only_when_it_is_said_by_hand(root):
    one = Followed(root)
    async with following(one):
        shutil.rmtree(root / "pipelines")
        (root / "pipelines").mkdir()
        await until(lambda: one.codes() == {"project-empty"})
        assert not one.applied
        one.reloader.asked.set()
        await until(lambda: one.reloads)
        assert one.reloads[0].removed == ("a", "b")
        assert (one.descriptions, one.reloader.problems) == ({}, ())


async def test_a_project_that_never_had_pipelines_is_no_problem(tmp_path):
    """The control of the empty project: here nothing was lost."""
    one = Followed(tmp_path)
    async with following(one):
        write(tmp_path / "engine.yaml", "engine: 1\n")
        await until(lambda: one.reloads)
        write(tmp_path / "pipelines/a.yaml", pipeline("a"))
        await until(lambda: one.descriptions == {"a": "first"})


async def test_who_asks_gets_the_files_read_though_none_changed(root):
    one = Followed(root, environ={})
    async with following(one):
        one.reloader.asked.set()
        await until(lambda: one.reloads)
        assert one.loads == 1
        assert await one.reloader.reload()
        assert one.loads == 2
        write(root / "pipelines/a.yaml", BROKEN)
        assert not await one.reloader.reload()


async def test_what_changed_between_the_first_reading_and_the_following_is_followed(root):
    one = Followed(root)
    one.start(QUICK)
    write(root / "pipelines/a.yaml", pipeline("a", "second"))
    stop = asyncio.Event()
    task = asyncio.create_task(one.reloader.follow(stop))
    await until(lambda: one.descriptions["a"] == "second")
    stop.set()
    await task


async def test_nothing_is_read_while_nothing_changes(root):
    one = Followed(root)
    async with following(one, replace(SILENT, poll=0.001)):
        looks = 0

        def counted(*arguments):
            nonlocal looks
            looks += 1
            return real(*arguments)

        real, watch_module.footprint = watch_module.footprint, counted
        try:
            await until(lambda: looks > 50)
        finally:
            watch_module.footprint = real
    assert one.loads == 0


async def test_a_driver_that_is_missing_refuses_the_new_files(root):
    one = Followed(root)
    async with following(one, replace(QUICK, retry=0.1)):
        one.refuse = Unavailable("the driver of mqtt is missing; install integration-engine[mqtt]")
        write(root / "pipelines/a.yaml", pipeline("a", "second"))
        await until(lambda: one.codes() == {"reload-refused"})
        assert one.descriptions["a"] == "first"
        await until(lambda: one.loads > 2)
        one.refuse = None
        await until(lambda: one.descriptions["a"] == "second")
        assert len(one.failures) == 1, "tried again, and told once"


async def test_a_mistake_of_the_engine_is_told_without_its_values_and_the_good_goes_on(root):
    one = Followed(root)
    async with following(one):
        one.before_load = lambda: int("s3cret-canary")
        write(root / "pipelines/a.yaml", pipeline("a", "second"))
        await until(lambda: one.codes() == {"reload-crashed"})
        [problem] = one.reloader.problems
        assert "ValueError in test_reload_judged.py:" in problem.message
        assert "canary" not in str(problem)
        one.before_load = lambda: None
        write(root / "pipelines/b.yaml", pipeline("b", "second"))
        await until(lambda: one.descriptions == {"a": "second", "b": "second"})


async def test_a_store_that_failed_is_not_for_the_reload_to_hide(root):
    one = Followed(root)
    one.start(QUICK)
    one.refuse = StoreFailed("disk I/O error")
    task = asyncio.create_task(one.reloader.follow(asyncio.Event()))
    one.reloader.asked.set()
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(task, 20)
    assert (
        caught.group_contains(StoreFailed) if hasattr(caught, "group_contains") else caught.value.subgroup(StoreFailed)
    )


async def test_without_events_it_is_said_once_and_the_files_are_looked_at(root, monkeypatch):
    def limited(*paths, **options):
        raise OSError('OS file watch limit reached. about ["/x"]')

    monkeypatch.setattr(watch_module, "watch", limited)
    one = Followed(root)
    async with following(one, replace(QUICK, poll=0.1)):
        for label in ("second", "third"):
            write(root / "pipelines/a.yaml", pipeline("a", label))
            await until(lambda label=label: one.descriptions["a"] == label)
        [note] = [told for told in one.told if isinstance(told, Noted)]
        assert note.level == "warning"
        assert "watch limit" in note.message
        assert "every 0.1 seconds" in note.message


async def test_events_that_are_lost_are_made_up_for_by_a_look(root, monkeypatch):
    """Someone listens and hears nothing, as on a network file system."""

    def deaf(*paths, stop_event, **options):
        while not stop_event.wait(0.01):
            yield from ()

    monkeypatch.setattr(watch_module, "watch", deaf)
    one = Followed(root)
    async with following(one, replace(QUICK, poll=0.1)):
        write(root / "pipelines/a.yaml", pipeline("a", "second"))
        await until(lambda: one.descriptions["a"] == "second")


async def test_fifty_reloads_in_a_row_some_broken_are_each_judged_right(root):
    one = Followed(root)
    count = int(os.environ.get("RELOADS", "50"))
    async with following(one):
        good = 0
        for number in range(count):
            label, refused, kind = f"v{number}", len(one.failures), number % 5
            path = root / "pipelines/a.yaml"
            if kind >= 3:
                broken = BROKEN.replace("targets_", f"targets_{number}") if kind == 3 else HALF
                (write if number % 2 else renamed_into)(path, broken)
                await until(lambda refused=refused: len(one.failures) > refused)
                assert {(found.file, found.severity) for found in one.reloader.problems} == {
                    ("pipelines/a.yaml", "error")
                }
            else:
                (write if kind else renamed_into)(path, pipeline("a", label))
                await until(lambda label=label: one.descriptions["a"] == label)
                good += 1
            assert one.descriptions["b"] == "first"
        assert (good, len(one.failures)) == (count // 5 * 3, count // 5 * 2)
        assert all("b" not in told.changed for told in one.reloads)


async def test_an_edit_is_followed_at_the_usual_pace(root):
    """Also one that takes a file away; the seconds are printed."""
    one = Followed(root)
    took = []
    async with following(one, reload_module.Pace()):
        for number in range(3):
            begun = time.monotonic()
            if number == 2:
                (root / "pipelines/b.yaml").unlink()
                await until(lambda: "b" not in one.descriptions)
            else:
                write(root / "pipelines/a.yaml", pipeline("a", f"v{number}"))
                await until(lambda number=number: one.descriptions["a"] == f"v{number}")
            took.append(time.monotonic() - begun)
    print(f"followed after {took} s")


async def test_the_loop_goes_on_while_a_thousand_files_are_read(tmp_path):
    """Counted against the same reading in the loop itself, which is the control."""
    for number in range(1000):
        write(tmp_path / f"pipelines/p{number}.yaml", pipeline(f"p{number}", '"{{ record.x | trim }}"'))
    one = Followed(tmp_path)
    one.start(QUICK)
    beats = 0

    async def beat():
        nonlocal beats
        while True:
            await asyncio.sleep(0.001)
            beats += 1

    beating = asyncio.create_task(beat())
    await asyncio.sleep(0)
    assert await one.reloader.reload()
    beside, beats = beats, 0
    one.load()
    inside = beats
    beating.cancel()
    print(f"the loop came round {beside} times while it was read beside it")
    assert beside >= 10
    assert inside == 0
