"""The log of a serving engine: aligned lines for people on a terminal, JSON lines for programs; never a bottleneck."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from engine.events import (
    BatchDelivered,
    BatchRead,
    CallRetried,
    CircuitChanged,
    Event,
    Fired,
    LaneFreed,
    LaneHeld,
    Noted,
    PromiseChanged,
    Reloaded,
    ReloadFailed,
    RunFinished,
    RunStarted,
    Settled,
    Skipped,
    StoreChanged,
    Told,
    WebhookAnswered,
)
from engine.telemetry.flood import Flood, Kind, Rest
from engine.telemetry.look import Look, Meaning
from engine.telemetry.runlog import RANK, Level
from engine.telemetry.sayings import Said, say

Later = Callable[[float, Callable[[], None]], object]
"""Calls after so many seconds: ``loop.call_later``."""

_MEANING: Final[dict[str, Meaning]] = {"debug": "detail", "error": "error", "warning": "warning"}
_NARROW, _WIDE = 16, 32
_SESSION: Final = "session"
_SESSIONS: Final = 10_000


class ServeLog:
    """Writes a line for what is told; of one kind and pipeline at most *most* a second, the rest is counted."""

    def __init__(
        self,
        write: Callable[[str], None],
        look: Look,
        *,
        redact: Callable[[str], str] = str,
        least: Level = "info",
        most: int = 10,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ticks: Callable[[], float] = time.monotonic,
        later: Later | None = None,
    ) -> None:
        """*later* writes what was held back in time; without it that waits for the next line, or ``close``."""
        self.redact = redact
        """May be replaced when secrets change."""
        self.lost = 0
        """Lines that could not be written."""
        self._write = write
        self._look = look
        self._least = RANK[least]
        self._clock = clock
        self._ticks = ticks
        self._later = later
        self._flood = Flood(most)
        self._width = _NARROW
        self._sessions: set[str] = set()
        self._waits = False

    def replace(self, names: Iterable[str]) -> None:
        """Align lines to the longest of these names of pipelines."""
        self._width = min(_WIDE, max([_NARROW, *map(len, names)]))

    def __call__(self, told: Told) -> None:
        """Write what it is worth."""
        session = self._follow(told)
        if self._silent(told, session):
            return
        now, kind = self._ticks(), _kind(told)
        self._rest(now)
        if self._flood.admit(kind, now):
            for said in say(told, session):
                self._flood.as_level(kind, said.level)
                self._line(said)
        else:
            self._wait()

    def close(self) -> None:
        """Write what is still held back."""
        self._rest(float("inf"))

    def _follow(self, told: Told) -> bool:
        """Tell whether this is of a session: those go on for long, so what they send is worth a line."""
        if isinstance(told, RunStarted):
            if told.note == _SESSION and len(self._sessions) < _SESSIONS:
                self._sessions.add(told.run)
        elif isinstance(told, RunFinished):
            self._sessions.discard(told.run)
        return isinstance(told, BatchDelivered) and told.run in self._sessions

    def _silent(self, told: Told, session: bool) -> bool:
        """Tell whether nothing will be said, before words are made."""
        if isinstance(told, Settled):
            return not told.dead_letters or self._least > RANK["warning"]
        if isinstance(told, BatchRead | Fired) or (isinstance(told, BatchDelivered) and not session):
            return self._least > RANK["debug"]
        return False

    # what was held back

    def _wait(self) -> None:
        if not self._waits and self._later is not None:
            self._waits = True
            self._later(self._flood.per, self._due)

    def _due(self) -> None:
        self._waits = False
        self._rest(self._ticks())
        if self._flood.holding:
            self._wait()

    def _rest(self, now: float) -> None:
        if self._flood.waits(now):
            for rest in self._flood.ended(now):
                self._line(_summed(rest))

    # how it looks

    def _line(self, said: Said) -> None:
        if RANK[said.level] < self._least:
            return
        at = self._clock()
        try:
            self._write(self._human(said, at) if self._look.terminal else self._json(said, at))
        except OSError:  # whoever read it is gone; the work goes on
            self.lost += 1

    def _human(self, said: Said, at: datetime) -> str:
        message = _one_line(self.redact(said.message))
        about = (said.pipeline or said.about).ljust(self._width)
        meaning = _MEANING.get(said.level)
        words = self._look.paint(message, meaning) if meaning else message
        code = self._look.paint(f" [{said.code}]", "detail") if said.level in ("warning", "error") else ""
        return f"{self._look.paint(f'{at.astimezone():%H:%M:%S}', 'detail')}  {about}  {words}{code}"

    def _json(self, said: Said, at: datetime) -> str:
        line: dict[str, Any] = {
            "time": at.astimezone(UTC).isoformat(timespec="milliseconds"),
            "level": said.level,
            "code": said.code,
        }
        if said.pipeline:
            line["pipeline"] = said.pipeline
        if said.run:
            line["run"] = said.run
        line["message"] = _whole(self.redact(said.message))
        for name, value in said.more.items():
            line[name] = _whole(self.redact(value)) if isinstance(value, str) else value
        return json.dumps(line, ensure_ascii=False, default=str)


def _kind(told: Told) -> Kind:
    """Sort lines so that a flood of one kind hides no other: a failed run never behind those that went well."""
    match told:
        case WebhookAnswered():
            return (told.pipelines[0] if told.pipelines else ""), told.outcome
        case Noted():
            return told.pipeline, told.code
        case RunFinished():
            return told.pipeline, f"run {told.status}"
        case CircuitChanged():
            return told.pipeline, f"circuit {told.state}"
        case PromiseChanged():
            return told.pipeline, f"promise {told.state}"
        case Event():
            return told.pipeline, _WORDS.get(type(told), type(told).__name__)
        case _:
            return "", _WORDS.get(type(told), type(told).__name__)


def _summed(rest: Rest) -> Said:
    pipeline, what = rest.kind
    about = "" if pipeline else "webhooks"
    words = f"and {rest.number} more {what}"
    return Said(rest.level, what.replace(" ", "-"), words, pipeline, "", about, {"more": rest.number})


_WORDS: Final[dict[type[Any], str]] = {
    BatchDelivered: "sent", BatchRead: "read", CallRetried: "retry", Fired: "fired", LaneFreed: "lane-freed",
    LaneHeld: "lane-held", RunStarted: "started", Settled: "dead-letters", Skipped: "skipped", Reloaded: "reload",
    ReloadFailed: "reload-failed", StoreChanged: "store",
}  # fmt: skip


def _one_line(text: str) -> str:
    """Let no line be forged, and no terminal be commanded, by what others wrote."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else " " if one.isspace() else "?" for one in text)


def _whole(text: str) -> str:
    """Give text that can be written: half of a surrogate pair cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
