"""Files that arrive: each version fires once, whole, and is moved when its run has ended, through crashes."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RecordError, StoreFull
from engine.events import Fired, Noted
from engine.pipeline import FilePlan
from engine.service.arrivals import KEPT
from engine.service.drops import AGAIN, Drops, note
from engine.service.firing import Firing
from engine.service.folders import free, home, look
from engine.store.base import Where
from engine.store.memory import MemoryStore, Tables


class Box:
    """A project with a folder ``in``, whose engine dies and comes back."""

    def __init__(self, root: Path) -> None:
        self.root, self.now = root, 1000.0
        self.tables, self.told, self.silent = Tables(), [], set()
        self.lives = 0
        (root / "in").mkdir()

    def put(self, name: str, text: str = "x", at: float | None = None) -> Path:
        path = self.root / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        if at is not None:
            os.utime(path, (at, at))
        return path

    async def begin(self, *plans: FilePlan, roots: tuple[Path, ...] = ()) -> Drops:
        """A new process; the one before died without a word."""
        self.lives += 1
        self.now += 61  # its lease is over
        self.store = MemoryStore(self.tables, clock=lambda: self.now)
        stack = AsyncExitStack()
        await self.store.open(stack, f"life-{self.lives}")
        self.drops = Drops(
            self.store, self.told.append, self.root, silent=self.silent.__contains__,
            clock=lambda: self.now, ticks=lambda: self.now, rest=lambda seconds: None,  # type: ignore[arg-type,return-value]
        )  # fmt: skip
        await self.drops.open(stack)
        self.drops.replace(plans, roots)
        return self.drops

    async def look(self, *, after: float = 0.0) -> float:
        self.now += after
        return await self.drops.look()

    async def fired(self, pipeline: str = "p") -> list[Firing]:
        rows, _ = await self.store.find("entries", Where(lane=f"{pipeline}/fire"))
        return [Firing.read(row) for row in rows]

    async def names(self) -> list[str]:
        return [one.around["name"] for one in await self.fired()]

    async def ended(self, status: Any, which: int = -1) -> None:
        """The run of a file has ended."""
        await self.store.append(note("p", (await self.fired())[which], status))

    def of(self, code: str) -> list[str]:
        return [one.message for one in self.told if isinstance(one, Noted) and one.code == code]

    def there(self, folder: str = "in") -> list[str]:
        return sorted(one.name for one in (self.root / folder).iterdir() if not one.is_dir())


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


PLAN = FilePlan("drop", "in", "*.csv", 1.0, "done", "failed", pipeline="p")
STAYS = FilePlan("drop", "in", "*.csv", 1.0, pipeline="p")


async def test_a_file_fires_once_it_stands_still_and_never_again(box: Box) -> None:
    await box.begin(STAYS)
    box.put("a.csv", "1", at=5.0)
    assert await box.look() == 1.0
    box.put("a.csv", "12", at=5.0)  # it grows
    await box.look(after=1.0)
    assert await box.names() == []
    await box.look(after=1.0)
    for _ in range(3):
        await box.look(after=5.0)
    (one,) = await box.fired()
    assert (one.trigger, one.kind, one.accepted) == ("drop", "file", True)
    assert one.around == {
        "path": "in/a.csv", "name": "a.csv", "size": 2, "modified": "1970-01-01T00:00:05+00:00",
        "version": "5000000000-2",
    }  # fmt: skip
    assert [type(event) for event in box.told] == [Fired]


async def test_a_new_process_fires_nothing_twice_and_a_new_version_again(box: Box) -> None:
    await box.begin(STAYS)
    box.put("a.csv", "1", at=5.0)
    await box.look()
    await box.look(after=1.0)
    await box.begin(STAYS)
    await box.look()
    await box.look(after=2.0)
    assert await box.names() == ["a.csv"]
    box.put("a.csv", "2", at=6.0)
    await box.look()
    await box.look(after=1.0)
    assert await box.names() == ["a.csv", "a.csv"]


async def test_files_of_one_look_fire_by_name_and_only_what_fits(box: Box) -> None:
    await box.begin(STAYS)
    for name in ("b.csv", "a.csv", "c.txt", ".hidden.csv"):
        box.put(name)
    (box.root / "in" / "below").mkdir()
    box.put("below/d.csv")
    await box.look()
    await box.look(after=1.0)
    assert await box.names() == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("status", "folder"),
    [("success", "done"), ("partial", "done"), ("empty", "done"), ("failed", "failed"), ("timed_out", "failed"),
     ("cancelled", "in"), ("interrupted", "in")],
)  # fmt: skip
async def test_a_file_is_moved_as_its_run_ended(box: Box, status: str, folder: str) -> None:
    await box.begin(PLAN)
    box.put("a.csv")
    await box.look()
    await box.look(after=1.0)
    await box.ended(status)
    await box.look()
    assert box.there(folder) == ["a.csv"]
    await box.look(after=5.0)
    assert len(await box.fired()) == 1


async def test_the_move_is_made_by_the_next_process_where_this_one_died(box: Box) -> None:
    await box.begin(PLAN)
    box.put("a.csv")
    await box.look()
    await box.look(after=1.0)
    await box.ended("success")
    await box.begin(PLAN)
    await box.look()
    assert (box.there(), box.there("done")) == ([], ["a.csv"])


async def test_a_move_whose_settlement_was_lost_is_not_made_twice(box: Box) -> None:
    await box.begin(PLAN)
    box.put("a.csv", at=5.0)
    await box.look()
    await box.look(after=1.0)
    await box.ended("success")
    (box.root / "done").mkdir()
    (box.root / "in" / "a.csv").rename(box.root / "done" / "a.csv")  # and then it died
    await box.begin(PLAN)
    await box.look()
    assert (box.there("done"), await box.store.waiting()) == (["a.csv"], ["p/fire"])


async def test_a_version_that_came_during_the_run_is_not_moved_and_fires(box: Box) -> None:
    await box.begin(PLAN)
    box.put("a.csv", "1", at=5.0)
    await box.look()
    await box.look(after=1.0)
    box.put("a.csv", "2", at=6.0)
    await box.ended("success")
    await box.look()
    await box.look(after=1.0)
    assert (box.there(), len(await box.fired())) == (["a.csv"], 2)
    await box.ended("success")
    await box.look()
    assert (box.there(), box.there("done")) == ([], ["a.csv"])


async def test_a_file_that_people_put_back_fires_again(box: Box) -> None:
    await box.begin(PLAN)
    box.put("a.csv", at=5.0)
    await box.look()
    await box.look(after=1.0)
    await box.ended("failed")
    await box.look()
    (box.root / "failed" / "a.csv").rename(box.root / "in" / "a.csv")
    await box.look()
    await box.look(after=1.0)
    assert len(await box.fired()) == 2


async def test_a_name_that_is_taken_gets_a_number_and_nothing_is_replaced(box: Box) -> None:
    await box.begin(PLAN)
    (box.root / "done").mkdir()
    (box.root / "done" / "a.csv").write_text("older")
    box.put("a.csv", "newer")
    await box.look()
    await box.look(after=1.0)
    await box.ended("success")
    await box.look()
    assert (box.root / "done" / "a.csv").read_text() == "older"
    assert (box.root / "done" / "a-2.csv").read_text() == "newer"
    (box.root / "done" / "b.csv.gz").write_text("")
    assert free(box.root / "done", "b.csv.gz").name == "b-2.csv.gz"


async def test_what_cannot_be_moved_is_told_once_and_tried_again(box: Box) -> None:
    await box.begin(PLAN)
    (box.root / "done").write_text("no folder")
    box.put("a.csv")
    await box.look()
    await box.look(after=1.0)
    await box.ended("success")
    for _ in range(3):
        await box.look(after=AGAIN + 1)
    assert len(box.of("file-move")) == 1
    assert box.there() == ["a.csv"]
    (box.root / "done").unlink()
    await box.look(after=AGAIN + 1)
    assert (box.there(), box.there("done")) == ([], ["a.csv"])


async def test_hostile_names_are_ignored_and_told_once(box: Box) -> None:
    await box.begin(STAYS)
    outside = box.root.parent / "outside.csv"
    outside.write_text("secret")
    (box.root / "in" / "link.csv").symlink_to(outside)
    os.mkfifo(box.root / "in" / "pipe.csv")
    box.put("new\nline.csv")
    (Path(os.fsdecode(os.fsencode(box.root / "in") + b"/\xff.csv"))).write_text("x")
    box.put("star*[1]?.csv")
    for _ in range(3):
        await box.look(after=2.0)
    assert await box.names() == ["star*[1]?.csv"]
    told = box.of("file-ignored")
    assert len(told) == 4, told
    assert all(line.isprintable() for line in told)


async def test_a_folder_outside_is_not_watched_and_told_once(box: Box) -> None:
    outside = box.root.parent / "elsewhere"
    outside.mkdir()
    (outside / "a.csv").write_text("x")
    (box.root / "in").rmdir()
    (box.root / "in").symlink_to(outside)
    await box.begin(STAYS)
    for _ in range(3):
        await box.look(after=2.0)
    assert await box.names() == []
    assert len(box.of("file-folder")) == 1
    box.drops.replace([STAYS], (outside,))  # named under files: it is
    await box.look()
    await box.look(after=2.0)
    assert await box.names() == ["a.csv"]
    with pytest.raises(ValueError, match=r"'\.\.'"):
        home(box.root, (), "../elsewhere")


async def test_a_folder_that_is_not_mounted_for_a_while_fires_nothing_again(box: Box) -> None:
    await box.begin(STAYS)
    path = box.put("a.csv", at=5.0)
    await box.look()
    await box.look(after=1.0)
    path.unlink()
    await box.look(after=100)
    box.put("a.csv", "x", at=5.0)
    await box.look()
    await box.look(after=2.0)
    assert len(await box.fired()) == 1
    path.unlink()
    await box.look()
    await box.begin(STAYS)
    await box.look(after=KEPT + 1)  # what is gone for long is forgotten, or the store would grow without end
    assert not box.drops._arrivals.known


async def test_files_of_a_paused_pipeline_wait_and_those_of_a_trigger_that_is_gone_are_left(box: Box) -> None:
    box.silent.add("p")
    await box.begin(STAYS)
    box.put("a.csv")
    for _ in range(3):
        await box.look(after=2.0)
    assert await box.names() == []
    box.silent.clear()
    await box.look()
    box.drops.replace([])
    await box.look(after=2.0)
    assert await box.names() == []
    box.drops.replace([STAYS])
    await box.look()
    await box.look(after=2.0)
    assert await box.names() == ["a.csv"]


async def test_params_that_cannot_be_made_are_told_and_the_file_goes_to_failed(box: Box) -> None:
    def params(names: Any) -> Any:
        raise RecordError("missing", f"no day in {names['trigger']['name']}")

    await box.begin(FilePlan("drop", "in", "*", 0.0, "done", "failed", params, "p"))
    box.put("a.csv")
    await box.look()
    await box.look()
    assert box.of("trigger-params") == ["'drop' starts no run for in/a.csv: its params cannot be made: no day in a.csv"]
    assert box.there("failed") == ["a.csv"]


async def test_nothing_is_fired_that_is_not_on_disk(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    await box.begin(FilePlan("drop", "in", "*", 0.0, pipeline="p"))
    box.put("a.csv")

    async def full(settlement: Any) -> None:
        raise StoreFull("no space")

    async def die(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(box.store, "settle", full)
    monkeypatch.setattr("engine.service.drops.asyncio.sleep", die)
    with pytest.raises(KeyboardInterrupt):
        await box.look()
    assert not [event for event in box.told if isinstance(event, Fired)]
    monkeypatch.undo()
    await box.begin(FilePlan("drop", "in", "*", 0.0, pipeline="p"))
    await box.look()
    assert await box.names() == ["a.csv"]


def test_a_look_gives_only_files_by_name(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    (tmp_path / "c").mkdir()
    assert list(look(tmp_path, "*").files) == ["a", "b"]
