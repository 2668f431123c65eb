"""What follows from what happened to a write: a table as a pure function. Nothing else in the engine decides this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.errors import CircuitOpen, ConnectorError, Disconnected, Misconfigured, Rejected, Transient, Uncertain
from engine.policy import Retry
from engine.record import Receipt

LONGEST_WAIT = 600.0
"""A remote that asks for a longer pause (seconds) ends a triggered run, which goes on from there the next time."""
OFTEN = 0.2
SELDOM = 15.0
"""Seconds between tries of accepted work, at least: where the target may be back, and where people must mend."""


class Situation(NamedTuple):
    """One try of a write."""

    outcome: Receipt | ConnectorError | CircuitOpen
    size: int
    """Records in the write."""
    attempt: int
    """1 for the first try."""
    retry: Retry
    retry_written: bool
    keyed: bool
    """Sending it again is once in effect."""
    atomic: bool
    random: float
    answered: bool = False
    """An earlier try of the same write brought an answer for its other records."""


class Decision(NamedTuple):
    """What to do; the parts do not overlap, and what is in none was taken."""

    refuse: Mapping[int, tuple[str, str]] = {}
    """Index → (code, reason)."""
    again: Sequence[int] = ()
    """Indexes to send again after *wait* seconds."""
    wait: float = 0.0
    why: str = ""
    asked: float | None = None
    """Seconds the remote itself asked for: they hold for all who use the connection."""
    split: bool = False
    """Deliver the two halves on their own."""
    fail: Exception | None = None
    """A triggered run ends with this; accepted work waits, and sends *again* later."""
    doubtful: Sequence[int] = ()
    """With *fail*: indexes that may be stored and must not be sent again."""


def decide(now: Situation) -> Decision:
    """Return what follows, as the table "What happens when it fails" of the language says."""
    outcome = now.outcome
    if isinstance(outcome, Receipt):
        return _receipt(now, outcome)
    if isinstance(outcome, Rejected):
        return _rejected(now, outcome)
    everything = range(now.size)
    if isinstance(outcome, Misconfigured | CircuitOpen):
        return Decision(again=everything, fail=outcome)
    if isinstance(outcome, Uncertain) and not (now.keyed or now.retry_written):
        return Decision(fail=_unsafe(str(outcome)), doubtful=everything)
    if isinstance(outcome, Disconnected | Transient | Uncertain):
        return _again(now, everything, outcome)
    return Decision(again=everything, fail=outcome)


def decide_read(outcome: ConnectorError, attempt: int, retry: Retry, random: float) -> float | None:
    """Return the seconds to wait before a read is tried again, or None to give up."""
    if isinstance(outcome, Rejected | Misconfigured) or attempt >= retry.attempts:
        return None
    wait = retry.delay(attempt, random, getattr(outcome, "retry_after", None))
    return wait if wait <= LONGEST_WAIT else None


def hold(error: Exception, attempt: int, retry: Retry, random: float, now: float) -> float:
    """Return the seconds until accepted work is tried again after *error*; *now* in monotonic seconds.

    An open breaker says itself when it lets a call through. What people must mend is looked at rarely.
    """
    if isinstance(error, CircuitOpen):
        return max(error.until - now, 0.01)
    wait = retry.delay(attempt, random, getattr(error, "retry_after", None))
    return max(wait, SELDOM) if isinstance(error, Misconfigured) else max(wait, OFTEN)


def _rejected(now: Situation, outcome: Rejected) -> Decision:
    if now.size == 1:
        return Decision(refuse={0: (Rejected.code, str(outcome))})
    if now.atomic or now.keyed or now.retry_written:
        return Decision(split=True, why=str(outcome))
    error = _unsafe(f"{outcome}; the batch was refused as a whole, and part of it may be stored")
    return Decision(fail=error, doubtful=range(now.size))


def _receipt(now: Situation, receipt: Receipt) -> Decision:
    refuse = {index: (Rejected.code, reason) for index, reason in receipt.rejected.items()}
    uncertain = receipt.uncertain
    if uncertain and not (now.keyed or now.retry_written):
        error: ConnectorError = _unsafe(next(iter(uncertain.values())))
        return Decision(refuse, again=sorted(receipt.retry), fail=error, doubtful=sorted(uncertain))
    again = sorted({**receipt.retry, **uncertain})
    if not again:
        return Decision(refuse)
    why = next(iter({**receipt.retry, **uncertain}.values()))
    some_answer = now.answered or len(again) < now.size
    if now.attempt >= now.retry.attempts and len(uncertain) == len(again) and some_answer:
        # the target is up and answered for the others: these few must not stop the pipeline for ever
        refuse |= {index: (Uncertain.code, reason) for index, reason in uncertain.items()}
        return Decision(refuse)
    error = Transient(why, receipt.retry_after) if receipt.retry else Uncertain(why)
    return _again(now, again, error)._replace(refuse=refuse)


def _again(now: Situation, indexes: Sequence[int], outcome: ConnectorError) -> Decision:
    if now.attempt >= now.retry.attempts:
        return Decision(again=indexes, fail=outcome)
    asked = getattr(outcome, "retry_after", None)
    if asked is not None and asked > LONGEST_WAIT:
        return Decision(again=indexes, fail=outcome)
    wait = now.retry.delay(now.attempt, now.random, asked)
    return Decision(again=indexes, wait=wait, why=str(outcome), asked=asked)


def _unsafe(reason: str) -> Uncertain:
    return Uncertain(f"{reason}; without a key it is not sent again: give the target a `key`, or write `retry`")
