"""The console target."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest

from connectors import console
from connectors.console import ConsoleTarget
from engine.connector import Context
from engine.errors import Disconnected, RecordError
from engine.record import Outgoing
from tests.connectors.contract import SchemaContract, TargetCase, TargetContract


def load(records: Sequence[Any]) -> Outgoing:
    return Outgoing(records, [None] * len(records), [{"n": n} for n in range(len(records))], records)


class TestConsoleContract(TargetContract):
    @pytest.fixture
    def case(self) -> TargetCase:
        streams: list[io.StringIO] = []

        async def make(stack: AsyncExitStack) -> ConsoleTarget:
            target = ConsoleTarget(Context("p"))
            streams.append(io.StringIO())
            target.stream = streams[-1]
            return target

        async def arrived() -> Sequence[str]:
            return streams[-1].getvalue().splitlines()

        return TargetCase(make, load([{"a": "é"}, 1]), arrived, ['{"a":"é"}', "1"], load([{"a": float("nan")}, 2]))


class TestConsoleSchema(SchemaContract):
    connector = console.CONNECTOR


async def test_records_are_printed_with_their_digits(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard output as it is at the time of printing."""
    await ConsoleTarget(Context("p")).write(load([{"a": Decimal("1.10"), "b": 2**70}, None]))
    assert capsys.readouterr().out == '{"a":1.10,"b":1180591620717411303424}\nnull\n'


async def test_a_template_makes_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    def text(names: Any) -> Any:
        if names["record"] == 2:
            raise RecordError("undefined", "no")
        return f"{names['params']['p']}-{names['record']}-{names['meta']['n']}" if names["record"] else {"n": None}

    target = ConsoleTarget(Context("p", names={"params": {"p": "x"}}), text=text)
    receipt = await target.write(load([0, 1, 2]))
    assert capsys.readouterr().out == '{"n":null}\nx-1-1\n'
    assert receipt.rejected == {2: "no"}


async def test_a_closed_pipe_is_disconnected() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    target = ConsoleTarget(Context("p"))
    target.stream = Closed()
    with pytest.raises(Disconnected, match="standard output was closed"):
        await target.write(load([1]))
