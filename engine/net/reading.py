"""Turns answers into records: whole JSON documents, or lines as they stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from engine.connector import Expression
from engine.errors import Misconfigured, RecordError
from engine.net.jsontext import NotJson, decode
from engine.net.stream import Stream

_RECORDS = 100
_BYTES = 1024 * 1024


def rows(records: Expression | None, document: Any, what: str) -> list[Any]:
    """Find the list of records in an answer; one object is one record. Raises Misconfigured."""
    try:
        found = records(document) if records else document
    except RecordError as error:
        raise Misconfigured(f"{what}: records: {error.message}") from None
    if isinstance(found, list):
        return found
    if isinstance(found, dict):
        return [found]
    if found is None:
        raise Misconfigured(
            f"{what}, and there is nothing at `records` in it; if that is how it says 'none', write: … || `[]`"
        )
    raise Misconfigured(f"{what}, and at `records` there is neither a list nor an object")


async def lines(stream: Stream, limit: int, *, exact: bool) -> AsyncIterator[list[Any]]:
    """Yield the records of a JSON Lines answer in lists of bounded size. Raises ConnectorError."""
    records: list[Any] = []
    size = 0
    number = 0
    async for line in _split(stream, limit):
        number += 1
        if not line.strip():
            continue
        try:
            records.append(decode(line, exact=exact))
        except NotJson as error:
            raise Misconfigured(f"{stream.what}, and line {number} is not JSON: {error}") from None
        size += len(line)
        if len(records) >= _RECORDS or size >= _BYTES:
            yield records
            records, size = [], 0
    if records:
        yield records


async def _split(stream: Stream, limit: int) -> AsyncIterator[bytes]:
    rest: list[bytes] = []
    held = 0
    async for piece in stream.pieces():
        *whole, last = piece.split(b"\n")
        for line in whole:
            yield b"".join([*rest, line])
            rest, held = [], 0
        rest.append(last)
        held += len(last)
        if held > limit:
            raise stream.too_large(f"a line of it is larger than {limit} bytes")
    if held:
        yield b"".join(rest)
