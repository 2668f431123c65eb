"""The bank hub as a project in a folder of its own, worked through the real command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENGINE = (sys.executable, "-m", "engine")


@dataclass
class BankHub:
    """A copy of ``pipelines/bank-hub`` in *folder*, reading *database*, writing to the hub at *url*."""

    folder: Path
    database: Path
    url: str
    settings: dict[str, str] = field(default_factory=dict)
    command: Sequence[str] = ENGINE

    def __post_init__(self) -> None:
        shutil.copytree(ROOT / "pipelines" / "bank-hub", self.folder / "pipelines" / "bank-hub")
        shutil.copytree(ROOT / "connections", self.folder / "connections")

    @property
    def environ(self) -> Mapping[str, str]:
        """What the pipelines read; retries come at once, so that tests need not wait."""
        clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        quick = {"RETRY_DELAY": "0", "BANK_DB": str(self.database), "AUTOMATION_HUB_URL": self.url}
        return {**clean, **quick, **self.settings}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``engine`` and return at once."""
        return subprocess.Popen(
            [*self.command, "--project", str(self.folder), *arguments],
            cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def engine(self, *arguments: str, code: int | None = 0) -> str:
        """Run ``engine`` to its end and return its standard output; *code* is the exit code it must have."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=100)
        assert code is None or process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return out

    def run(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        """Run one pipeline and return its summary."""
        lines = self.engine("run", *arguments, "--json", code=code).splitlines()
        summary: dict[str, Any] = json.loads(lines[-1])
        return summary

    def letters(self, pipeline: str = "bank-transactions") -> int:
        """Count the open dead letters."""
        out = self.engine("dead-letters", "list", "--pipeline", pipeline, "--each", "--json")
        return len([line for line in out.splitlines() if line.strip()])
