"""The inline source."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from connectors import inline
from connectors.inline import InlineSource
from engine.connector import Context
from tests.connectors.contract import SchemaContract, SourceCase, SourceContract

ROWS = [{"id": n} for n in range(600)]


class TestInlineContract(SourceContract):
    @pytest.fixture
    def case(self) -> SourceCase:
        async def make(stack: AsyncExitStack) -> InlineSource:
            return InlineSource(Context("p"), rows=ROWS)

        return SourceCase(make, records=ROWS)


class TestInlineSchema(SchemaContract):
    connector = inline.CONNECTOR


async def test_anything_may_be_a_row() -> None:
    batches = [batch async for batch in InlineSource(Context("p"), rows=[1, "a", None, [2]]).read(None)]
    assert [record for batch in batches for record in batch.records] == [1, "a", None, [2]]
