"""A dry run: reads and maps, opens no target, writes nothing, shows what would be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from engine.pipeline import Frame, Pipeline
from engine.runtime.prepare import Lost, Portion, Prepared, prepare
from engine.runtime.reader import Chunk
from engine.runtime.request import Preview
from engine.runtime.tally import Tally

MOST = 1000
"""Records shown; the rest is only counted."""


async def preview(
    pipeline: Pipeline,
    chunks: AsyncIterator[Chunk],
    frame: Callable[[], Frame],
    tally: Tally,
    reason: Callable[[Lost], str],
) -> list[Preview]:
    """Read everything; return masked previews in the order of the source. *reason* says why one is lost, masked."""
    shown: list[Preview] = []
    async for chunk in chunks:
        prepared = prepare(pipeline, chunk, frame())
        tally.read += len(chunk.records)
        tally.dropped.update(prepared.dropped)
        for lost in prepared.lost:
            tally.refuse(lost.failure.code, reason(lost), kept=False)
        found = [*_lost(pipeline, prepared, reason)]
        for target, portion in prepared.portions.items():
            tally.sent[target] += len(portion.keys)
            found += _sent(pipeline, target, portion)
        shown += [item for _, item in sorted(found, key=lambda pair: pair[0])][: MOST - len(shown)]
    return shown


def _lost(pipeline: Pipeline, prepared: Prepared, reason: Callable[[Lost], str]) -> list[tuple[int, Preview]]:
    return [
        (
            lost.origin,
            Preview(
                pipeline.mask(lost.input),
                lost.meta,
                lost.target,
                None,
                lost.key,
                f"{lost.failure.code}: {reason(lost)}",
            ),
        )
        for lost in prepared.lost
    ]


def _sent(pipeline: Pipeline, target: str, portion: Portion) -> list[tuple[int, Preview]]:
    flow = portion.flow
    return [
        (
            flow.origin[index],
            Preview(
                pipeline.mask(flow.inputs[index]),
                flow.metas[index],
                target,
                pipeline.mask_sent(target, record),
                portion.keys[index],
            ),
        )
        for index, record in enumerate(flow.records[:MOST])
    ]
