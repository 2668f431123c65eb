"""Where records arrive, seen from outside: how many did, and when each."""

from __future__ import annotations

import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Destination:
    """Where records arrive."""

    count: Callable[[], int]
    times: Callable[[int], list[tuple[str, float]]]
    """Id and seconds of the wall clock of those after the first so many."""


def table(path: Path) -> Destination:
    """Rows are never removed, so the last one's number is their count."""

    def ask(text: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(text, values).fetchall()

    def count() -> int:
        return int(ask("select coalesce(max(rowid), 0) from sales")[0][0])

    return Destination(count, lambda after: [])


def peer(port: int) -> Destination:
    def ask(path: str) -> Any:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())

    return Destination(lambda: int(ask("/count")), lambda after: ask(f"/times?after={after}"))


class Arrivals(threading.Thread):
    """Looks every millisecond which rows of a table are new."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.found, self.stopped = path, list[tuple[str, float]](), threading.Event()
        self.start()

    def run(self) -> None:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            (last,) = connection.execute("select coalesce(max(rowid), 0) from sales").fetchone()
            while not self.stopped.wait(0.001):
                rows = connection.execute("select rowid, id from sales where rowid > ?", (last,)).fetchall()
                now = time.time()
                self.found += [(id, now) for _, id in rows]
                last = rows[-1][0] if rows else last
