"""The last wall: while tests run, this process opens no connection, and databases no other file, whatever is tried."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.testing.databases import alone
from engine.testing.moments import Stuck

_REACHES = frozenset(
    {
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
    }
)


class _Wall:
    """Python keeps an audit hook for the life of the process; this one looks away unless it is up."""

    def __init__(self) -> None:
        self.up = 0
        self.tried: list[str] = []
        self._built = False

    def build(self) -> None:
        if not self._built:
            self._built = True
            sys.addaudithook(self._hear)

    def _hear(self, event: str, given: tuple[Any, ...]) -> None:
        if self.up and event == "engine.sqlite.opened":
            alone(given[0])
        if self.up and event in _REACHES:
            what = given[1] if event.startswith("socket.") and len(given) > 1 else given[0]
            said = f"a test tried to reach out ({event} {what!r}): tests reach nothing"
            self.tried.append(said)
            raise Stuck(said)


_wall = _Wall()


@contextmanager
def walled() -> Iterator[list[str]]:
    """Let nothing out while inside; gives what was tried, whoever swallowed the refusal."""
    _wall.build()
    _wall.up += 1
    tried = _wall.tried = []
    try:
        yield tried
    finally:
        _wall.up -= 1
