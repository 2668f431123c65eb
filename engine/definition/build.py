"""Plain, valid data to the typed definition: units, defaults, resilience, the short form as steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from engine.definition.shape import Notes, convert
from engine.definition.units import seconds
from engine.definition.uses import Site, connector_of
from engine.errors import Path
from engine.policy import CircuitBreaker, RateLimit, Resilience, Retry

Data = Mapping[str, Any]


class Builder:
    """Builds definitions with the catalog's annotations and the project's defaults; gathers secrets."""

    def __init__(self, catalog: Catalog, defaults: Data) -> None:
        self._catalog, self._defaults = catalog, defaults
        self.secrets: set[str] = set()

    def pipeline(self, value: Data, origin: Origin) -> PipelineDefinition:
        """Build a pipeline from a valid document."""
        merged = _merged_resilience(self._defaults.get("resilience"), value.get("resilience"))
        timezone = value.get("timezone", self._defaults.get("timezone", "UTC"))
        limit = value.get("time_limit", self._defaults.get("time_limit"))
        targets = tuple(self._target(site, value) for site in _targets(value))
        return PipelineDefinition(
            name=value["pipeline"],
            origin=origin,
            targets=targets,
            source=self._source(value),
            steps=_steps(value),
            description=value.get("description", ""),
            labels={key: _text(label) for key, label in value.get("labels", {}).items()},
            enabled=value.get("enabled", True),
            timezone=timezone,
            time_limit=None if limit is None else _seconds(limit),
            params=_without_notes(value.get("params", {})),
            triggers=tuple(_without_notes(trigger) for trigger in value.get("triggers", ())),
            promises=tuple(_without_notes(promise) for promise in value.get("promises", ())),
            missing="null" if "missing" in value and value["missing"] in (None, "null") else "reject",
            unrouted=value.get("unrouted", "reject"),
            resilience=resilience(merged, "retry" in (value.get("resilience") or {})),
        )

    def connection(self, name: str, value: Data, origin: Origin) -> ConnectionDefinition | None:
        """Build one of ``connections:``."""
        use = self._use(Site(("connections", name), "connection", value))
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
        options = convert(site.value[name] or {}, connector.role(site.role).shape, notes)
        connection = options.pop("connection", None) if connector.kinds and site.role != "connection" else None
        self.secrets.update(secret for secret in notes.secrets.values() if secret)
        return Use(name, connection, options, (*site.path, name), notes.values, frozenset(notes.encoded))


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
