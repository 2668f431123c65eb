"""What the loader makes of valid YAML: typed, frozen values with the document they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from engine.errors import Path as NodePath
from engine.errors import Place, Problem, dotted
from engine.policy import CircuitBreaker, RateLimit, Resilience


@dataclass(frozen=True, slots=True)
class Instance:
    """Which row of a ``for_each`` made a definition."""

    template: str
    """``press`` of ``press[p-07]``."""
    key: str
    each: tuple[NodePath, ...]
    """Where the row's values stand; one object for all instances of a template."""
    table: str
    """The file of rows; empty: the definition's own, at *item*."""
    line: int
    item: NodePath = ()

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.template}[{self.key}]"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a definition was written: the file, and the place of every node in it."""

    file: str
    places: Mapping[NodePath, Place]
    """By path, the place of the value; the place of a key stands under ``path + ("$key",)``."""
    revision: str
    """A hash of the document after variables, the same for equal content."""
    vars: frozenset[str] | None = frozenset()
    """The ``vars`` of engine.yaml that its templates name; None: whichever."""
    instance: Instance | None = None

    def place(self, path: NodePath) -> Place:
        """Return the nearest known place at or above *path*."""
        while path not in self.places and path:
            path = path[:-1]
        return self.places.get(path, Place(self.file, 1, 1))

    @property
    def row(self) -> Place:
        """Where the row of an instance stands; of any other definition, its file."""
        one = self.instance
        if one is None or not one.table:
            return self.place(one.item if one else ())
        return Place(one.table, one.line, 1)

    def concerned(self, problem: Problem) -> bool:
        """Tell whether *problem* keeps this definition from working; that of another row does not."""
        one = self.instance
        if problem.file == self.file:
            return True
        return one is not None and (problem.file, problem.line) == (one.table, one.line)

    def told(self, problem: Problem) -> Problem:
        """Return *problem* at the row, where a value of the row stands at its path; the template's place follows."""
        if self.instance is None or not any(_at(dotted(path), problem.path) for path in self.instance.each):
            return problem
        return at_row(problem, self.instance.name, self.row)


def at_row(problem: Problem, name: str, row: Place) -> Problem:
    """Return *problem* of instance *name* at the place of its *row*."""
    message = f"{problem.message} ({problem.file}:{problem.line}:{problem.column}, {name})"
    return replace(problem, file=row.file, line=row.line, column=row.column, message=message, fix="")


def _at(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))


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
    sql: frozenset[NodePath] = frozenset()
    """The option paths (relative) whose text is SQL."""
    checks: Mapping[str, Any] = field(default_factory=dict)
    """The options marked ``x-check-only``: they say what data looks like, and no connector sees them."""


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
    use: Use | None = None
    """What a ``lookup`` or a ``call`` asks."""
    resilience: Resilience = field(default_factory=Resilience)
    """Of that, merged."""


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
    max_age: float | None = None
    """Seconds after which accepted work that waits becomes dead letters."""
    renamed_from: str | None = None
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
class PipelineTest:
    """One of ``tests:`` of a ``*.test.yaml``."""

    name: str
    pipeline: str
    """The pipeline it tests, or one instance of a template: ``press[p-07]``."""
    origin: Origin
    path: NodePath
    """Of *body* in its file: ``("tests", 0)``."""
    body: Mapping[str, Any]
    """As it is written, a variation with its row put in; it fits the schema."""
    row: int | None = None
    """Of a variation: the index of its row in ``each``."""


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
    tables: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Files with rows of a ``for_each``, and the files of the definitions that name them."""
    tests: Mapping[str, tuple[PipelineTest, ...]] = field(default_factory=dict)
    """By the name of the pipeline, as the tests give it."""
