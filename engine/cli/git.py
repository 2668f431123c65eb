"""What git says of a checkout, asked of its own program."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import click

_SECONDS = 60


class Checkout:
    """The working tree that a folder lies in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self.top = Path(self._text("rev-parse", "--show-toplevel").rstrip("\n"))

    def base(self, wanted: str) -> tuple[str, str]:
        """Return the merge base with *wanted*, or with the usual branch, and the name of what it was taken with.

        Raises click.UsageError.
        """
        name = wanted or self._usual()
        if not self._knows(name):
            if not wanted:
                raise click.UsageError("--changed needs something to compare with, and nothing is committed yet")
            hint = "write --changed=REF, and paths without it" if Path(name).exists() else "fetch it first"
            raise click.UsageError(f"git knows no commit '{name}' to compare with; {hint}")
        done = self._git("merge-base", name, "HEAD")
        if done.returncode:
            hint = "fetch the whole history (fetch-depth: 0, or GIT_DEPTH: 0)"
            raise click.UsageError(f"'{name}' and HEAD have no commit in common here; {hint}")
        return os.fsdecode(done.stdout).strip(), name

    def changed(self, base: str) -> list[Path]:
        """Return every file that differs from *base*: committed, staged, not staged, not tracked, deleted."""
        differing = self._text("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", base, "--")
        loose = self._text("ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", str(self.top))
        return [self.top / name for name in sorted({*differing.split("\0"), *loose.split("\0")}) if name]

    def earlier(self, base: str, path: Path) -> bytes:
        """Return what *path* was in *base*; nothing where it was not there."""
        done = self._git("show", f"{base}:{path.relative_to(self.top).as_posix()}")
        return b"" if done.returncode else done.stdout

    def _usual(self) -> str:
        found = self._git("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
        names = [os.fsdecode(found.stdout).strip()] if not found.returncode else []
        names += ["origin/main", "origin/master", "main", "master"]
        return next((name for name in names if name and self._knows(name)), "HEAD")

    def _knows(self, name: str) -> bool:
        return not self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").returncode

    def _text(self, *arguments: str) -> str:
        done = self._git(*arguments)
        if done.returncode:
            said = os.fsdecode(done.stderr).strip().splitlines()
            reason = said[0].removeprefix("fatal: ") if said else f"git ended with {done.returncode}"
            raise click.UsageError(f"--changed needs a git repository: {reason}")
        return os.fsdecode(done.stdout)

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command: Sequence[str] = ("git", "-c", "core.fsmonitor=false", *arguments)
        environ = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
        try:
            return subprocess.run(command, cwd=self._folder, env=environ, capture_output=True, timeout=_SECONDS)
        except FileNotFoundError:
            raise click.UsageError("--changed needs git, and there is no program 'git' here") from None
        except subprocess.TimeoutExpired:
            raise click.UsageError(f"--changed: git did not answer in {_SECONDS} s") from None
