"""Which files have arrived: whole, and not fired yet. Pure; the watcher of folders has the clock and the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from engine.pipeline import FilePlan
from engine.service.folders import Mark

KEPT = 7 * 86400.0
"""Seconds for which a file that is gone is remembered: a folder that is not mounted looks empty."""


class Known(NamedTuple):
    """A file that was fired."""

    mark: Mark
    gone: float | None = None
    """Since when it is not there, in seconds since 1970."""

    def write(self) -> bytes:
        """Write it as the store keeps it."""
        return f"{self.mark} {self.gone or ''}".strip().encode()

    @classmethod
    def read(cls, text: bytes) -> Known:
        """Read what ``write`` wrote."""
        mark, _, gone = text.decode().partition(" ")
        return cls(Mark.read(mark), float(gone) if gone else None)


class Arrival(NamedTuple):
    """A file that fires now."""

    key: str
    name: str
    mark: Mark


def key_of(pipeline: str, trigger: str, path: str) -> str:
    """Name a file of a trigger as the store does."""
    return f"{pipeline}|{trigger}|{path}"


class Arrivals:
    """Remembers what was fired (*known*, as the store has it) and what is being watched until it stands still."""

    def __init__(self, known: Mapping[str, Known] | None = None) -> None:
        self.known = dict(known or {})
        self._watched: dict[str, tuple[Mark, float]] = {}
        """What is new → its version, and since when it stands still."""

    def take(self, plan: FilePlan, files: Mapping[str, tuple[str, Mark]], now: float) -> tuple[list[Arrival], float]:
        """Return what fires now, by name, and the seconds until something else may.

        *files*: name → path as the trigger shows it, and version; all that is in the folder. *now*: monotonic.
        """
        fired, rest = [], float("inf")
        for name, (path, mark) in files.items():
            key = key_of(plan.pipeline, plan.id, path)
            known = self.known.get(key)
            if known is not None and known.mark == mark:
                self._watched.pop(key, None)
                continue
            seen = self._watched.get(key)
            if seen is None or seen[0] != mark:
                seen = self._watched[key] = (mark, now)
            left = seen[1] + plan.settle - now
            if left <= 0:
                fired.append(Arrival(key, name, mark))
            else:
                rest = min(rest, left)
        return fired, rest

    def changes(self, looked: Collection[str], present: Collection[str], now: float) -> dict[str, Known | None]:
        """Say what is to be remembered otherwise: files that went, came back, or are gone for long.

        *looked*: the triggers (``pipeline|trigger|``) whose folders were looked into, or that are no more; *present*:
        the keys of what is there. *now*: seconds since 1970.
        """
        found: dict[str, Known | None] = {}
        for key, known in self.known.items():
            if key in present:
                if known.gone is not None:
                    found[key] = Known(known.mark)
            elif known.gone is None:
                if trigger_of(key) in looked:
                    found[key] = Known(known.mark, now)
            elif now - known.gone > KEPT:
                found[key] = None
        return found

    def follow(self, changes: Mapping[str, Known | None]) -> None:
        """Go on with what is on disk now."""
        for key, known in changes.items():
            self._watched.pop(key, None)
            if known is None:
                self.known.pop(key, None)
            else:
                self.known[key] = known

    def forget(self, looked: Collection[str], present: Collection[str]) -> None:
        """Watch no more what went before it stood still."""
        gone = [key for key in self._watched if key not in present and trigger_of(key) in looked]
        for key in gone:
            del self._watched[key]


def trigger_of(key: str) -> str:
    """Return the part of a key that names its trigger."""
    pipeline, trigger, _ = key.split("|", 2)
    return f"{pipeline}|{trigger}|"


def lost(known: Iterable[str], plans: Iterable[FilePlan]) -> Iterator[str]:
    """Name the triggers that files were fired for and that are no more."""
    there = {key_of(plan.pipeline, plan.id, "") for plan in plans}
    yield from {trigger_of(key) for key in known} - there
