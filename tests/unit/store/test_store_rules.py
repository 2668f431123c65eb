"""What both stores share: times, ids, marks of pages."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import StoreError
from engine.store.base import Where
from engine.store.rules import Wakeups, check_amendment, check_kinds, entry_id, entry_number, page_mark, sortable, stamp


@pytest.mark.parametrize(
    "text",
    ["2026-01-02T03:04:05Z", "2026-01-02T00:04:05-03:00", "2026-01-02 03:04:05", "2026-01-02T03:04:05.000000+00:00"],
)
def test_times_are_brought_to_one_form(text: str) -> None:
    """However a time is written, it compares as text with the store's stamps."""
    assert sortable(text) == stamp(1767323045.0) == "2026-01-02T03:04:05.000000+00:00"


def test_what_is_no_time_is_explained() -> None:
    """The message shows how to write one."""
    with pytest.raises(StoreError, match="'yesterday' is not a time; write it like"):
        sortable("yesterday")


def test_ids_sort_as_text() -> None:
    """Texts order as the numbers do, and only such texts are read back."""
    assert entry_id(9) < entry_id(10) < entry_id(2**40)
    assert entry_number(entry_id(77)) == 77
    assert entry_number("77") == entry_number("no-such-entry-xx") == entry_number("") == -1


@pytest.mark.parametrize("text", ["", "x", "1-2", "-1", "1.5", "²"])
def test_a_strange_mark_is_refused(text: str) -> None:
    """Only what a listing gave is the end of a page."""
    with pytest.raises(StoreError, match="is not the end of a page"):
        page_mark(text, 1)


def test_marks_are_read() -> None:
    """No mark is the first page."""
    assert (page_mark(None, 1), page_mark("7", 1), page_mark("3-41", 2)) == (None, (7,), (3, 41))


async def test_hundreds_wait_and_those_concerned_wake() -> None:
    """Each waits for its own lane and one for all; news of a lane wake its own and the one, nobody else."""
    wakeups = Wakeups()
    own = [asyncio.create_task(wakeups.wait(f"p{number}/", 60)) for number in range(300)]
    everything = asyncio.create_task(wakeups.wait("", 60))
    await asyncio.sleep(0)
    wakeups.tell(["p7/in/0", "p8"])
    async with asyncio.timeout(2):
        await asyncio.gather(own[7], everything)
    assert sum(task.done() for task in own) == 1
    late = asyncio.create_task(wakeups.wait("p7/in", 60))
    await asyncio.sleep(0)
    wakeups.tell(["p7/in/0"])
    async with asyncio.timeout(2):
        await asyncio.gather(late, wakeups.wait("p7/", 60), wakeups.wait("", 60))
    for task in own:
        task.cancel()
    await asyncio.gather(*own, return_exceptions=True)


async def test_telling_costs_the_same_however_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a lane is known, no prefix is looked at again until somebody waits for a new one."""
    wakeups = Wakeups()
    for number in range(300):
        await wakeups.wait(f"p{number}/", 0)
    looks = []
    monkeypatch.setattr(Wakeups, "_find", lambda self, lane, find=Wakeups._find: looks.append(lane) or find(self, lane))
    for _ in range(5):
        wakeups.tell(["p7/in/0", "p8/in/0"])
    assert looks == ["p7/in/0", "p8/in/0"]


def test_unknown_kinds_and_changes_are_refused() -> None:
    """A word that means nothing here is an error, not a silent nothing."""
    with pytest.raises(StoreError, match="nothing of the kind 'run' is kept here; there are runs, logs"):
        check_kinds({"run": "2026-01-01"})
    with pytest.raises(StoreError, match="'resend' cannot be done"):
        check_amendment(Where(), "resend")
