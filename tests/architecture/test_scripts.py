"""The scripts behind ``make`` keep their promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check_all

ROOT = Path(__file__).parents[2]


def test_tools_that_cannot_be_had_are_counted_and_fail_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "unpack_tools.py")],
        env={**os.environ, "PATH": str(tmp_path), "TOOLS_DIR": str(tmp_path / "tools")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "tools: 0 of 2 at hand",
        "  without jq: apt-get is not on this machine",
        "  without promtool: apt-get is not on this machine",
    ]


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two checks of our own: one passes, one fails and leaves a mark."""
    monkeypatch.setattr(check_all, "BIN", Path("/bin"))
    good = check_all.Check("good", (("sh", "-c", "true"),))
    bad = check_all.Check("bad", (("sh", "-c", "false"), ("sh", "-c", f"touch {tmp_path / 'mark'}")))
    monkeypatch.setattr(check_all, "CHECKS", {"bad": bad, "good": good})
    return tmp_path


def test_one_failing_check_fails_all_and_hides_none(checks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_all.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith(("bad ", "good "))] == [
        ["bad", "FAILED"],
        ["good", "ok"],
    ]
    assert lines[-1] == "bad: failed"
    assert (checks / "mark").exists()


def test_what_passes_passes(checks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_all.main(["good"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "all is well"


def test_counts_come_from_the_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = tmp_path / "results.xml"
    monkeypatch.setattr(check_all, "RESULTS", report)
    assert check_all._counted() == "no report"
    report.write_text('<testsuites><testsuite tests="9" failures="1" errors="1" skipped="2"/></testsuites>')
    assert check_all._counted() == "5 passed, 2 failed, 2 skipped"
