"""What the loader makes of valid YAML: typed, frozen values with the document they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.errors import Path as NodePath
from engine.errors import Place
from engine.policy import CircuitBreaker, RateLimit, Resilience


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a definition was written: the file, and the place of every node in it."""

    file: str
    places: Mapping[NodePath, Place]
    """By path, the place of the value; the place of a key stands under ``path + ("$key",)``."""
    revision: str
    """A hash of the document after variables, the same for equal content."""

    def place(self, path: NodePath) -> Place:
        """Return the nearest known place at or above *path*."""
        while path not in self.places and path:
            path = path[:-1]
        return self.places.get(path, Place(self.file, 1, 1))


@dataclass(frozen=True, slots=True)
class Use:
    """A connector at work: its name is the key, its options the value, ``connection`` taken out."""

    connector: str
    connection: str | None
    options: Mapping[str, Any]
    path: NodePath
    """Of the options in the document, such as ``("source", "sql")``."""
    values: Mapping[NodePath, Literal["template", "expression"]] = field(default_factory=dict)
    """The option paths (relative) the schema marks ``x-value``; their text is still to be compiled."""
    encoded: frozenset[NodePath] = frozenset()
    """Those of them marked ``x-encode: path``: what templates put in is percent-encoded."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where an incremental source resumes."""

    fields: tuple[str, ...]
    initial: Mapping[str, Any]
    lookback: float | None = None
    """Subtracted from the first field when binding: seconds where that is a time, else a number."""
    lookback_is_time: bool = False
    reset: Any = False
    """A boolean, or a template over ``params`` and ``trigger``."""


@dataclass(frozen=True, slots=True)
class Source:
    """``source:``."""

    use: Use
    cursor: Cursor | None = None
    circuit_breaker: CircuitBreaker | None = None
    """The pipeline's own, where the source names no connection."""


@dataclass(frozen=True, slots=True)
class Step:
    """One of ``steps``; the short form's ``filters`` and ``mapping`` become steps ``filter`` and ``map``."""

    kind: str
    body: Any
    path: NodePath
    """Of *body*, such as ``("steps", 0, "filter")`` or ``("filters", 0)``."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """Records gathered for one write; *wait* in seconds is the longest a record is held back for company."""

    size: int = 1
    wait: float | None = None
    written: bool = False


OnRejected = Literal["dead_letter", "drop", "fail"]


@dataclass(frozen=True, slots=True)
class Target:
    """``target:`` (its id is ``target``) or one of ``targets:``."""

    id: str
    use: Use
    path: NodePath
    when: Any = None
    mapping: Any = None
    """None: the record goes as it is."""
    batch: BatchSize = field(default_factory=BatchSize)
    key: Any = None
    on_rejected: OnRejected = "dead_letter"
    omit_null: bool = False
    resilience: Resilience = field(default_factory=Resilience)
    circuit_breaker: CircuitBreaker | None = None
    """The pipeline's own, where the target names no connection."""
    after: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PipelineDefinition:
    """A pipeline file that holds together."""

    name: str
    origin: Origin
    targets: tuple[Target, ...]
    source: Source | None = None
    steps: tuple[Step, ...] = ()
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    timezone: str = "UTC"
    time_limit: float | None = None
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    triggers: tuple[Mapping[str, Any], ...] = ()
    promises: tuple[Mapping[str, Any], ...] = ()
    concurrency: Mapping[str, Any] = field(default_factory=dict)
    missing: Literal["reject", "null"] = "reject"
    unrouted: Literal["reject", "drop"] = "reject"
    resilience: Resilience = field(default_factory=Resilience)
    """The pipeline's own, for the source; each target carries its merged own."""


@dataclass(frozen=True, slots=True)
class ConnectionDefinition:
    """One of ``connections:``."""

    name: str
    origin: Origin
    use: Use
    circuit_breaker: CircuitBreaker | None = None
    rate_limit: RateLimit | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """An integrator's folder, loaded."""

    root: Path
    pipelines: Mapping[str, PipelineDefinition]
    connections: Mapping[str, ConnectionDefinition]
    settings: Mapping[str, Any]
    """``engine.yaml`` with its defaults and ENGINE_* applied."""
    secrets: frozenset[str]
    """Every value that came from ``${secret:…}`` or stands in an option marked ``x-secret``: to be masked by value."""
    files: int = 0
    drafts: tuple[PipelineDefinition, ...] = ()
    """What is right in pipelines that have problems: for finding further ones, never to be run."""
