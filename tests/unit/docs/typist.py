"""Types what a page says into one shell, as a reader would: files, commands, and what goes on in the background."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.unit.docs.pages import Block

MARK = "-- that was all --"
WITHIN = 60.0
"""Seconds a command may take."""
SOON = 20.0
"""Seconds in which what a look waits for must be there; on a busy machine all takes longer."""
PORTS = ("8080", "8081")
"""The ports that pages show: webhooks, admin."""
_LOOKS = ("cat ", "grep ", "tail ")
"""Commands that only look, so that they may be typed again until what they wait for is there."""
_ID = re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b")
_CHANGES = (
    (_ID, "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b[\d.]+ (?:ms|s)\b"), "TOOK"),
)


class Typist:
    """Types a page's commands, and remembers which of today's ids and ports stands for which of the page's."""

    def __init__(self, folder: Path, *, writing: bool = False) -> None:
        self.folder = folder
        self.writing = writing
        self.ids: dict[str, str] = {}
        self.ports = dict(zip(PORTS, _free(len(PORTS)), strict=True))
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        more = {
            "PATH": path,
            "TZ": "UTC",
            "COLUMNS": "160",
            "ENGINE_LISTEN_PORT": self.ports["8080"],
            "ENGINE_ADMIN_PORT": self.ports["8081"],
        }
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=os.environ | more,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def close(self) -> None:
        """End the shell and what a page left running in it; returns when all of it is gone."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.close()
        self._signal(signal.SIGTERM)
        watch = threading.Timer(WITHIN, self._signal, [signal.SIGKILL])
        watch.start()
        self._shell.stdout.read()  # ends with the last one that could write there
        watch.cancel()
        self._shell.stdout.close()
        self._shell.wait()

    def type(self, command: str) -> str:
        """Type one command; returns what it prints, stderr and stdout in the order of their lines."""
        assert self._shell.stdin is not None
        # a command that reads would read what is typed after it
        print(f"eval {shlex.quote(self.today(command))} < /dev/null; echo; echo '{MARK}'", file=self._shell.stdin)
        self._shell.stdin.flush()
        watch = threading.Timer(WITHIN, self._signal, [signal.SIGKILL])
        watch.start()
        try:
            # the line before the mark is ended by us, where the command did not
            output = self._as_shown(self._read()[:-1])
        finally:
            watch.cancel()
        return f"{output}\n" if output and not output.endswith("\n") else output

    def _read(self) -> str:
        assert self._shell.stdout is not None
        lines: list[str] = []
        for line in self._shell.stdout:
            if line == f"{MARK}\n":
                return "".join(lines)
            lines.append(line)
        raise ChildProcessError(f"the shell ended; it printed {''.join(lines)}")

    def follow(self, block: Block) -> str:
        """Do what a block says; returns the block as it would have to be."""
        if block.file:
            file = self.where() / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, "utf-8")
        elif block.kind == "sh":
            said = self.type(f"set -e\n{block.text}set +e")
            assert "rror" not in said, f"{block.name}: {said}"
        elif block.kind == "console":
            return self._console(block)
        return block.text

    def where(self) -> Path:
        """Return the folder that the shell stands in."""
        return Path(self.type("pwd").strip())

    def today(self, text: str) -> str:
        """Put today's ids and ports in place of the page's."""
        for shown, real in self.ids.items():
            text = text.replace(shown, real)
        for shown, real in self.ports.items():
            text = text.replace(f":{shown}", f":{real}")
        return text

    def _as_shown(self, text: str) -> str:
        for shown, real in self.ports.items():
            text = text.replace(f":{real}", f":{shown}")
        return text

    def _console(self, block: Block) -> str:
        printed = ""
        for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, expected = step.partition("\n")
            output = self._typed_until_there(command, expected)
            shown, real = _ID.findall(expected), _ID.findall(output)
            self.ids |= dict(zip(shown, real, strict=False))
            if self.writing:
                printed += f"$ {self._as_shown(self.today(command))}\n{output}"
            else:
                printed += f"$ {command}\n{expected if blurred(output) == blurred(expected) else output}"
        return printed

    def _typed_until_there(self, command: str, expected: str) -> str:
        """Type a command; one that only looks is typed again until it shows what is expected, or time is up."""
        until = time.monotonic() + (3.0 if self.writing else SOON)
        waits = command.startswith(_LOOKS) and expected
        while blurred(output := self.type(command)) != blurred(expected) and waits and time.monotonic() < until:
            time.sleep(0.1)
        return output

    def _signal(self, number: signal.Signals) -> None:
        """Signal the shell and what it started: they are a group of their own."""
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, number)


@contextmanager
def typist(folder: Path, *, writing: bool = False) -> Iterator[Typist]:
    """Give one, and close it."""
    one = Typist(folder, writing=writing)
    try:
        yield one
    finally:
        one.close()


def blurred(text: str) -> str:
    """Take out what differs from day to day, and the width it takes."""
    for pattern, word in _CHANGES:
        text = pattern.sub(word, text)
    return "\n".join(re.sub(r"  +", "  ", line.rstrip()) for line in text.splitlines())


def _free(count: int) -> list[str]:
    """Return ports that are free: held together, so that no two are alike."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [str(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()
