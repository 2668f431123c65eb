"""What both kinds of asking steps do with the records of a chunk: choose, name, place, account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.connector import Names
from engine.errors import RecordError
from engine.pipeline import AskPlan, Frame
from engine.record import Emission, Failure, Meta, Record
from engine.runtime.letters import covered, hidden


@dataclass(slots=True)
class Flock:
    """The records of one chunk on their way through an asking step."""

    plan: AskPlan
    records: Sequence[Record]
    metas: Sequence[Meta]
    inputs: Sequence[Record]
    frame: Frame
    failed: dict[int, Failure] = field(default_factory=dict)
    made: dict[int, Record] = field(default_factory=dict)
    """The records that changed."""

    def concerned(self) -> list[int]:
        """Return the indexes for which ``when`` holds and the step can be done."""
        return [index for index in range(len(self.records)) if self._concerns(index)]

    def _concerns(self, index: int) -> bool:
        record, when = self.records[index], self.plan.when
        try:
            if when is not None and not when(record, self.metas[index], self.inputs[index], self.frame):
                return False
            if self.plan.into and not isinstance(record, dict):
                raise RecordError("type", "into needs a record that is an object", self.plan.label)
        except RecordError as error:
            self.fail(index, error)
            return False
        return True

    def names(self, index: int) -> Names:
        """Return what templates see."""
        frame = self.frame
        return {
            "params": frame.params,
            "trigger": frame.trigger,
            "run": frame.run,
            "vars": frame.vars,
            "record": self.records[index],
            "input": self.inputs[index],
            "meta": self.metas[index],
            "_now": frame.now,
        }

    def fail(self, index: int, error: RecordError | Failure) -> None:
        """Say that a record cannot go on."""
        where = error.where or self.plan.label
        self.failed[index] = Failure(error.code, error.message, where)

    def put(self, index: int, value: Any) -> None:
        """Put *value* where ``into`` says."""
        if self.plan.into:
            try:
                self.made[index] = placed(self.records[index], self.plan.into, value)
            except RecordError as error:
                self.fail(index, error)

    def emission(self) -> Emission:
        """Return what became of them."""
        made, failed = self.made, self.failed
        if not failed:
            records = [made.get(index, record) for index, record in enumerate(self.records)] if made else self.records
            return Emission(records, range(len(self.records)), {}, {})
        kept = [index for index in range(len(self.records)) if index not in failed]
        return Emission([made.get(index, self.records[index]) for index in kept], kept, failed, {})


def placed(record: Any, path: tuple[str, ...], value: Any) -> Any:
    """Return a copy of *record* with *value* at *path*; objects on the way are made. Raises RecordError."""
    step, *rest = path
    if not rest:
        return {**record, step: value}
    inner = record.get(step)
    if inner is not None and not isinstance(inner, dict):
        raise RecordError("type", f"into cannot reach below '{step}': it is not an object")
    return {**record, step: placed(inner or {}, tuple(rest), value)}


def discreet(text: str, mask: Callable[[Any], Any], *records: Record) -> str:
    """Take the sensitive values of *records* out of what a remote system said."""
    return covered(text, {value for record in records for value in hidden(record, mask(record))})
