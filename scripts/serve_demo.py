"""The last part of ``make run``: the same project is served, on its schedule and for the webhooks of the retail hub.

Until Ctrl-C; with ONCE=1 or CI set, until one scheduled run and one webhook have been seen to arrive.
"""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts import banban_demo  # noqa: E402
from tests.peers.bank_database import change, share  # noqa: E402
from tests.peers.hub_client import Hub  # noqa: E402

ENGINE = Path(sys.executable).with_name("engine")
WITHIN = 60.0
"""Seconds that a scheduled run and a webhook may take to arrive."""
SOON = {"QUICK_SYNC_MINUTES": "0.1", "QUICK_SYNC_BETWEEN": "00:00-24:00", "QUICK_SYNC_DAYS": "mon-sun"}
"""The schedule of the bank hub for those who do not want to wait half an hour."""


class NotServed(Exception):
    """What was to arrive did not; the message says what."""


@dataclass(frozen=True, slots=True)
class ServeDemo:
    """Serves the repository's own project."""

    settings: Path
    """The environment file of the demonstration before."""
    bank: Path
    hub: Hub
    say: Callable[[str], None]

    def run(self, once: bool) -> None:
        """Serve until Ctrl-C, or until one of each was seen. Raises NotServed."""
        banban_demo.make_secrets()
        banban_demo.make_databases()
        sale, file = banban_demo.new_sale()
        process = self._start(self._once() if once else {}, quiet=once)
        try:
            if once:
                self._see(sale, file, process)
            else:
                self._show(file)
                process.wait()
        except KeyboardInterrupt:
            process.wait()
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(40)
        if process.returncode:
            raise NotServed(f"engine serve ended with exit code {process.returncode}")

    def _once(self) -> dict[str, str]:
        """Return settings that disturb nobody on this machine, and do not keep anybody waiting."""
        return SOON | {"ENGINE_LISTEN_PORT": str(_free()), "ENGINE_ADMIN_PORT": str(_free())}

    def _start(self, more: Mapping[str, str], quiet: bool) -> subprocess.Popen[bytes]:
        with self.settings.open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in more.items())
        command = [str(ENGINE), "--env-file", str(self.settings), *(["-q"] if quiet else []), "serve"]
        self.say(f"$ {shlex.join([_short(ENGINE), '--env-file', _short(self.settings), 'serve'])}\n")
        said = {line.partition("=")[0] for line in self.settings.read_text("utf-8").splitlines()}
        surroundings = {name: value for name, value in os.environ.items() if name not in said}
        return subprocess.Popen(command, cwd=ROOT, env=surroundings)

    def _show(self, file: Path) -> None:
        """Say what to try."""
        send = banban_demo.command(file, options=["--env-file", _short(self.settings)])
        self.say("in another terminal, a sale as the ERP would send it:")
        self.say(f"  {send}")
        self.say("and the sale as the database has it then:")
        self.say(f"  {_short(Path(sys.executable))} scripts/banban_demo.py sale {_sale(file)}")
        self.say("Ctrl-C ends it\n")

    def _see(self, sale: str, file: Path, process: subprocess.Popen[bytes]) -> None:
        """Send one sale, change the bank, and wait until both have arrived."""
        send = shlex.split(banban_demo.command(file, options=["--env-file", _short(self.settings)]))
        self.say(f"$ {shlex.join(send)}")
        self._until(lambda: subprocess.run(send, cwd=ROOT, capture_output=True).returncode == 0, process, "the webhook")
        self._until(lambda: banban_demo.sale(sale) is not None, process, "the sale")
        self.say(f"the sale {sale} is in the database")
        before = self.hub.counts()["delivered"]["transactions"]
        change(self.bank, share(20), secrets.randbelow(1000))
        self._until(lambda: self.hub.counts()["delivered"]["transactions"] > before, process, "the scheduled run")
        self.say("changed rows of the bank followed on schedule")

    def _until(self, seen: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
        until = time.monotonic() + WITHIN
        while not seen():
            if process.poll() is not None or time.monotonic() > until:
                raise NotServed(f"{what} did not arrive")
            time.sleep(0.1)


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _sale(file: Path) -> str:
    import json

    return str(json.loads(file.read_text("utf-8"))["data"]["sale_id"])


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
