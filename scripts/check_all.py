"""Runs every check of the project, one after the other, and ends with a plain summary: what ``make test`` does.

All checks run even when one fails: one reading of the output is enough to mend them all.
"""

from __future__ import annotations

import subprocess
import sys
import time
import xml.etree.ElementTree as Xml
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
# tests whose helpers others build on, or that drive whole processes
TYPED_TESTS = ("tests/peers", "tests/architecture", "tests/unit/peers")
RESULTS = ROOT / ".pytest_cache" / "results.xml"


@dataclass(frozen=True, slots=True)
class Check:
    """A command and what it is called; the ``make`` target of the same name runs it alone."""

    name: str
    commands: tuple[tuple[str, ...], ...]


CHECKS = {
    "lint": Check("lint", (("ruff", "check", "."), ("ruff", "format", "--check", "."))),
    "types": Check("types", (("mypy", "engine", "connectors", "scripts", *TYPED_TESTS),)),
    "layers": Check("layers", (("lint-imports",),)),
    # worksteal: a worker that is done takes tests from the slowest
    "tests": Check("tests", (("pytest", "-n", "auto", "--dist", "worksteal", f"--junitxml={RESULTS}"),)),
}


def main(names: list[str]) -> int:
    """Run the named checks, or all; returns 1 when one failed."""
    outcomes = [_outcome(CHECKS[name]) for name in names or CHECKS]
    print("\n" + "\n".join(line for _, line in outcomes))
    failed = [line.split()[0] for good, line in outcomes if not good]
    print(f"\n{', '.join(failed)}: failed" if failed else "\nall is well")
    return 1 if failed else 0


def _outcome(check: Check) -> tuple[bool, str]:
    print(f"\n== {check.name}", flush=True)
    started = time.monotonic()
    # all commands of a check run: the second may have more to say
    codes = [subprocess.call([BIN / command, *options], cwd=ROOT) for command, *options in check.commands]
    seconds = time.monotonic() - started
    good = not any(codes)
    counted = f"   {_counted()}" if check.name == "tests" else ""
    return good, f"{check.name:<8} {'ok' if good else 'FAILED':<8} {seconds:6.1f} s{counted}"


def _counted() -> str:
    """Say how many tests passed, from pytest's own report."""
    try:
        suite = Xml.parse(RESULTS).getroot().find("testsuite")
    except (OSError, Xml.ParseError):
        return "no report"
    if suite is None:
        return "no report"
    total, *others = (int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped"))
    failures, errors, skipped = others
    return f"{total - sum(others)} passed, {failures + errors} failed, {skipped} skipped"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
