"""Plain, valid data to the typed definition: units, defaults, resilience, the short form as steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from engine.definition.model import (
    BatchSize,
    ConnectionDefinition,
    Cursor,
    Origin,
    PipelineDefinition,
    Source,
    Step,
    Target,
    Use,
)
from engine.definition.schema import Catalog
from engine.definition.shape import Notes, Shape, convert
from engine.definition.units import seconds
from engine.definition.uses import Site, connector_of, sites
from engine.errors import Path
from engine.policy import CircuitBreaker, RateLimit, Resilience, Retry

Data = Mapping[str, Any]


Made = TypeVar("Made")


class Shared:
    """What is made once for all instances of a template: of the parts that they have in common."""

    def __init__(self, common: Set[int] = frozenset()) -> None:
        self._common = common
        self._made: dict[tuple[Any, ...], Any] = {}

    def once(self, what: str, parts: Sequence[Any], make: Callable[[], Made]) -> Made:
        """Return what *make* makes of *parts*; the same object again where all of them are common."""
        if any(isinstance(part, dict | list) and id(part) not in self._common for part in parts):
            return make()
        key = (what, *((id(part) if isinstance(part, dict | list) else part) for part in parts))
        if key not in self._made:
            self._made[key] = make()
        made: Made = self._made[key]
        return made


class Builder:
    """Builds definitions with the catalog's annotations and the project's defaults; gathers secrets."""

    def __init__(self, catalog: Catalog, defaults: Data) -> None:
        self._catalog, self._defaults = catalog, defaults
        self.secrets: set[str] = set()

    def pipeline(self, value: Data, origin: Origin, shared: Shared | None = None) -> PipelineDefinition:
        """Build a pipeline from a valid document; *shared* has what other instances of its template made."""
        shared = shared or Shared()
        own = value.get("resilience")
        merged = _merged_resilience(self._defaults.get("resilience"), own)
        timezone = value.get("timezone", self._defaults.get("timezone", "UTC"))
        limit = value.get("time_limit", self._defaults.get("time_limit"))
        targets = tuple(
            shared.once(f"target {site.path}", (site.value, own), partial(self._target, site, value))
            for site in _targets(value)
        )
        written = (*(value.get(key) for key in ("filters", "mapping", "steps")), own)
        return PipelineDefinition(
            name=origin.instance.name if origin.instance else value["pipeline"],
            origin=origin,
            targets=targets,
            source=shared.once("source", (value.get("source"), own), lambda: self._source(value)),
            steps=shared.once("steps", written, lambda: self._steps(value)),
            description=value.get("description", ""),
            labels={key: _text(label) for key, label in value.get("labels", {}).items()},
            enabled=value.get("enabled", True),
            timezone=timezone,
            time_limit=None if limit is None else _seconds(limit),
            params=shared.once("params", (value.get("params"),), lambda: _without_notes(value.get("params", {}))),
            triggers=shared.once(
                "triggers",
                (value.get("triggers"),),
                lambda: tuple(_without_notes(trigger) for trigger in value.get("triggers", ())),
            ),
            promises=tuple(_without_notes(promise) for promise in value.get("promises", ())),
            concurrency=_without_notes(value.get("concurrency", {})),
            max_age=None if "max_age" not in value else _seconds(value["max_age"]),
            renamed_from=value.get("renamed_from"),
            missing="null" if "missing" in value and value["missing"] in (None, "null") else "reject",
            unrouted=value.get("unrouted", "reject"),
            resilience=shared.once("policies", (own,), lambda: resilience(merged, "retry" in (own or {}))),
        )

    def connection(self, name: str, value: Data, origin: Origin) -> ConnectionDefinition | None:
        """Build one of ``connections:``."""
        written = origin.instance.template if origin.instance else name
        use = self._use(Site(("connections", written), "connection", value))
        limits = value.get("resilience", {})
        breaker = limits.get("circuit_breaker")
        if use is None:
            return None
        return ConnectionDefinition(
            name=name,
            origin=origin,
            use=use,
            circuit_breaker=None if breaker is None else circuit_breaker(breaker),
            rate_limit=rate_limit(limits.get("rate_limit")),
        )

    def _source(self, value: Data) -> Source | None:
        if "source" not in value:
            return None
        source = value["source"]
        use = self._use(Site(("source",), "source", source))
        assert use is not None
        breaker = None if use.connection else (value.get("resilience") or {}).get("circuit_breaker")
        return Source(
            use=use,
            cursor=_cursor(source["cursor"]) if "cursor" in source else None,
            circuit_breaker=None if breaker is None else circuit_breaker(breaker),
        )

    def _target(self, site: Site, pipeline: Data) -> Target:
        own = site.value
        use = self._use(site)
        assert use is not None
        policies = _merged_resilience(
            self._defaults.get("resilience"), pipeline.get("resilience"), own.get("resilience")
        )
        written = any("retry" in (level.get("resilience") or {}) for level in (pipeline, own))
        breaker = None if use.connection else policies.get("circuit_breaker")
        return Target(
            id=own.get("id", "target"),
            use=use,
            path=site.path,
            when=own.get("when"),
            mapping=own.get("mapping"),
            batch=_batch(own.get("batch")),
            key=own.get("key"),
            on_rejected=own.get("on_rejected", self._defaults.get("on_rejected", "dead_letter")),
            omit_null=own.get("omit_null", False),
            resilience=resilience(policies, written),
            circuit_breaker=None if breaker is None else circuit_breaker(breaker),
        )

    def _use(self, site: Site) -> Use | None:
        name = connector_of(site, self._catalog)
        if name is None:
            return None
        connector = self._catalog.connector(name)
        assert connector is not None
        notes = Notes()
        shape = connector.role(site.role).shape
        options = convert(site.value[name] or {}, shape, notes)
        checks = {key: options.pop(key) for key in list(options) if _check_only(shape, key)}
        connection = options.pop("connection", None) if connector.kinds and site.role != "connection" else None
        self.secrets.update(secret for secret in notes.secrets.values() if secret)
        where, encoded, sql = (*site.path, name), frozenset(notes.encoded), frozenset(notes.sql)
        return Use(name, connection, options, where, notes.values, encoded, sql, checks)

    def _steps(self, value: Data) -> tuple[Step, ...]:
        asking = {site.path[:3]: site for site in sites(value) if site.path[0] == "steps"}
        return tuple(
            self._asking(step, asking[step.path], value) if step.path in asking else step for step in _steps(value)
        )

    def _asking(self, step: Step, site: Site, pipeline: Data) -> Step:
        """Complete a step that asks a remote system."""
        levels = (self._defaults.get("resilience"), pipeline.get("resilience"), step.body.get("resilience"))
        written = any("retry" in (level or {}) for level in levels[1:])
        return replace(step, use=self._use(site), resilience=resilience(_merged_resilience(*levels), written))


def _check_only(shape: Shape, key: str) -> bool:
    option = shape.child(key)
    return option is not None and option.check_only


def _targets(value: Data) -> list[Site]:
    if "target" in value:
        return [Site(("target",), "target", value["target"])]
    return [Site(("targets", index), "target", target) for index, target in enumerate(value.get("targets", ()))]


def _steps(value: Data) -> tuple[Step, ...]:
    steps = [Step("filter", text, ("filters", index)) for index, text in enumerate(value.get("filters", ()))]
    if "mapping" in value:
        steps.append(Step("map", value["mapping"], ("mapping",)))
    for index, step in enumerate(value.get("steps", ())):
        kind = next(key for key in step if key != "id" and not key.startswith("x-"))
        path: Path = ("steps", index, kind)
        steps.append(Step(kind, step[kind], path))
    return tuple(steps)


def _cursor(value: Data) -> Cursor:
    lookback = value.get("lookback")
    is_time = isinstance(lookback, str)
    return Cursor(
        fields=tuple(value["fields"]),
        initial=value.get("initial", {}),
        lookback=None if lookback is None else _seconds(lookback),
        lookback_is_time=is_time,
        reset=value.get("reset", False),
    )


def _batch(value: Data | None) -> BatchSize:
    if value is None:
        return BatchSize()
    wait = value.get("wait")
    return BatchSize(value["size"], None if wait is None else _seconds(wait), True)


def _merged_resilience(*levels: Data | None) -> Data:
    """Merge from the outermost to the innermost; ``retry`` and the others key by key."""
    merged: dict[str, Any] = {}
    for level in levels:
        for key, value in (level or {}).items():
            both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
            merged[key] = {**merged[key], **value} if both else value
    return merged


def resilience(value: Data, retry_written: bool = False) -> Resilience:
    """Build the policies of one target or source."""
    return Resilience(
        timeout=_seconds(value.get("timeout", 30.0)),
        retry=_retry(value.get("retry") or {}),
        retry_written=retry_written,
        rate_limit=rate_limit(value.get("rate_limit")),
    )


def _retry(value: Data) -> Retry:
    known = Retry()
    return Retry(
        attempts=value.get("attempts", known.attempts),
        backoff=value.get("backoff", known.backoff),
        initial=_seconds(value.get("initial", known.initial)),
        max=_seconds(value.get("max", known.max)),
        jitter=value.get("jitter", known.jitter),
    )


def rate_limit(value: Data | None) -> RateLimit | None:
    """Build a rate limit, None where none is written."""
    if value is None:
        return None
    return RateLimit(value["limit"], _seconds(value["per"]), value.get("burst", 0), value.get("window", "bucket"))


def circuit_breaker(value: Data) -> CircuitBreaker:
    """Build a circuit breaker."""
    known = CircuitBreaker()
    return CircuitBreaker(
        failures=value.get("failures", known.failures),
        window=_seconds(value.get("window", known.window)),
        reset_after=_seconds(value.get("reset_after", known.reset_after)),
        half_open_calls=value.get("half_open_calls", known.half_open_calls),
    )


def _seconds(value: Any) -> float:
    return seconds(value) if isinstance(value, str) else float(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without_notes(value: Data) -> dict[str, Any]:
    return {key: item for key, item in value.items() if not key.startswith("x-")}
