"""Where many entries come, a lane lets more of them come before it looks again; where few do, nobody waits."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing

from engine.runtime.entries import GATHER, MANY, Follow, Lane, accepted
from engine.store.base import NewEntry
from engine.store.memory import MemoryStore

from .accepted_rig import body

LANE = "p/in/0"


async def _sizes(first: int, follows: bool = True) -> tuple[list[int], list[float]]:
    """Read two chunks (one where nothing follows); while the lane sleeps, 30 more entries come, and 5 without that."""
    slept: list[float] = []
    async with AsyncExitStack() as stack:
        store = MemoryStore()
        await store.open(stack, "here")

        async def come(count: int) -> None:
            await store.append([NewEntry(LANE, body('{"id": 1}')) for _ in range(count)])

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            await come(30)

        async def moved(seconds: float) -> None:
            raise AssertionError("nothing here waits for a settlement")

        await come(first)
        (lease,) = await store.acquire(LANE, 1, 60.0)
        follow = Follow(0, lambda: True, moved) if follows else None
        lane = Lane(store, lease, accepted(()), None, follow, sleep)
        sizes: list[int] = []
        async with aclosing(lane.chunks()) as chunks:
            async for chunk in chunks:
                sizes.append(len(chunk.records))
                if len(sizes) == 2:
                    break
                await come(5 if follows else 0)
    return sizes, slept


async def test_where_many_come_the_next_look_waits_for_more():
    """The entries that come in the meantime are one chunk, not several."""
    assert await _sizes(MANY) == ([MANY, 35], [GATHER])


async def test_where_few_come_nobody_waits():
    """The control: one entry less, and the next look is at once."""
    assert await _sizes(MANY - 1) == ([MANY - 1, 5], [])


async def test_with_a_full_chunk_more_is_there_already_and_nobody_waits():
    """A backlog is worked as fast as it can be."""
    assert await _sizes(150) == ([100, 55], [])


async def test_a_lane_that_ends_does_not_wait_either():
    """Replays end with what is there."""
    assert await _sizes(MANY, follows=False) == ([MANY], [])
