"""Every answer comes after the disk has it: watched, and disturbed, from outside the process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.store.sqlite import connect

ROOT = Path(__file__).parents[2]
FLUSH = "fdatasync,fsync"


def traced(path: Path, command: str, *options: str) -> list[str]:
    """Append 20 entries in a process under strace; give what it said."""
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-qq", "-o", os.devnull, "true"], check=False).returncode:
        pytest.skip("strace is not here or may not trace")
    worker = [sys.executable, "-m", "tests.unit.store.store_process", command, str(path), "20"]
    done = subprocess.run(
        [strace, "-f", "-qq", *options, *worker], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.splitlines()


def unflushed(path: Path, command: str) -> int:
    """Give how many of 20 answers came with no flush since the one before."""
    log = path.with_suffix(".trace")
    traced(path, command, "-o", str(log), "-e", f"trace={FLUSH},write")
    flushes, bare = 0, 0
    for line in log.read_text().splitlines():
        if re.search(r"f(data)?sync(\(| resumed).*= 0$", line):
            flushes += 1
        elif re.search(r'write\(1, "\d+\\n"', line):
            bare += not flushes
            flushes = 0
    return bare


def test_every_answer_comes_after_a_flush(tmp_path: Path) -> None:
    """Between two answers the disk was flushed at least once."""
    assert unflushed(tmp_path / "engine.db", "append") == 0


def test_answers_without_a_flush_are_caught(tmp_path: Path) -> None:
    """The control: with SQLite's usual setting for this kind of log, no commit waits for the disk."""
    assert unflushed(tmp_path / "engine.db", "append-carelessly") > 10


def integrity(path: Path) -> str:
    connection = connect.open_reader(path)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def test_a_failed_flush_is_never_taken_for_a_commit(tmp_path: Path) -> None:
    """The append whose flush failed is refused, and all after it; the file is sound."""
    path = tmp_path / "engine.db"
    failing = f"inject={FLUSH}:error=EIO:when=14+"
    said = traced(path, "append", "-o", os.devnull, "-e", f"trace={FLUSH}", "-e", failing)
    taken = [int(line) for line in said if line.isdigit()]
    assert 0 < len(taken) < 20
    assert said[len(taken) :] == [f"{number} StoreFailed" for number in range(len(taken), 20)]
    assert integrity(path) == "ok"
