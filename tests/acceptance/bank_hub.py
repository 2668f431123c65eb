"""The bank hub as a project in a folder of its own, worked through the real command line."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from engine.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
ENGINE = (sys.executable, "-m", "engine")
TRANSACTIONS = "bank-transactions"


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that came to its end."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """The standard output of ``--json``."""
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]


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

    def ended(self, *arguments: str) -> Ended:
        """Run ``engine`` to its end, whatever that is."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=100)
        return Ended(process.returncode, out, err)

    def engine(self, *arguments: str, code: int | None = 0) -> str:
        """Run ``engine`` to its end and return its standard output; *code* is the exit code it must have."""
        ended = self.ended(*arguments)
        assert code is None or ended.code == code, f"exit {ended.code}\n{ended.out}\n{ended.err}"
        return ended.out

    def look(self, *arguments: str) -> list[Any]:
        """Run a command that only looks, without a process of its own, and read its JSON lines."""
        printed = io.StringIO()
        with mock.patch.dict(os.environ, self.environ, clear=True), redirect_stdout(printed):
            code = main(["--project", str(self.folder), *arguments, "--json"])
        assert code == 0, printed.getvalue()
        return [json.loads(line) for line in printed.getvalue().splitlines() if line.strip()]

    def run(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        """Run one pipeline and return its summary."""
        lines = self.engine("run", *arguments, "--json", code=code).splitlines()
        summary: dict[str, Any] = json.loads(lines[-1])
        return summary

    def send(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        """Run the transactions and return the summary."""
        return self.run(TRANSACTIONS, *arguments, code=code)

    def letters(self, pipeline: str = TRANSACTIONS) -> int:
        """Count the open dead letters."""
        return len(self.dead("--pipeline", pipeline))

    def dead(self, *arguments: str) -> list[dict[str, Any]]:
        """List open dead letters one by one, the newest first."""
        return self.look("dead-letters", "list", "--each", "--limit", "10000", *arguments)

    def cursor(self, pipeline: str = TRANSACTIONS) -> dict[str, Any] | None:
        """Read where a pipeline stands."""
        [shown] = self.look("cursor", "show", pipeline)
        found: dict[str, Any] | None = shown["cursor"]
        return found

    def log(self, run: str) -> list[dict[str, Any]]:
        """Read the log of a run."""
        return self.look("runs", "logs", run)

    def change(self, file: str, *changes: tuple[str, str]) -> None:
        """Change texts in a file of the project; each must stand there once."""
        path = self.folder / file
        text = path.read_text("utf-8")
        for old, new in changes:
            assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
            text = text.replace(old, new)
        path.write_text(text, "utf-8")

    def unseen(self) -> None:
        """Take away what says which tables there are: mistakes in a query are then found when it runs."""
        path = self.folder / "connections/bank-hub.yaml"
        lines = path.read_text("utf-8").splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "tables:" not in line), "utf-8")

    def write(self, file: str, text: str) -> None:
        """Add a file to the project."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Work the bank's database."""
        with closing(sqlite3.connect(self.database)) as database, database:
            return database.execute(statement, values).fetchall()

    def order(self) -> list[int]:
        """Give the ids of the transactions in the order of the cursor."""
        return [id for (id,) in self.sql("select id from transactions order by updated_at, id")]

    def at(self, count: int) -> dict[str, Any] | None:
        """Give the cursor after the first *count* transactions."""
        rows = self.sql("select updated_at, id from transactions order by updated_at, id")
        return {"updated_at": rows[count - 1][0], "id": rows[count - 1][1]} if count else None
