"""From a chunk to what each target shall get: through the stages, to the targets that take it, mapped and keyed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.errors import RecordError
from engine.pipeline import AskPlan, CallPlan, Frame, LookupPlan, Pipeline, Stage, TargetPlan
from engine.record import Emission, Failure, Meta, Record
from engine.runtime.asking import NOBODY, Asked
from engine.runtime.picked import Picked
from engine.runtime.reader import Chunk

BEYOND = "end"
"""The label of the place after the last stage."""


class Flow(NamedTuple):
    """Records between two stages; all sequences are parallel."""

    records: Sequence[Record]
    metas: Sequence[Meta]
    inputs: Sequence[Record]
    """As the source gave each."""
    origin: Sequence[int]
    """The index in the chunk each came from; ascending."""
    entered: Sequence[Record]
    """Each as it stood at *enter*, where a replay goes in again."""
    enter: str


class Lost(NamedTuple):
    """A record that no target will see, or that a target refused."""

    origin: int
    failure: Failure
    record: Record
    enter: str
    meta: Meta
    input: Record
    target: str | None = None
    mapped: Any = None
    key: str | None = None
    attempts: int = 1
    seen: Record = None
    """As it stood where it failed: what was looked up may stand in the reason."""


class Portion(NamedTuple):
    """What one target gets of one chunk."""

    sequence: int
    flow: Flow
    keys: Sequence[str | None]


@dataclass(slots=True)
class Prepared:
    """A chunk after the stages."""

    portions: dict[str, Portion] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    positions: Sequence[int] = ()
    """The indexes in the chunk that were not dropped, ascending."""
    rest: Sequence[Record] = ()
    """What came out, of a pipeline without targets."""


async def prepare(pipeline: Pipeline, chunk: Chunk, frame: Frame, asked: Mapping[str, Asked] = NOBODY) -> Prepared:
    """Run the stages and route; *asked* are the opened asking steps, by label.

    Raises ConnectorError, CircuitOpen, Stopped where an asking step cannot go on; without one, awaits nothing.
    """
    done = Prepared()
    records = chunk.records
    flow = Flow(records, chunk.metas, records, range(len(records)), records, chunk.enter)
    gone = chunk.failure or _gone(pipeline, chunk)
    if gone is not None:
        done.lost = [_lost(flow, index, gone, chunk.only) for index in flow.origin]
        done.positions = flow.origin
        return done
    for place, stage in _from(pipeline.stages, chunk.enter):
        if isinstance(stage, LookupPlan | CallPlan):
            flow = await _asking(stage, asked[stage.label], flow, frame, done)
            if isinstance(stage, CallPlan):
                # nothing goes back before a call: its effect is done
                flow = flow._replace(entered=flow.records, enter=place)
        else:
            flow = _through(stage, flow, frame, place, done)
    kept = flow.origin if isinstance(flow.origin, range) else list(dict.fromkeys(flow.origin))
    done.positions = sorted({*kept, *(lost.origin for lost in done.lost)}) if done.lost else kept
    if not pipeline.targets:  # it answers its caller with them
        done.rest = flow.records
        return done
    _route(pipeline, chunk, flow, frame, done)
    return done


def _gone(pipeline: Pipeline, chunk: Chunk) -> Failure | None:
    """Tell why a replay cannot go in again where it failed; as a dead letter again, it holds nothing up."""
    if chunk.only is not None and chunk.only not in {plan.id for plan in pipeline.targets}:
        return Failure("place-gone", f"it was for the target '{chunk.only}', which this revision has not", "targets")
    if chunk.enter not in ("", BEYOND) and chunk.enter not in {stage.label for stage in pipeline.stages}:
        return Failure("place-gone", f"it failed behind a step that this revision has not: {chunk.enter}", chunk.enter)
    return None


def _from(stages: Sequence[Stage | AskPlan], enter: str) -> Iterable[tuple[str, Stage | AskPlan]]:
    """Yield the stages from *enter* on, each with the label of the place behind it."""
    labels = [stage.label for stage in stages]
    start = len(stages) if enter == BEYOND else labels.index(enter) if enter else 0
    behind = [*labels[1:], BEYOND]
    return list(zip(behind, stages, strict=False))[start:]


def _through(stage: Stage, flow: Flow, frame: Frame, behind: str, done: Prepared) -> Flow:
    out = stage.apply(flow.records, flow.metas, flow.records, frame)
    for index, failure in out.failed.items():
        done.lost.append(
            Lost(
                flow.origin[index],
                failure,
                flow.entered[index],
                flow.enter,
                flow.metas[index],
                flow.inputs[index],
                seen=flow.records[index],
            )
        )
    for place, count in out.dropped.items():
        done.dropped[place] = done.dropped.get(place, 0) + count
    after = _follow(flow, out)
    if len(out.records) > len(set(out.origin)):
        # one became several: a replay of one must not send its brothers again
        return after._replace(entered=out.records, enter=behind)
    return after


async def _asking(plan: AskPlan, asked: Asked, flow: Flow, frame: Frame, done: Prepared) -> Flow:
    """What fails here enters here again."""
    out = await asked.ask(flow.records, flow.metas, flow.inputs, frame)
    for index, failure in out.failed.items():
        done.lost.append(
            Lost(
                flow.origin[index],
                failure,
                flow.records[index],
                plan.label,
                flow.metas[index],
                flow.inputs[index],
                seen=flow.records[index],
            )
        )
    return _follow(flow, out)


def _follow(flow: Flow, out: Emission) -> Flow:
    """Carry along what belongs to each emitted record."""
    metas = out.metas
    if isinstance(out.origin, range) and len(out.origin) == len(flow.records):
        return flow._replace(records=out.records, metas=flow.metas if metas is None else metas)
    origin = out.origin
    before = flow.origin
    return Flow(
        out.records,
        Picked(flow.metas, origin) if metas is None else metas,
        Picked(flow.inputs, origin),
        origin if isinstance(before, range) else [before[i] for i in origin],
        Picked(flow.entered, origin),
        flow.enter,
    )


def _route(pipeline: Pipeline, chunk: Chunk, flow: Flow, frame: Frame, done: Prepared) -> None:
    taken: set[int] | None = set()
    """The indexes that a target takes, or whose ``when`` failed: told already."""
    for plan in pipeline.targets:
        if chunk.only is not None and plan.id != chunk.only:
            continue
        chosen = flow
        if plan.when is None or chunk.only is not None:
            taken = None
        else:
            indexes, failed = _select(plan, flow, frame, done)
            if taken is not None:
                taken.update(indexes, failed)
            chosen = _at(flow, indexes)
        done.portions[plan.id] = _portion(plan, chunk.sequence, chosen, frame, done)
    if taken is not None and len(taken) < len(flow.records):
        _unrouted(pipeline, flow, taken, done)


def _select(plan: TargetPlan, flow: Flow, frame: Frame, done: Prepared) -> tuple[list[int], list[int]]:
    assert plan.when is not None
    chosen, failed = [], []
    for index, record in enumerate(flow.records):
        try:
            if plan.when(record, flow.metas[index], flow.inputs[index], frame):
                chosen.append(index)
        except RecordError as error:
            done.lost.append(_lost(flow, index, _failure(error), plan.id))
            failed.append(index)
    return chosen, failed


def _portion(plan: TargetPlan, sequence: int, flow: Flow, frame: Frame, done: Prepared) -> Portion:
    if plan.stage is not None:
        out = plan.stage.apply(flow.records, flow.metas, flow.inputs, frame)
        done.lost += [_lost(flow, index, failure, plan.id) for index, failure in out.failed.items()]
        flow = _follow(flow, out)
    if plan.key is None:
        return Portion(sequence, flow, [None] * len(flow.records))
    keys: list[str | None] = []
    good: list[int] = []
    for index, record in enumerate(flow.records):
        try:
            keys.append(plan.key(record, flow.metas[index], flow.inputs[index], frame))
            good.append(index)
        except RecordError as error:
            done.lost.append(_lost(flow, index, _failure(error), plan.id, record))
    return Portion(sequence, flow if len(good) == len(flow.records) else _at(flow, good), keys)


def _unrouted(pipeline: Pipeline, flow: Flow, taken: set[int], done: Prepared) -> None:
    for index in range(len(flow.records)):
        if index in taken:
            continue
        if pipeline.unrouted == "drop":
            done.dropped["unrouted"] = done.dropped.get("unrouted", 0) + 1
        else:
            done.lost.append(_lost(flow, index, Failure("unrouted", "no target's `when` takes it", "targets"), None))


def _at(flow: Flow, indexes: Sequence[int]) -> Flow:
    records = [flow.records[i] for i in indexes]
    origin = [flow.origin[i] for i in indexes]
    columns = (Picked(column, indexes) for column in (flow.metas, flow.inputs, flow.entered))
    metas, inputs, entered = columns
    return Flow(records, metas, inputs, origin, entered, flow.enter)


def _lost(flow: Flow, index: int, failure: Failure, target: str | None, mapped: Any = None) -> Lost:
    return Lost(
        flow.origin[index],
        failure,
        flow.entered[index],
        flow.enter,
        flow.metas[index],
        flow.inputs[index],
        target,
        mapped,
        seen=flow.records[index],
    )


def _failure(error: RecordError) -> Failure:
    return Failure(error.code, error.message, error.where)
