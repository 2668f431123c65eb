"""What a change of the files comes to: which pipelines differ, and which settings wait for a new start. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FROZEN = ("listen", "admin", "store", "metrics")
"""Keys of engine.yaml that are read when the engine starts; all others are live."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Names of pipelines, sorted."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> Difference:
    """Compare fingerprints by name."""
    return Difference(
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(name for name in old.keys() & new.keys() if old[name] != new[name])),
        removed=tuple(sorted(old.keys() - new.keys())),
    )


def frozen(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the settings that differ and that only a new start follows, as they are written: ``listen.port``."""
    return tuple(sorted(key for top in FROZEN for key in _differing(top, old.get(top), new.get(top))))


def held(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return *new* with what a new start would be needed for as it is in *old*: what is in force."""
    kept = {key: value for key, value in new.items() if key not in FROZEN}
    return kept | {key: old[key] for key in FROZEN if key in old}


def _differing(path: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        yield path
        return
    for key in old.keys() | new.keys():
        yield from _differing(f"{path}.{key}", old.get(key), new.get(key))
