"""What can go wrong, and where: the engine's errors and the problems of definitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Path = tuple[str | int, ...]
"""Where a node stands in a document: keys and list indexes from the root."""


class Place(NamedTuple):
    """A position in a text file, 1-based, counted in characters."""

    file: str
    line: int
    column: int


MAX_SAID = 500
"""Characters of each text of a problem."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a definition: its place, a stable code, the fact, and the remedy."""

    file: str
    line: int
    column: int
    code: str
    severity: Literal["error", "warning"]
    path: str
    message: str
    hint: str = ""
    fix: str = field(default="", compare=False)
    """What to write in place of the key or scalar that stands at the place, as YAML; empty: a person must decide."""

    def __post_init__(self) -> None:
        """Shorten what a hostile file made long: nobody reads it, and everybody who shows it pays."""
        if len(self.message) > MAX_SAID or len(self.hint) > MAX_SAID or len(self.path) > MAX_SAID:
            for name in ("path", "message", "hint"):
                text = getattr(self, name)
                if len(text) > MAX_SAID:
                    object.__setattr__(self, name, f"{text[: MAX_SAID - 1]}…")

    def __str__(self) -> str:
        """Render as one line a person and an editor can read."""
        path = f" {self.path}" if self.path else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}[{self.code}]{path}: {self.message}{hint}"


def dotted(path: Path) -> str:
    """Write a path as people read it: ``triggers[0].webhook.auth``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class EngineError(Exception):
    """Something the engine understands went wrong; the message says what and what to do."""


class DefinitionError(EngineError):
    """The definitions have problems; nothing ran."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Unavailable(EngineError):
    """Nothing ran because of what surrounds the engine: a locked store, a missing driver (exit code 3)."""


class RecordError(EngineError):
    """One record cannot go on: an expression, a type or a check failed.

    *code* is stable (``missing-field``, ``type``, ``check`` …), *where* is the dotted place in the definition.
    """

    def __init__(self, code: str, message: str, where: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where


class ConnectorError(EngineError):
    """A connector says what happened; only ``runtime.decide`` decides what follows."""

    code = "connector"
    where: str = ""
    """The connection it was said of; the engine fills it in."""


class Disconnected(ConnectorError):
    """The remote system was not reached; nothing was sent."""

    code = "disconnected"


class Transient(ConnectorError):
    """The remote system answered that it cannot now; *retry_after* is in seconds."""

    code = "transient"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(ConnectorError):
    """The remote system read what was sent and refuses it."""

    code = "refused"


class Misconfigured(ConnectorError):
    """Wrong credentials, an unknown table or path: trying again cannot help, people must."""

    code = "misconfigured"


class Uncertain(ConnectorError):
    """It was sent, and the answer was lost or does not say what became of it."""

    code = "uncertain"


class CircuitOpen(EngineError):
    """The connection's breaker is open; *until* is when it lets a call through, in monotonic seconds."""

    def __init__(self, connection: str, until: float) -> None:
        super().__init__(f"{connection}: the circuit breaker is open after repeated failures")
        self.connection = connection
        self.until = until


class StoreError(EngineError):
    """The store refused."""


class LeaseLost(StoreError):
    """Another owner has the lane; what was to be settled left no trace."""


class StoreFull(StoreError):
    """No space to write; nothing was changed, the same call may be made again."""


class StoreFailed(StoreError):
    """The disk or the file failed; the process must end and not try again."""
