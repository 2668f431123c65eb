"""From a lost record to a dead letter: what is kept, and what its reason may show."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine import codec
from engine.pipeline import Pipeline
from engine.record import Outgoing
from engine.redact import MASK, Redactor
from engine.runtime.prepare import Lost
from engine.runtime.storable import storable
from engine.store.base import DeadLetter


@dataclass(frozen=True, slots=True)
class Letters:
    """Writes the dead letters of one run; *redact* masks the engine's secrets in a text."""

    pipeline: Pipeline
    run: str
    new_id: Callable[[], str]
    redact: Callable[[str], str]

    def write(self, lost: Lost, reason: str) -> DeadLetter:
        """Make the dead letter, with its *reason* as ``reason`` gave it. The record stays whole, for the replay."""
        record, key = storable(lost.record), storable(lost.key)
        return DeadLetter(
            id=self.new_id(),
            pipeline=self.pipeline.name,
            run=self.run,
            code=lost.failure.code,
            message=reason,
            where=lost.failure.where or (lost.target or ""),
            record=record,
            entry=lost.enter,
            target=lost.target,
            mapped=storable(lost.mapped),
            key=key,
            meta=storable(dict(lost.meta)),
            attempts=lost.attempts,
            identity=None if key is None else _identity(lost, record, key),
        )

    def reason(self, lost: Lost) -> str:
        """Return the message without secrets and without the record's sensitive values."""
        values = set(hidden(lost.input, self.pipeline.mask(lost.input)))
        if lost.seen is not None and lost.seen is not lost.input:
            values |= set(hidden(lost.seen, self.pipeline.mask(lost.seen)))
        if lost.target is not None and lost.mapped is not None:
            values |= set(hidden(lost.mapped, self.pipeline.mask_sent(lost.target, lost.mapped)))
        return str(storable(covered(self.redact(lost.failure.message), values)))

    def covering(self, target: str) -> Callable[[str, Outgoing], str]:
        """Return ``cover`` for one target."""
        return partial(self.cover, target)

    def cover(self, target: str, text: str, load: Outgoing) -> str:
        """Return what *target* said of a write without secrets and without the sensitive values it may have echoed."""
        if not text:
            return text
        values: set[str] = set()
        for given, sent in zip(load.inputs, load.records, strict=True):
            values.update(hidden(given, self.pipeline.mask(given)))
            values.update(hidden(sent, self.pipeline.mask_sent(target, sent)))
        return covered(self.redact(text), values)


def _identity(lost: Lost, record: Any, key: str) -> str:
    """Tell a repeat of the same refusal from another: only where sending twice is once in effect."""
    body = codec.encode([lost.target, key, lost.enter, record])
    return hashlib.sha256(body.encode()).hexdigest()[:32]


def covered(text: str, values: Collection[str]) -> str:
    """Mask *values* in a text, in every form they take, and the begin of one where the text was cut off inside it."""
    if not values:
        return text
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, MASK)
    *parts, last = Redactor(values).text(text).split("…")
    return "…".join([*(_uncut(part, values) for part in parts), last])


def _uncut(text: str, values: Collection[str]) -> str:
    longest = max((_overlap(text, value) for value in values), default=0)
    return text[:-longest] + MASK if longest else text


def _overlap(text: str, value: str) -> int:
    """Count the characters at the end of *text* that *value* begins with, from four on."""
    return next((size for size in range(len(value) - 1, 3, -1) if text.endswith(value[:size])), 0)


def hidden(value: Any, masked: Any) -> Iterator[str]:
    """Yield the texts that masking took out."""
    if value is masked:
        return
    if isinstance(value, dict) and isinstance(masked, dict):
        for key, item in value.items():
            yield from hidden(item, masked.get(key))
    elif isinstance(value, list) and isinstance(masked, list):
        for item, other in zip(value, masked, strict=False):
            yield from hidden(item, other)
    elif value != masked and not isinstance(value, bool | None):
        yield from _leaves(value)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool) and len(str(value)) > 1:
        yield str(value)
