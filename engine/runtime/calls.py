"""Calls: does something in a remote system for each record, in order, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.connector import BaseTarget, Names, Operation
from engine.errors import RecordError, Uncertain
from engine.pipeline import CallPlan, Frame, Pipeline
from engine.record import TAKEN, Emission, Failure, Meta, Outgoing, Receipt, Record
from engine.redact import Redactor
from engine.runtime.connections import Line
from engine.runtime.delivery import Delivery
from engine.runtime.entries import Make
from engine.runtime.flock import Flock, discreet
from engine.runtime.letters import hidden


class _Doing(BaseTarget):
    """An operation in the shape of a target: what is decided about a write is decided about a call."""

    atomic = True

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self.names: Names = {}
        self.answer: Any = None

    async def write(self, load: Outgoing) -> Receipt:
        """Call once; the answer stays in ``answer``."""
        self.answer = await self._operation.call(self.names, load.keys[0])
        return TAKEN


@dataclass(slots=True)
class Calling:
    """A step ``call``, opened.

    A record that the remote refuses is rejected. Where no record can go on the error is raised, and what was called
    before for the same chunk is called again when it is read again.
    """

    plan: CallPlan
    operation: Operation
    line: Line
    mask: Callable[[Any], Any]
    note: Callable[[str, str, str], None]

    async def ask(
        self, records: Sequence[Record], metas: Sequence[Meta], inputs: Sequence[Record], frame: Frame
    ) -> Emission:
        """Call for each record. Raises ConnectorError, CircuitOpen, Stopped."""
        flock = Flock(self.plan, records, metas, inputs, frame)
        doing = _Doing(self.operation)
        keyed = self.plan.key is not None
        delivery = Delivery(doing, self.line, keyed, self.line.random, self.note, self._cover)
        for index in flock.concerned():
            try:
                await self._one(flock, index, doing, delivery)
            except RecordError as error:
                flock.fail(index, error)
        return flock.emission()

    async def _one(self, flock: Flock, index: int, doing: _Doing, delivery: Delivery) -> None:
        key = _key(self.plan, flock, index)
        doing.names = flock.names(index)
        try:
            ended = await delivery.deliver(
                Outgoing([flock.records[index]], [key], [flock.metas[index]], [flock.inputs[index]])
            )
        except Uncertain as error:
            if delivery.keyed or self.line.policy.retry_written:
                raise
            # nobody may do it again without being asked: this one record is for people to look at
            words = str(error).replace("give the target a `key`", "give the call a `key`")
            flock.fail(index, Failure(Uncertain.code, words))
            return
        refusal = ended.refused.get(0)
        if refusal is None:
            flock.put(index, doing.answer)
        else:
            flock.fail(index, Failure(refusal.code, refusal.reason))

    def _cover(self, text: str, load: Outgoing) -> str:
        return discreet(text, self.mask, *load.records, *load.inputs) if text else text


class Shown(NamedTuple):
    """A call that a dry run did not make."""

    input: Record
    meta: Meta
    key: str | None
    what: Any


@dataclass(slots=True)
class Showing:
    """A step ``call`` in a dry run: nothing is called, the answer is null."""

    plan: CallPlan
    operation: Operation
    mask: Callable[[Any], Any]
    shown: list[Shown] = field(default_factory=list)
    """What would have been called; who shows it empties it."""

    async def ask(
        self, records: Sequence[Record], metas: Sequence[Meta], inputs: Sequence[Record], frame: Frame
    ) -> Emission:
        """Note what would be called."""
        flock = Flock(self.plan, records, metas, inputs, frame)
        for index in flock.concerned():
            try:
                key = _key(self.plan, flock, index)
                what = self.operation.show(flock.names(index), key)
            except RecordError as error:
                flock.fail(index, error)
                continue
            record, given = records[index], inputs[index]
            secret = Redactor({*hidden(record, self.mask(record)), *hidden(given, self.mask(given))})
            self.shown.append(Shown(given, metas[index], key, secret(what)))
            flock.put(index, None)
        return flock.emission()


def calls(pipeline: Pipeline) -> bool:
    """Tell whether a pipeline has such a step: then what is read at once is small, for all of it may be repeated."""
    return any(isinstance(stage, CallPlan) for stage in pipeline.stages)


def apart(make: Make) -> Make:
    """Let every entry of a lane stand alone: what was called for one is not called again because the next one fails."""
    return lambda entries: (chunk for entry in entries for chunk in make([entry]))


def _key(plan: CallPlan, flock: Flock, index: int) -> str | None:
    if plan.key is None:
        return None
    return plan.key(flock.records[index], flock.metas[index], flock.inputs[index], flock.frame)
