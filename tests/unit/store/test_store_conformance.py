"""Both stores pass every case of the conformance suite."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from engine.store.conformance import CASES, Harness
from tests.unit.store.broken_twins import TWINS
from tests.unit.store.store_harnesses import MemoryHarness, SqliteHarness

Case = Callable[[Harness], Awaitable[None]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_memory_passes(case: Case) -> None:
    """The twin in memory behaves as the contract says."""
    async with AsyncExitStack() as stack:
        await case(MemoryHarness(stack))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_sqlite_passes(case: Case, tmp_path: Path) -> None:
    """The store on disk behaves as the contract says."""
    async with AsyncExitStack() as stack:
        await case(SqliteHarness(stack, tmp_path))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_a_broken_twin_fails(case: Case) -> None:
    """A case that a store with the mistake it is about passes would prove nothing."""
    async with AsyncExitStack() as stack:
        with pytest.raises((AssertionError, TimeoutError)) as failure:
            await asyncio.wait_for(case(MemoryHarness(stack, TWINS[case])), 6)
    print(f"{TWINS[case].__name__}: {failure.value}")
