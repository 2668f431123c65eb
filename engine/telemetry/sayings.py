"""What a serving engine says of everything that happens: level, code, words, and fields for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from engine.errors import Problem
from engine.events import (
    BatchDelivered,
    CircuitChanged,
    Event,
    Fired,
    LaneFreed,
    LaneHeld,
    PromiseChanged,
    Reloaded,
    ReloadFailed,
    RunFinished,
    Settled,
    Skipped,
    StoreChanged,
    Told,
    WebhookAnswered,
)
from engine.telemetry.runlog import log_line
from engine.telemetry.words import count, duration

_PROBLEMS: Final = 20
_NAMES: Final = 5
_GOOD: Final = frozenset({"accepted", "duplicate", "replied", "challenge"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KEEPS: Final = "what was loaded before keeps running"


class Said(NamedTuple):
    """One line to be."""

    level: str
    code: str
    message: str
    pipeline: str = ""
    run: str = ""
    about: str = ""
    """For people, where there is no pipeline: ``reload``, ``store`` …"""
    more: Mapping[str, Any] = {}


def say(told: Told, session: bool = False) -> Iterator[Said]:
    """Put into words what was told; of a *session* also what it sends."""
    match told:
        case WebhookAnswered():
            yield from _answered(told)
        case PromiseChanged():
            yield from _promise(told)
        case Reloaded():
            yield from _reloaded(told)
        case ReloadFailed():
            yield from _reload_failed(told)
        case StoreChanged():
            yield _store(told)
        case _:
            yield from _event(told, session)


def _event(told: Event, session: bool) -> Iterator[Said]:
    made = _served(told)
    if made is None:
        line = log_line(told, _EPOCH)
        if line is None:
            return
        level = "info" if session and isinstance(told, BatchDelivered) else line.level
        made = Said(level, line.code, line.message)
    yield made._replace(pipeline=told.pipeline, run=told.run, about="" if told.pipeline else "engine")


def _served(told: Event) -> Said | None:
    match told:
        case LaneHeld():
            lane = told.lane.removeprefix(f"{told.pipeline}/")
            about = f"{told.subject}: " if told.subject and told.subject not in told.reason else ""
            words = f"{lane} is held: {about}{told.reason or told.code}; what is accepted waits in order"
            return Said(
                "error", "lane-held", words, more={"lane": told.lane, "cause": told.code, "subject": told.subject}
            )
        case LaneFreed():
            lane = told.lane.removeprefix(f"{told.pipeline}/")
            return Said("info", "lane-freed", f"{lane} goes on", more={"lane": told.lane})
        case CircuitChanged():
            level = "error" if told.state == "open" else "info"
            words = f"{told.connection}: circuit breaker {told.state.replace('_', ' ')}"
            return Said(level, "circuit", words, more={"connection": told.connection, "state": told.state})
        case Fired():
            late = f", {duration(told.lag)} late" if told.lag >= 1 else ""
            more = {"trigger": told.trigger, "kind": told.kind, "slot": told.slot, "lag": round(told.lag, 3)}
            return Said("debug", "fired", f"{told.trigger} fired ({told.kind}){late}", more=more)
        case Skipped():
            return Said(
                "info", "skipped", f"{told.trigger} starts no run: {told.reason}", more={"trigger": told.trigger}
            )
        case Settled() if told.dead_letters:
            kept = count(told.dead_letters, "record")
            words = f"{kept} could not be delivered: engine dead-letters list --pipeline {told.pipeline}"
            return Said("warning", "dead-letters", words, more={"records": told.dead_letters})
        case RunFinished():
            return _finished(told)
        case _:
            return None


def _promise(told: PromiseChanged) -> Iterator[Said]:
    if told.reason:
        level = "error" if told.state == "broken" else "info"
        words = f"promise {told.promise} {told.state}: {told.reason}"
        more = {"promise": told.promise}
        yield Said(level, f"promise-{told.state}", words, told.pipeline, more=more)


def _finished(told: RunFinished) -> Said:
    summary = told.summary
    figures = {"read": summary.get("read", 0), "sent": sum((summary.get("sent") or {}).values())}
    figures |= {"dropped": sum((summary.get("dropped") or {}).values()), "rejected": summary.get("rejected", 0)}
    level = "error" if told.status in ("failed", "timed_out", "interrupted") else "info"
    level = "warning" if told.status == "partial" else level
    counted = "".join(f", {name} {number}" for name, number in figures.items() if number)
    error = summary.get("error") or {}
    why = f": {error['message']}" if error.get("message") else ""
    more = {"status": told.status, "seconds": told.seconds, **figures}
    if error:
        more |= {"error": error.get("code", ""), "where": error.get("where", "")}
    return Said(level, "finished", f"{told.status} in {duration(told.seconds)}{counted}{why}", more=more)


def _answered(told: WebhookAnswered) -> Iterator[Said]:
    good = told.outcome in _GOOD
    level = "info" if good else "error" if told.outcome == "failed" else "warning"
    client = f"   {told.client}" if told.client else ""
    if good:
        entry = f"   {told.id}" if told.id else ""
        words = f"{told.outcome}{entry}   {told.status}{client}   {duration(told.seconds)}"
    else:
        status = f" {told.status}" if told.status else ""
        why = f": {told.reason}" if told.reason else ""
        call = f"   {told.method} {told.path}" if told.path else ""
        words = f"refused{status} {told.outcome}{why}{call}   from {told.address}{client}"
    more = {
        "status": told.status, "method": told.method, "path": told.path, "address": told.address,
        "client": told.client, "entry": told.id, "reason": told.reason, "bytes": told.bytes,
        "seconds": round(told.seconds, 6),
    }  # fmt: skip
    kept = {name: value for name, value in more.items() if value not in ("", None)}
    for pipeline in told.pipelines or ("",):
        yield Said(level, told.outcome, words, pipeline, about="webhooks", more=kept)


def _reloaded(told: Reloaded) -> Iterator[Said]:
    changed = f", {len(told.changed)} new or changed ({_named(told.changed)})" if told.changed else ""
    removed = f", {len(told.removed)} removed ({_named(told.removed)})" if told.removed else ""
    words = f"{count(told.pipelines, 'pipeline')}{changed}{removed}, followed in {duration(told.seconds)}"
    more = {"changed": len(told.changed), "removed": len(told.removed), "seconds": told.seconds}
    yield Said("info", "reload", words, about="reload", more=more)
    if told.ignored:
        keys = ", ".join(told.ignored)
        words = f"engine.yaml: {keys} changed and needs a new start of engine serve"
        yield Said("warning", "needs-restart", words, about="reload", more={"keys": list(told.ignored)})


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")


def _reload_failed(told: ReloadFailed) -> Iterator[Said]:
    problems = [one for one in told.problems if one.severity == "error"] or list(told.problems)
    for problem in problems[:_PROBLEMS]:
        ending = f" ({_KEEPS})" if len(problems) == 1 else ""
        yield _problem(problem, ending)
    if len(problems) != 1:
        words = f"{count(len(problems), 'problem')} in the files; {_KEEPS}"
        yield Said("error", "reload-failed", words, about="reload", more={"problems": len(problems)})


def _problem(problem: Problem, ending: str) -> Said:
    hint = f"; {problem.hint}" if problem.hint else ""
    path = f" {problem.path}:" if problem.path else ""
    place = f"{problem.file}:{problem.line}:{problem.column}"
    words = f"{place} {problem.code}{path} {problem.message}{hint}{ending}"
    more = {"file": problem.file, "line": problem.line, "column": problem.column, "problem": problem.code}
    return Said("error", "reload-failed", words, about="reload", more=more)


def _store(told: StoreChanged) -> Said:
    words = {
        "ok": "the store has space and works again",
        "full": "the store is full: nothing is accepted until there is space",
        "failed": "the store failed: the engine ends",
    }[told.state]
    why = f": {told.reason}" if told.reason else ""
    code = "store" if told.state == "ok" else f"store-{told.state}"
    return Said("info" if told.state == "ok" else "error", code, words + why, about="store", more={"state": told.state})
