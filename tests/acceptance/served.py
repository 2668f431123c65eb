"""A project served by a real ``engine serve`` process, which tests start, kill and start again."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENGINE = (sys.executable, "-m", "engine")


def free_port() -> int:
    """Find a port that nobody has now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Served:
    """A folder with a project, and the process that serves it; the ports stay the same over restarts."""

    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ENGINE
    port: int = field(default_factory=free_port)
    admin: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self) -> None:
        """Start it; returns at once."""
        settings = {
            "engine": 1, "listen": {"port": self.port}, "admin": {"port": self.admin}, **self.settings,
        }  # fmt: skip
        file = self.folder / "engine.yaml"
        if not file.exists():
            file.write_text(json.dumps(settings))
        log = (self.folder / "serve.log").open("ab")
        self.process = subprocess.Popen(
            [*self.command, "serve", str(self.folder), "--log", "json"],
            stdout=subprocess.DEVNULL, stderr=log, env={**os.environ, **self.environ},
        )  # fmt: skip
        log.close()

    def ready(self, seconds: float = 30.0) -> Served:
        """Wait until it says that it is ready."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if self.ask("/readyz", admin=True)[0] == 200:
                    return self
            except OSError:
                pass
            if self.process is not None and self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"it is not ready:\n{self.log()[-4000:]}")

    def ask(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, admin: bool = False
    ) -> tuple[int, Any]:
        """Make one call, POST where there is a *body*; give the status and the body, read as JSON where it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin if admin else self.port, timeout=30)
        try:
            kind = {"Content-Type": "application/json"} if body is not None else {}
            connection.request("GET" if body is None else "POST", path, body, {**kind, **(headers or {})})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode()

    def log(self) -> str:
        """Return what it logged, over all its lives."""
        return (self.folder / "serve.log").read_text()

    def kill(self) -> None:
        """Kill it as a power cut would, short of the disk."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds: float = 40.0) -> int:
        """End it as a supervisor of processes does; give its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def __enter__(self) -> Served:
        self.start()
        return self.ready()

    def __exit__(self, *problem: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
