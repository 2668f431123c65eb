"""What every connector owes the engine, as tests: hand in one fixture ``case``, get the tests.

from tests.connectors.contract import SourceCase, SourceContract

class TestFileSourceContract(SourceContract):
    @pytest.fixture
    async def case(self, tmp_path):
        async def make(stack):                      # a new, unopened source; its connection opened on *stack*
            return FileSource(Context("files", project=tmp_path), path=lambda names: "in.csv")
        yield SourceCase(make, records=[...])

class TestFileSchema(SchemaContract):
    connector = CONNECTOR
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConnectorError, RecordError
from engine.record import Outgoing
from tests.connectors.schema_contract import SchemaContract, validator

__all__ = [
    "ConnectionCase",
    "ConnectionContract",
    "SchemaContract",
    "SourceCase",
    "SourceContract",
    "TargetCase",
    "TargetContract",
    "validator",
]

ROOT = Path(__file__).parents[2]

Make = Callable[[AsyncExitStack], Awaitable[Any]]
"""Builds a new, unopened object; what it needs (a connection, a server) is opened on the stack."""


@dataclass
class SourceCase:
    """A source that can be built many times over the same data."""

    make: Make
    records: Sequence[Any]
    """All it reads from the beginning, in order; at least two."""
    checkpoints: bool = True
    """It gives checkpoints of its own; False for one that resumes by the pipeline's cursor alone."""
    broken: Make | None = None
    """One whose ``open`` or ``read`` raises a ConnectorError."""
    secrets: Sequence[str] = ()
    """Texts that must never show in a repr or an error."""


@dataclass
class TargetCase:
    """A target that can be built many times, and a look at what arrived."""

    make: Make
    good: Outgoing
    """At least one record the system takes."""
    arrived: Callable[[], Awaitable[Sequence[Any]]]
    """What the system has now, comparable with ``expected``."""
    expected: Sequence[Any]
    """What it has after *good* was written once, flushed and finished."""
    bad: Outgoing | None = None
    """A load in which the system refuses record 0; None: it has no way to refuse."""
    broken: Make | None = None
    """One whose ``open`` or ``write`` of *good* raises a ConnectorError."""
    secrets: Sequence[str] = ()


@dataclass
class ConnectionCase:
    """A connection that can be built many times, and one that cannot work."""

    make: Make
    broken: Make
    """One whose ``open`` or ``check`` raises a ConnectorError."""
    secrets: Sequence[str] = ()
    says: str = field(default="")
    """A part of what ``check`` says."""


class SourceContract:
    """Subclass with a fixture ``case`` that gives a SourceCase."""

    async def test_opens_and_closes_twice(self, case: SourceCase) -> None:
        """Two instances, one after the other, read the same."""
        assert await _read(case.make) == list(case.records)
        assert await _read(case.make) == list(case.records)

    async def test_closes_without_reading(self, case: SourceCase) -> None:
        """Opened and closed at once leaves nothing behind."""
        async with AsyncExitStack() as stack:
            await (await case.make(stack)).open(stack)
        _nothing_runs()

    async def test_cancelled_while_reading_leaves_nothing_behind(self, case: SourceCase) -> None:
        """A reader cancelled after its first batch closes, and the next one reads all."""
        started = asyncio.Event()

        async def read() -> None:
            async with AsyncExitStack() as stack:
                source = await case.make(stack)
                await source.open(stack)
                async for _ in source.read(None):
                    started.set()
                    await asyncio.Event().wait()

        task = asyncio.create_task(read())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        _nothing_runs()
        assert await _read(case.make) == list(case.records)

    async def test_batches_are_parallel(self, case: SourceCase) -> None:
        """Every record has its meta."""
        async with AsyncExitStack() as stack:
            source = await case.make(stack)
            await source.open(stack)
            async for batch in source.read(None):
                assert len(batch.records) == len(batch.meta)
                assert batch.positions is None or len(batch.positions) == len(batch.records)

    async def test_resumes_after_each_checkpoint(self, case: SourceCase) -> None:
        """Reading after a checkpoint gives exactly what came behind it."""
        seen = 0
        points: list[tuple[int, Any]] = []
        async with AsyncExitStack() as stack:
            source = await case.make(stack)
            await source.open(stack)
            async for batch in source.read(None):
                seen += len(batch.records)
                if batch.checkpoint is not None:
                    points.append((seen, batch.checkpoint))
                    await source.settled(batch.checkpoint)
        assert bool(points) == case.checkpoints, "checkpoints of its own"
        for count, point in points:
            assert await _read(case.make, point) == list(case.records)[count:], f"after {point}"

    async def test_secrets_do_not_show(self, case: SourceCase) -> None:
        """Neither repr nor error holds a secret."""
        await _secrets_hidden(case.make, case.broken, case.secrets, _drain)


class TargetContract:
    """Subclass with a fixture ``case`` that gives a TargetCase."""

    async def test_delivers(self, case: TargetCase) -> None:
        """What was written, flushed and finished has arrived, and the receipt says so."""
        receipt = await _write(case.make, case.good)
        assert (dict(receipt.rejected), dict(receipt.retry), dict(receipt.uncertain)) == ({}, {}, {})
        assert list(await case.arrived()) == list(case.expected)

    async def test_opens_and_closes_twice(self, case: TargetCase) -> None:
        """Two instances, one after the other, open and close without writing."""
        for _ in range(2):
            async with AsyncExitStack() as stack:
                await (await case.make(stack)).open(stack)
        _nothing_runs()

    async def test_cancelled_while_writing_leaves_nothing_behind(self, case: TargetCase) -> None:
        """A writer cancelled in the middle closes, and the next one can write."""

        async def write() -> None:
            await _write(case.make, case.good)

        for turns in (1, 3, 10):
            task = asyncio.create_task(write())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            _nothing_runs()
        await _write(case.make, case.good)

    async def test_says_what_was_refused(self, case: TargetCase) -> None:
        """A refused record is in the receipt with a reason, or the whole load is refused."""
        if case.bad is None:
            pytest.skip("the system has no way to refuse")
        receipt, error = await _outcome(_write(case.make, case.bad))
        if error is None:
            assert receipt.rejected.get(0), receipt
        else:
            assert (error.code, bool(str(error))) == ("refused", True), repr(error)

    async def test_takes_up_its_own_progress(self, case: TargetCase) -> None:
        """What ``progress`` gives, ``resume`` takes."""
        async with AsyncExitStack() as stack:
            target = await case.make(stack)
            await target.open(stack)
            await target.resume(None)
            await target.write(case.good)
            await target.flush()
            progress = target.progress()
        async with AsyncExitStack() as stack:
            target = await case.make(stack)
            await target.open(stack)
            await target.resume(progress)
            assert target.progress() == progress

    async def test_secrets_do_not_show(self, case: TargetCase) -> None:
        """Neither repr nor error holds a secret."""

        async def use(target: Any) -> None:
            await target.resume(None)
            await target.write(case.good)

        await _secrets_hidden(case.make, case.broken, case.secrets, use)


class ConnectionContract:
    """Subclass with a fixture ``case`` that gives a ConnectionCase."""

    async def test_opens_and_closes_twice(self, case: ConnectionCase) -> None:
        """Two instances, one after the other, open and close."""
        for _ in range(2):
            async with AsyncExitStack() as stack:
                await (await case.make(stack)).open(stack)
        _nothing_runs()

    async def test_check_says_one_line(self, case: ConnectionCase) -> None:
        """The real system answers, and one line tells it."""
        async with AsyncExitStack() as stack:
            connection = await case.make(stack)
            await connection.open(stack)
            line = await connection.check()
        assert line
        assert "\n" not in line
        assert case.says in line

    async def test_secrets_do_not_show(self, case: ConnectionCase) -> None:
        """A connection that cannot work says so, without its secrets."""

        async def use(connection: Any) -> None:
            await connection.check()

        await _secrets_hidden(case.make, case.broken, case.secrets, use)


async def _read(make: Make, after: Any = None) -> list[Any]:
    async with AsyncExitStack() as stack:
        source = await make(stack)
        await source.open(stack)
        return [record async for batch in source.read(after) for record in batch.records]


async def _drain(source: Any) -> None:
    async for _ in source.read(None):
        pass


async def _write(make: Make, load: Outgoing) -> Any:
    async with AsyncExitStack() as stack:
        target = await make(stack)
        await target.open(stack)
        await target.resume(None)
        receipt = await target.write(load)
        await target.flush()
        await target.finish()
        return receipt


async def _secrets_hidden(make: Make, broken: Make | None, secrets: Sequence[str], use: Any) -> None:
    async with AsyncExitStack() as stack:
        thing = await make(stack)
        await thing.open(stack)
        texts = [repr(thing), str(thing), repr(getattr(thing, "context", ""))]
    if broken is not None:
        error = (await _outcome(_use(broken, use)))[1]
        assert error is not None, "it should have failed"
        assert str(error), "an error says what happened"
        texts += _chain(error)
    for secret in secrets:
        assert [text for text in texts if secret in text] == [], "a secret shows"


async def _use(make: Make, use: Any) -> None:
    async with AsyncExitStack() as stack:
        thing = await make(stack)
        await thing.open(stack)
        await use(thing)


async def _outcome(call: Awaitable[Any]) -> tuple[Any, Any]:
    try:
        return await call, None
    except (ConnectorError, RecordError) as error:
        return None, error


def _chain(error: BaseException | None) -> list[str]:
    """Return the texts of an error and of what caused it."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    return texts


def _nothing_runs() -> None:
    """No task that the engine or a connector started is left; a test's own server may have some."""
    ours = tuple(str(ROOT / folder) for folder in ("engine", "connectors"))
    codes = [(task, getattr(task.get_coro(), "cr_code", None)) for task in asyncio.all_tasks()]
    assert [task for task, code in codes if code and code.co_filename.startswith(ours)] == [], "tasks are left"
