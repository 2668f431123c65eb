"""One write to one target: tried, split and given up as ``decide`` says, until every record is taken or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.connector import Target
from engine.errors import CircuitOpen, ConnectorError, Transient, Uncertain
from engine.record import Outgoing, Receipt
from engine.runtime.connections import Line
from engine.runtime.decide import Decision, Situation, decide
from engine.runtime.parking import Parking
from engine.runtime.patience import Patience


class Refusal(NamedTuple):
    """Why a target did not take a record."""

    code: str
    reason: str
    attempts: int


class Delivered(NamedTuple):
    """How a write ended: what is neither refused nor parked was taken."""

    refused: dict[int, Refusal]
    attempts: int
    parked: frozenset[int] = frozenset()
    """Indexes that are put aside, durably, until their target is back."""


@dataclass(slots=True)
class Delivery:
    """Delivers to *target* through *line*."""

    target: Target
    line: Line
    keyed: bool
    random: Callable[[], float]
    note: Callable[[str, str, str], None]
    cover: Callable[[str, Outgoing], str] = lambda text, load: text
    """Takes out of a text what nobody shall read of the records it speaks of."""
    patience: Patience | None = None
    """Accepted work waits; None: the run fails."""
    parking: Parking | None = None
    """Accepted work whose other targets shall not wait is put aside here."""

    async def deliver(self, load: Outgoing) -> Delivered:
        """Deliver all of *load*. Raises ConnectorError or CircuitOpen when the run must end; nothing more was sent."""
        if self.parking is not None and await self._behind(self.parking, len(load.records)):
            return Delivered({}, 0, frozenset(range(len(load.records))))
        refused: dict[int, Refusal] = {}
        indexes: Sequence[int] = range(len(load.records))
        attempt = 1
        while True:
            part = load if len(indexes) == len(load.records) else pick(load, indexes)
            decision = await self._try(part, attempt, answered=part is not load)
            if decision.fail is not None:
                if self.patience is None:
                    raise decision.fail
                decision = decision._replace(refuse={**decision.refuse, **self._given_up(decision, part)})
            for index, (code, reason) in decision.refuse.items():
                refused[indexes[index]] = Refusal(code, reason, attempt)
            if decision.split:
                return await self._halves(part, indexes, refused, attempt)
            indexes = [indexes[index] for index in decision.again if index not in decision.refuse]
            if not indexes:
                if self.patience is not None and not decision.fail:
                    self.patience.over()
                return Delivered(refused, attempt)
            if decision.fail is None:
                await self.line.pause(attempt, decision.wait, decision.why, decision.asked)
            elif self.parking is not None and self.parking.room(len(indexes)):
                return Delivered(refused, attempt, frozenset(indexes))
            elif self.patience is not None:
                await self.patience.wait(decision.fail, attempt)
            attempt += 1

    async def _behind(self, parking: Parking, count: int) -> bool:
        """Tell whether so many must wait behind what is parked; return when they may. Raises Stopped."""
        attempt = 0
        while not parking.room(count):
            attempt += 1
            assert self.patience is not None
            await self.patience.wait(Transient(f"{parking.waiting} records are parked for it already"), attempt)
        if attempt and self.patience is not None:
            self.patience.over()
        return parking.waiting > 0

    def _given_up(self, decision: Decision, part: Outgoing) -> dict[int, tuple[str, str]]:
        """Say what of accepted work is sent no more: what may be stored already, and what is too old."""
        assert self.patience is not None
        doubtful = {index: (Uncertain.code, str(decision.fail)) for index in decision.doubtful}
        waited = {index: why for index, why in self.patience.expired(part.metas).items() if index in decision.again}
        return {**waited, **doubtful}

    async def _try(self, part: Outgoing, attempt: int, *, answered: bool) -> Decision:
        outcome: Receipt | ConnectorError | CircuitOpen
        try:
            outcome = await self.line.once(lambda: self.target.write(part))
        except (ConnectorError, CircuitOpen) as error:
            outcome = error
        else:
            for warning in outcome.warnings:
                self.note("warning", "unknown-item", self.cover(warning, part))
        policy = self.line.policy
        situation = Situation(
            outcome,
            len(part.records),
            attempt,
            policy.retry,
            policy.retry_written,
            self.keyed,
            self.target.atomic,
            self.random(),
            answered,
        )
        decision = decide(situation)
        if isinstance(decision.fail, ConnectorError):
            decision.fail.args = (self.cover(str(decision.fail), part),)
        return decision._replace(why=self.cover(decision.why, part)) if decision.why else decision

    async def _halves(
        self, part: Outgoing, indexes: Sequence[int], refused: dict[int, Refusal], attempt: int
    ) -> Delivered:
        middle = len(indexes) // 2
        parked: set[int] = set()
        for half in (range(middle), range(middle, len(indexes))):
            ended = await self.deliver(pick(part, half))
            refused |= {indexes[half[index]]: refusal for index, refusal in ended.refused.items()}
            parked |= {indexes[half[index]] for index in ended.parked}
            attempt = max(attempt, ended.attempts)
        return Delivered(refused, attempt, frozenset(parked))


def pick(load: Outgoing, indexes: Sequence[int]) -> Outgoing:
    """Return the part of *load* at *indexes*."""
    columns: list[list[Any]] = [[column[index] for index in indexes] for column in load]
    return Outgoing(*columns)
