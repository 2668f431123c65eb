"""A dry run: reads and maps, opens no target, writes nothing, shows what would be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from engine.pipeline import Frame, Pipeline
from engine.runtime.asking import NOBODY, Asked
from engine.runtime.calls import Showing
from engine.runtime.prepare import Lost, Portion, Prepared, prepare
from engine.runtime.reader import Chunk
from engine.runtime.request import Preview
from engine.runtime.tally import Tally

MOST = 1000
"""Records shown; the rest is only counted."""


@dataclass(frozen=True, slots=True)
class Glass:
    """What a dry run looks through."""

    pipeline: Pipeline
    frame: Callable[[], Frame]
    reason: Callable[[Lost], str]
    """Says why a record is lost, masked."""
    asked: Mapping[str, Asked] = field(default_factory=lambda: NOBODY)
    """The steps that ask a remote system, by label; calls are only shown."""


async def preview(glass: Glass, chunks: AsyncIterator[Chunk], tally: Tally) -> list[Preview]:
    """Read everything; return masked previews in the order of the source."""
    pipeline, reason = glass.pipeline, glass.reason
    shown: list[Preview] = []
    async for chunk in chunks:
        prepared = await prepare(pipeline, chunk, glass.frame(), glass.asked)
        tally.read += len(chunk.records)
        tally.dropped.update(prepared.dropped)
        for lost in prepared.lost:
            tally.refuse(lost.failure.code, reason(lost), kept=False)
        found = [*_calls(glass, chunk), *_lost(pipeline, prepared, reason)]
        for target, portion in prepared.portions.items():
            tally.sent[target] += len(portion.keys)
            found += _sent(pipeline, target, portion)
        shown += [item for _, item in sorted(found, key=lambda pair: pair[0])][: MOST - len(shown)]
    return shown


def _calls(glass: Glass, chunk: Chunk) -> list[tuple[int, Preview]]:
    """Take what would have been called for the records of *chunk*."""
    origin = {id(record): index for index, record in enumerate(chunk.records)}
    found = []
    for label, step in glass.asked.items():
        if isinstance(step, Showing):
            found += [
                (
                    origin.get(id(one.input), 0),
                    Preview(glass.pipeline.mask(one.input), one.meta, label, one.what, one.key),
                )
                for one in step.shown
            ]
            step.shown.clear()
    return found


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
