"""Lengths of time that leave no time, and pairs that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.definition.explain import Finding
from engine.definition.units import seconds
from engine.errors import Path

_NEED_TIME = frozenset({"timeout", "time_limit", "per", "window", "reset_after", "ttl", "max_age", "retry_for"})
_INTO = frozenset(
    [
        "resilience",
        "retry",
        "rate_limit",
        "circuit_breaker",
        "triggers",
        "webhook",
        "respond",
        "lookup",
        "call",
        "missing",
        "cache",
        "source",
        "target",
        "targets",
        "steps",
        "connections",
    ]
)
"""Where such lengths stand; what users name themselves, such as the fields of a mapping, is not looked into."""


def amounts(value: Any, path: Path = ()) -> Iterator[Finding]:
    """Return the findings of a pipeline's or connections' document."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from amounts(item, (*path, index))
    if not isinstance(value, Mapping):
        return
    if path[-1:] == ("retry",):
        yield from _retry(value, path)
    for key, item in value.items():
        if key in _NEED_TIME and _length(item) == 0:
            hint = "write how long, such as 30s, or remove it"
            yield Finding((*path, key), False, "bad-value", "{value} leaves no time", hint, f"'{item}'")
        elif key in _INTO or path == ("connections",):
            yield from amounts(item, (*path, key))


def _retry(value: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    first, longest = _length(value.get("initial")), _length(value.get("max"))
    if first is not None and longest is not None and longest < first:
        fact = f"{{value}} is shorter than the first wait, 'initial: {value['initial']}'"
        hint = "make it longer, or make initial shorter"
        yield Finding((*path, "max"), False, "bad-value", fact, hint, f"'{value['max']}'")


def _length(value: Any) -> float | None:
    try:
        return seconds(value) if isinstance(value, str) else None
    except ValueError:
        return None
