"""Fetches programs that tests and benchmarks use from Debian into ``.tools/``, without root: what ``make tools`` does.

Nothing here ever fails a build: what cannot be had is counted and named, and what needs it says so itself.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(os.environ.get("TOOLS_DIR", Path(__file__).resolve().parents[1] / ".tools"))
MINUTES = 60.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, and the Debian packages that bring it with its libraries."""

    name: str
    packages: tuple[str, ...]


ALL = (
    Tool("jq", ("jq", "libjq1", "libonig5")),
    Tool("promtool", ("prometheus",)),
)


class Absent(Exception):
    """A tool that cannot be had; the message says why."""


def main() -> int:
    """Get what is missing, and say in one line what is at hand."""
    missing = {}
    for tool in ALL:
        try:
            obtain(tool)
        except (Absent, OSError) as reason:
            missing[tool.name] = str(reason)
    print(f"tools: {len(ALL) - len(missing)} of {len(ALL)} at hand")
    for name, why in missing.items():
        print(f"  without {name}: {why}")
    return 0


def obtain(tool: Tool) -> None:
    """Make ``.tools/bin/NAME`` work, unless this machine has the program. Raises Absent."""
    launcher = TOOLS / "bin" / tool.name
    if shutil.which(tool.name) or _works(launcher):
        return
    for needed in ("apt-get", "dpkg-deb"):
        if not shutil.which(needed):
            raise Absent(f"{needed} is not on this machine")
    downloads = TOOLS / "packages"
    downloads.mkdir(parents=True, exist_ok=True)
    _download(tool, downloads)
    for package in tool.packages:
        for archive in downloads.glob(f"{package}_*.deb"):
            _run(["dpkg-deb", "-x", str(archive), str(TOOLS / "root")], downloads)
    _launch(launcher, tool.name)
    if not _works(launcher):
        raise Absent("it was unpacked and does not run here")


def _download(tool: Tool, folder: Path) -> None:
    """Download with the machine's own package lists, or with lists fetched into a folder of ours."""
    download = ["apt-get", "download", *tool.packages]
    try:
        _run(download, folder)
    except Absent:
        options = _private_state()
        _run(["apt-get", *options, "update"], folder)
        _run(["apt-get", *options, *download[1:]], folder)


def _private_state() -> list[str]:
    state, cache = TOOLS / "apt" / "state", TOOLS / "apt" / "cache"
    for folder in (state / "lists" / "partial", cache / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "Dir::State": state,
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": cache,
        "APT::Sandbox::User": "",
        "Acquire::Retries": 1,
        "Acquire::http::Timeout": 15,
    }
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * MINUTES
        )
    except subprocess.TimeoutExpired:
        raise Absent(f"{command[0]} did not answer in two minutes") from None
    if done.returncode:
        raise Absent((done.stderr.strip() or f"{command[0]} failed").splitlines()[-1])


def _launch(launcher: Path, name: str) -> None:
    """Write a script that finds the program and its libraries wherever the folder lies."""
    launcher.parent.mkdir(parents=True, exist_ok=True)
    launcher.write_text(
        "#!/bin/sh\n"
        'root="$(cd "$(dirname "$0")/../root" && pwd)"\n'
        'for folder in "$root"/usr/lib/*-linux-gnu "$root"/lib/*-linux-gnu; do\n'
        '  LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"\n'
        "done\n"
        "export LD_LIBRARY_PATH\n"
        f'exec "$root/usr/bin/{name}" "$@"\n'
    )
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _works(launcher: Path) -> bool:
    if not launcher.exists():
        return False
    return subprocess.run([launcher, "--version"], capture_output=True, timeout=MINUTES).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
