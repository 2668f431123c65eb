"""Tells systemd how the server is: ready, reloading, stopping, alive. Without systemd it tells nobody.

The protocol is sd_notify's: datagrams to the socket that ``NOTIFY_SOCKET`` names.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress


class Notifier:
    """Speaks to the service manager, if there is one."""

    def __init__(self, environ: Mapping[str, str], pid: int | None = None) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog = _watchdog(environ, os.getpid() if pid is None else pid)
        """Seconds within which a sign of life is expected; None: nobody waits for one."""

    def ready(self, status: str = "") -> None:
        """Say that the server works, after a start or a reload."""
        self._send("READY=1", f"STATUS={_line(status)}" if status else "")

    def reloading(self) -> None:
        """Say that the project is being read again; ``ready`` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the server is on its way out."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Say how it is, in a line for people."""
        self._send(f"STATUS={_line(text)}")

    def alive(self) -> None:
        """Give a sign of life."""
        self._send("WATCHDOG=1")

    async def beat(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Give signs of life until cancelled; a loop that hangs gives none, and systemd starts the server again."""
        while self.watchdog is not None:
            self.alive()
            await sleep(self.watchdog / 3)

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            # a manager that has gone, or does not read, is no reason to stop working
            with suppress(OSError):
                sender.sendto("\n".join(line for line in lines if line).encode(), self._address)


def _address(written: str) -> str | None:
    """Read ``NOTIFY_SOCKET``: a path, or ``@name`` in the abstract space; anything else is not spoken to."""
    if written.startswith("@"):
        return "\0" + written[1:]
    return written if written.startswith("/") else None


def _watchdog(environ: Mapping[str, str], pid: int) -> float | None:
    wanted, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not wanted.isdecimal() or int(wanted) == 0 or (whose and whose != str(pid)):
        return None
    return int(wanted) / 1_000_000


def _line(text: str) -> str:
    return " ".join(text.split())
