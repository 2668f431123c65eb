"""Events as lines of a run's log: for the store, and for people on stderr."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

from engine.events import BatchDelivered, BatchRead, CallRetried, CircuitChanged, Event, Noted, RunFinished, RunStarted
from engine.telemetry.look import Look, Meaning
from engine.telemetry.words import duration, moment

Level = Literal["debug", "info", "warning", "error"]


class Line(NamedTuple):
    """The fields of the store's ``LogLine``, which this layer must not know: ``LogLine(*line)``."""

    run: str
    time: str
    level: str
    code: str
    message: str


RANK: Final = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_MEANING: Final[dict[str, Meaning]] = {"debug": "detail", "info": "detail", "warning": "warning", "error": "error"}


def log_line(event: Event, at: datetime) -> Line | None:
    """Say an event in one line; None for what has no line of its own."""
    said = _say(event)
    if said is None:
        return None
    level, code, message = said
    return Line(event.run, at.astimezone(UTC).isoformat(timespec="microseconds"), level, code, message)


def _say(event: Event) -> tuple[Level, str, str] | None:
    match event:
        case Noted():
            return event.level, event.code, event.message
        case RunStarted():
            begun = "resumed" if event.resumed else "started"
            note = f", {event.note}" if event.note else ""
            return "info", "started", f"{begun} ({event.trigger}){note}: {event.source} to {', '.join(event.targets)}"
        case RunFinished():
            level: Level = "error" if event.status in ("failed", "timed_out", "interrupted") else "info"
            return level, "finished", f"{event.status} in {duration(event.seconds)}{_error(event)}"
        case CallRetried():
            wait = duration(event.delay)
            text = f"{event.connection}: try {event.attempt} failed ({event.reason}), again in {wait}"
            return "info", "retry", text
        case CircuitChanged():
            level = "warning" if event.state == "open" else "info"
            return level, "circuit", f"{event.connection}: circuit breaker {event.state.replace('_', ' ')}"
        case _:
            return _batch(event)


def _batch(event: Event) -> tuple[Level, str, str] | None:
    match event:
        case BatchRead():
            dropped = sum(event.dropped.values())
            more = (f", dropped {dropped}" if dropped else "") + (f", rejected {event.failed}" if event.failed else "")
            return "debug", "read", f"read {event.records}{more}"
        case BatchDelivered():
            tries = f", {event.attempts} tries" if event.attempts > 1 else ""
            refused = f", rejected {event.rejected}" if event.rejected else ""
            return "debug", "sent", f"{event.target}: sent {event.sent}{refused} in {duration(event.seconds)}{tries}"
        case _:
            return None


def _error(event: RunFinished) -> str:
    error = event.summary.get("error")
    return f": {error['message']}" if error else ""


def human(line: Line, about: str, look: Look) -> str:
    """Write a log line for people: short and coloured on a terminal, complete elsewhere."""
    when = moment(line.time, None, seconds=True)
    code = f" [{line.code}]" if line.level in ("warning", "error") and line.code else ""
    if not look.terminal:
        return f"{when} {line.level:<7} {about}: {line.message}{code}"
    clock = when[11:19]
    words = look.paint(line.message, _MEANING[line.level])
    return f"{look.paint(clock, 'detail')}  {about}  {words}{look.paint(code, 'detail')}"


class Reporter:
    """An ``Emit`` that writes log lines of at least *least* for people."""

    def __init__(self, write: Callable[[str], None], look: Look, least: Level, clock: Callable[[], datetime]) -> None:
        self._write = write
        self._look = look
        self._least = RANK[least]
        self._clock = clock

    def __call__(self, event: Event) -> None:
        """Write *event* if it is worth a line."""
        # the run's end is told by its summary
        if isinstance(event, RunFinished):
            return
        said = _say(event)
        if said is None or RANK[said[0]] < self._least:
            return
        line = log_line(event, self._clock())
        if line is not None:
            self._write(human(line, event.pipeline, self._look))
