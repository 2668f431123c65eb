"""A served project of a test, with commands beside it and looks at its log, its figures and its lanes."""

from __future__ import annotations

import http.client
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .served import Served

HERE = Path(__file__).parent


class Ended(NamedTuple):
    """A command that came to its end."""

    code: int
    out: str
    err: str

    def lines(self) -> list[dict[str, Any]]:
        """Read what it printed as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Answered(NamedTuple):
    """An answer of the listener."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as data."""
        return json.loads(self.text)


def instead(script: str) -> Sequence[str]:
    """Name the command of an engine that a file beside this one has changed."""
    return (sys.executable, str(HERE / script))


@dataclass
class Project(Served):
    """A project in a folder, the process that serves it, and commands beside that process."""

    waits: float = 30.0
    sent: list[Answered] = field(default_factory=list)

    def call(self, path: str, body: Any = None, *, method: str = "POST", **headers: str) -> Answered:
        """Call the webhook listener with *body* as JSON (bytes as they are)."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, raw, {"Content-Type": "application/json", **named})
            answer = connection.getresponse()
            return Answered(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command of the command line beside the server."""
        return subprocess.Popen(
            [sys.executable, "-m", "engine", "--project", str(self.folder), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **self.environ},
        )  # fmt: skip

    def engine(self, *arguments: str, code: int = 0) -> Ended:
        """Run a command, which has to end with *code*."""
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}\n{self.log()[-3000:]}"
        return Ended(process.returncode, out, err)

    def until(self, condition: Callable[[], Any], what: str = "it", seconds: float | None = None) -> Any:
        """Wait for a condition, however slow the machine is."""
        end = time.monotonic() + (self.waits if seconds is None else seconds)
        while not (found := condition()):
            assert time.monotonic() < end, f"{what} did not come:\n{self.log()[-4000:]}"
            time.sleep(0.02)
        return found

    def said(self, code: str, pipeline: str | None = None) -> list[dict[str, Any]]:
        """Return the lines of the log with *code*, of all its lives."""
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [one for one in lines if one["code"] == code and pipeline in (None, one.get("pipeline"))]

    def runs(self, *more: str) -> list[dict[str, Any]]:
        """Return the runs, the oldest first."""
        return self.engine("runs", "--json", "--limit", "200", *more).lines()[::-1]

    def letters(self, *more: str) -> list[dict[str, Any]]:
        """Return the open dead letters."""
        return self.engine("dead-letters", "list", "--each", "--json", *more).lines()

    def figure(self, name: str, **labels: str) -> float:
        """Add up a figure of ``/metrics`` over the series with *labels*."""
        _, text = self.ask("/metrics", admin=True)
        total = 0.0
        for line in str(text).splitlines():
            found = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
            if (
                found
                and found[1] == name
                and all(f'{key}="{value}"' in (found[2] or "") for key, value in labels.items())
            ):
                total += float(found[3])
        return total

    def waiting(self, lane: str) -> int:
        """Count what waits in a lane, past the engine."""
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as store:
            return int(store.execute("select count(*) from entries where lane = ?", [lane]).fetchone()[0])

    @property
    def store(self) -> Path:
        """The file of its store."""
        return self.folder / "data" / "engine.db"

    def ended(self, seconds: float = 40.0) -> int:
        """Wait until it ends by itself; give its exit code."""
        assert self.process is not None
        return self.process.wait(seconds)
