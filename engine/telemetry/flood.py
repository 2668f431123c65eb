"""At most so many lines of one kind in a second; what is held back is counted, and said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

Kind = tuple[str, str]
"""A pipeline, and what happened."""

_REMEMBERED = 10_000
_NEVER = float("inf")


class Rest(NamedTuple):
    """What was held back of one kind."""

    kind: Kind
    level: str
    number: int


@dataclass(slots=True)
class _Second:
    began: float
    shown: int = 0
    held: int = 0
    level: str = "info"


@dataclass(slots=True)
class Flood:
    """Pure: moments are given, in monotonic seconds; ask ``ended`` first whenever it ``waits``."""

    most: int = 10
    """Lines of one kind in *per* seconds."""
    per: float = 1.0
    _seconds: dict[Kind, _Second] = field(default_factory=dict)
    _first: float = _NEVER
    """When the first second ends in which something was held back."""
    _pruned: float = 0.0

    def admit(self, kind: Kind, now: float) -> bool:
        """Tell whether another line of this kind may be written."""
        second = self._seconds.get(kind)
        if second is None or now - second.began >= self.per:
            self._prune(now)
            second = self._seconds[kind] = _Second(now)
        if second.shown < self.most:
            second.shown += 1
            return True
        second.held += 1
        self._first = min(self._first, second.began + self.per)
        return False

    def as_level(self, kind: Kind, level: str) -> None:
        """Remember how loud lines of this kind are."""
        self._seconds[kind].level = level

    def waits(self, now: float) -> bool:
        """Tell whether something was held back in a second that is over."""
        return now >= self._first

    def ended(self, now: float) -> Iterator[Rest]:
        """Give what was held back in seconds that are over, and begin anew."""
        self._first = _NEVER
        for kind, second in list(self._seconds.items()):
            if not second.held:
                continue
            if now - second.began >= self.per:
                del self._seconds[kind]
                yield Rest(kind, second.level, second.held)
            else:
                self._first = min(self._first, second.began + self.per)

    def _prune(self, now: float) -> None:
        if len(self._seconds) >= _REMEMBERED and now - self._pruned >= self.per:
            self._pruned = now
            kept = {kind: one for kind, one in self._seconds.items() if one.held or now - one.began < self.per}
            self._seconds = kept

    @property
    def holding(self) -> bool:
        """Whether anything is held back."""
        return self._first < _NEVER

    def __len__(self) -> int:
        return len(self._seconds)
