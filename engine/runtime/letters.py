"""From a lost record to a dead letter: what is kept, and what its reason may show."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from engine import codec
from engine.pipeline import Pipeline
from engine.runtime.prepare import Lost
from engine.store.base import DeadLetter


@dataclass(frozen=True, slots=True)
class Letters:
    """Writes the dead letters of one run; *redact* masks the engine's secrets in a text."""

    pipeline: Pipeline
    run: str
    new_id: Callable[[], str]
    redact: Callable[[str], str]

    def write(self, lost: Lost) -> DeadLetter:
        """Make the dead letter. The record stays whole, for the replay; its sensitive values leave the reason."""
        return DeadLetter(
            id=self.new_id(),
            pipeline=self.pipeline.name,
            run=self.run,
            code=lost.failure.code,
            message=self.reason(lost),
            where=lost.failure.where or (lost.target or ""),
            record=lost.record,
            entry=lost.enter,
            target=lost.target,
            mapped=lost.mapped,
            key=lost.key,
            meta=dict(lost.meta),
            attempts=lost.attempts,
            identity=self._identity(lost),
        )

    def reason(self, lost: Lost) -> str:
        """Return the message without secrets and without the record's sensitive values."""
        text = self.redact(lost.failure.message)
        hidden = set(_hidden(lost.input, self.pipeline.mask(lost.input)))
        if lost.target is not None and lost.mapped is not None:
            hidden |= set(_hidden(lost.mapped, self.pipeline.mask_sent(lost.target, lost.mapped)))
        for value in sorted(hidden, key=len, reverse=True):
            text = text.replace(value, "***")
        return text

    def _identity(self, lost: Lost) -> str | None:
        """Tell a repeat of the same refusal from another: only where sending twice is once in effect."""
        if lost.key is None:
            return None
        body = codec.encode([lost.target, lost.key, lost.enter, lost.record])
        return hashlib.sha256(body.encode()).hexdigest()[:32]


def _hidden(value: Any, masked: Any) -> Iterator[str]:
    """Yield the texts that masking took out."""
    if value is masked:
        return
    if isinstance(value, dict) and isinstance(masked, dict):
        for key, item in value.items():
            yield from _hidden(item, masked.get(key))
    elif isinstance(value, list) and isinstance(masked, list):
        for item, other in zip(value, masked, strict=False):
            yield from _hidden(item, other)
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
