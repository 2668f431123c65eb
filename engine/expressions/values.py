"""What the expression language is told, and what it says back: settings, issues, shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path as FilePath
from typing import Any, Literal, Protocol

from engine.errors import EngineError, Path, dotted

PIPELINE_NAMES = frozenset({"record", "params", "trigger", "run", "meta", "vars"})
"""What templates see in steps before the targets."""

TARGET_NAMES = PIPELINE_NAMES | {"input", "results"}
"""What templates see under a target; ``records`` too where there is a ``batch``."""

SOURCE_NAMES = frozenset({"params", "trigger", "run", "vars", "cursor"})
"""What templates see in the options of a source."""

ALL_NAMES = TARGET_NAMES | SOURCE_NAMES | {"records", "item"}


def _system_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Settings:
    """The static facts of one pipeline."""

    timezone: tzinfo = UTC
    """Reads times that have no offset."""
    missing: Literal["reject", "null"] = "reject"
    """What an absent step of a plain path does."""
    omit_null: bool = False
    """``compile_mapping`` leaves null fields out."""
    root: FilePath = FilePath()
    """The project's folder: where tables and schema files are."""
    roots: Sequence[FilePath] = ()
    """Further folders they may be in."""
    clock: Callable[[], datetime] = _system_clock
    """``now()`` where there is no frame: in templates and expressions of options."""


@dataclass(frozen=True, slots=True)
class Issue:
    """A mistake in an expression, found before anything runs."""

    code: str
    message: str
    hint: str
    path: Path
    """Absolute path of the node in the document."""
    offset: int | None = None
    """0-based, in characters of the node's text, where that is known."""
    severity: Literal["error", "warning"] = "error"
    fix: str = ""
    """What to write in place of the node's text, as YAML; empty: a person must decide."""


class Invalid(EngineError):
    """What was to be compiled has mistakes; the ``check_*`` functions find the same ones."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__("\n".join(describe(issue) for issue in issues))
        self.issues = tuple(issues)


def describe(issue: Issue) -> str:
    """Render an issue for people who have no file to point at."""
    place = f"{dotted(issue.path)}: " if issue.path else ""
    hint = f"; {issue.hint}" if issue.hint else ""
    return f"{place}{issue.message}{hint}"


class StepLike(Protocol):
    """The shape of ``engine.definition.model.Step``."""

    @property
    def kind(self) -> str:
        """``filter``, ``map`` …"""
        ...

    @property
    def body(self) -> Any:
        """What stands under the kind."""
        ...

    @property
    def path(self) -> Path:
        """Where *body* stands in the document."""
        ...


Names = Mapping[str, Any]
Template = Callable[[Names], Any]
Expression = Callable[[Any], Any]
