"""What goes over the control socket, as lines of JSON: requests, events, results and errors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from engine import codec
from engine.errors import (
    ConnectorError,
    DefinitionError,
    Disconnected,
    EngineError,
    LeaseLost,
    Misconfigured,
    Problem,
    Rejected,
    StoreError,
    StoreFailed,
    StoreFull,
    Transient,
    Unavailable,
    Uncertain,
)
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
    RunFinished,
    RunStarted,
    Settled,
    Skipped,
)

REQUEST: Final = 16 << 20
"""Bytes of a request's line: a dead letter's record may be large."""
ANSWER: Final = 64 << 20
"""Bytes of any line that comes back."""

_EVENTS: Final[Mapping[str, type[Event]]] = {
    one.__name__: one
    for one in (
        RunStarted, BatchRead, BatchDelivered, CallRetried, CircuitChanged, Settled, Noted, RunFinished, LaneHeld,
        PromiseChanged, LaneFreed, Fired, Skipped,
    )
}  # fmt: skip
_ERRORS: Final[Mapping[str, type[EngineError]]] = {
    one.__name__: one
    for one in (
        Unavailable, StoreError, LeaseLost, StoreFull, StoreFailed, ConnectorError, Disconnected, Transient, Rejected,
        Misconfigured, Uncertain,
    )
}  # fmt: skip


def write(message: Mapping[str, Any]) -> bytes:
    """Write a message as one line. Raises TypeError, ValueError for what is not plain data."""
    return codec.encode(message).encode("utf-8", "surrogatepass") + b"\n"


def read(line: bytes) -> dict[str, Any]:
    """Read what ``write`` wrote. Raises ValueError for anything else."""
    try:
        message = codec.decode(line.decode("utf-8", "surrogatepass"))
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message


def event_out(event: Event) -> dict[str, Any]:
    """Write an event."""
    return {"event": type(event).__name__, "of": {one.name: getattr(event, one.name) for one in fields(event)}}


def event_in(message: Mapping[str, Any]) -> Event | None:
    """Read an event; None for one that this side does not know."""
    kind = _EVENTS.get(message["event"])
    if kind is None:
        return None
    written = dict(message["of"])
    for one in fields(kind):  # JSON knows lists only
        if str(one.type).startswith("tuple") and one.name in written:
            written[one.name] = tuple(written[one.name])
    return kind(**written)


def error_out(error: EngineError) -> dict[str, Any]:
    """Write an error: its kind decides the exit code on the other side."""
    kind = next((name.__name__ for name in type(error).__mro__ if name.__name__ in _ERRORS), "EngineError")
    said: dict[str, Any] = {"kind": kind, "message": str(error) or type(error).__name__}
    if isinstance(error, DefinitionError):
        problems = [{one.name: getattr(problem, one.name) for one in fields(problem)} for problem in error.problems]
        said |= {"kind": "DefinitionError", "problems": problems}
    return {"error": said}


def error_in(said: Mapping[str, Any]) -> EngineError:
    """Read an error."""
    if said["kind"] == "DefinitionError":
        return DefinitionError([Problem(**problem) for problem in said["problems"]])
    return _ERRORS.get(said["kind"], EngineError)(said["message"])
