"""The bank hub, end to end: what ``make run`` shows.

A bank's database and a stand-in for the automation hub are made in ``.run/``; the three pipelines of this repository
send everything, then 500 rows change and the same pipelines send those. What arrived is read back from the hub and
compared with the bank, record by record. Exits 1 when anything is missing, doubled or different.

Then the same project is served, as ``serve_demo`` says, until Ctrl-C; with ONCE=1 or CI set, for a moment.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from engine.telemetry.look import Look, look_of  # noqa: E402
from engine.telemetry.words import duration  # noqa: E402
from scripts.banban_demo import make_secrets  # noqa: E402
from scripts.serve_demo import NotServed, ServeDemo  # noqa: E402
from tests.peers.bank_database import TABLES, Sizes, change, create, share  # noqa: E402
from tests.peers.hub_client import Hub, running_hub  # noqa: E402

PIPELINES = ("bank-users", "bank-banks", "bank-transactions")
ENGINE = Path(sys.executable).with_name("engine")

# what a record is at the bank, and what it must be at the hub: two queries of the same shape
PAIRS = {
    "users": (
        "select cast(id as text), name, email, password from users",
        "select external_id, name, email, password_hash from users",
    ),
    "banks": (
        "select cast(id as text), cast(user_id as text), name, coalesce(type, 'BANCO'), 1 from banks",
        "select external_id, user_external_id, name, type, is_active from banks",
    ),
    "transactions": (
        "select cast(id as text), cast(bank_id as text), coalesce(amount, 0) + 0.0, coalesce(description, ''),"
        " coalesce(category, 'OUTROS'), coalesce(type, 'DEBIT'),"
        " replace(coalesce(transaction_date, created_at), ' ', 'T') from transactions",
        "select external_id, bank_external_id, amount, description, category, type,"
        " substr(transaction_date, 1, 19) from transactions",
    ),
}


class Wrong(Exception):
    """The demonstration did not end as it must; the message says how."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One demonstration, in a folder of its own."""

    folder: Path = ROOT / ".run"
    sizes: Sizes = field(default_factory=Sizes)
    changes: int = 500
    served: bool = False
    """Serve the project in the end."""
    look: Look = field(default_factory=lambda: look_of(sys.stdout, os.environ))

    @property
    def bank(self) -> Path:
        """The bank's database: the source of the pipelines."""
        return self.folder / "bank.db"

    @property
    def hub(self) -> Path:
        """The hub's own database."""
        return self.folder / "hub.db"

    @property
    def settings(self) -> Path:
        """The environment file the engine is given; it serves to look around afterwards, too."""
        return self.folder / "env"

    def prepare(self) -> None:
        """Make the bank, in an empty folder."""
        # the engine's store goes too: the cursors of the last demonstration belong to the last bank
        shutil.rmtree(self.folder, ignore_errors=True)
        make_secrets()  # engine.yaml names them
        self.step("1  a bank")
        create(self.bank, self.sizes)
        numbers = [f"{self.look.number(rows)} {table}" for table, rows in asdict(self.sizes).items()]
        self.line(f"{_short(self.bank)}   {', '.join(numbers)}")

    def full(self, hub: Hub) -> None:
        """Send everything."""
        values = {
            "AUTOMATION_HUB_URL": hub.url,
            "BANK_DB": _short(self.bank),
            "ENGINE_STORE_SQLITE_PATH": _short(self.folder / "engine.db"),
        }
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in values.items()), "utf-8")
        self.step("2  everything goes to the hub")
        self.detail(f"a stand-in for the automation hub listens at {hub.url}")
        self.engine("--param", "full=true")
        counts = hub.counts()
        self.compare(counts["rows"], counts["delivered"], asdict(self.sizes))

    def incremental(self, hub: Hub) -> None:
        """Change rows, and send what changed."""
        self.step(f"3  {self.changes} rows change at the bank, and follow")
        before = hub.counts()["delivered"]
        change(self.bank, share(self.changes))
        self.engine()
        after = hub.counts()
        delivered = {table: after["delivered"][table] - before[table] for table in TABLES}
        self.compare(after["rows"], delivered, asdict(share(self.changes)))

    def serve(self, hub: Hub) -> None:
        """Serve what was run by hand until now."""
        self.step("4  the same, served: on its schedule, and for the webhooks of the retail hub")
        once = bool(os.environ.get("ONCE") or os.environ.get("CI"))
        ServeDemo(self.settings, self.bank, hub, self.detail).run(once)

    def engine(self, *options: str) -> None:
        """Run the real command line on this repository's pipelines, its output shown as it comes."""
        arguments = ["--env-file", _short(self.settings), "run", *PIPELINES, *options]
        self.detail(f"$ {_short(ENGINE)} {' '.join(arguments)}\n")
        # the environment wins over the file: what the file says must not be said there
        said = {line.partition("=")[0] for line in self.settings.read_text("utf-8").splitlines()}
        surroundings = {name: value for name, value in os.environ.items() if name not in said}
        process = subprocess.Popen([str(ENGINE), *arguments], cwd=ROOT, env=surroundings)
        try:
            code = process.wait()
        except KeyboardInterrupt:
            # the terminal told the engine too: it ends its batch and says so
            process.wait()
            raise
        if code:
            raise Wrong(f"engine run ended with exit code {code}")

    def compare(self, rows: Mapping[str, int], took: Mapping[str, int], expected: Mapping[str, int]) -> None:
        """Show what the hub has and took. Raises Wrong for anything but exactly what the bank has and changed."""
        different = {table: self.different(table) for table in TABLES}
        print()
        self.table(
            ("read back from the hub", "has", "took now", "expected", "differ from the bank"),
            [(table, rows[table], took[table], expected[table], different[table]) for table in TABLES],
        )
        for table in TABLES:
            if took[table] != expected[table]:
                raise Wrong(f"the hub took {took[table]} {table}, and {expected[table]} were to be sent")
            if different[table]:
                raise Wrong(f"{different[table]} {table} at the hub are not as at the bank")

    def different(self, table: str) -> int:
        """Count the records that only one side has, or that differ."""
        here, there = PAIRS[table]
        return len({row[0] for row in set(_rows(self.bank, here)) ^ set(_rows(self.hub, there))})

    def step(self, title: str) -> None:
        """Begin a part."""
        print(f"\n{self.look.paint(title, 'strong')}", flush=True)

    def line(self, text: str) -> None:
        """Say something within a part."""
        print(f"  {text}", flush=True)

    def detail(self, text: str) -> None:
        """Say what only some will read."""
        self.line(self.look.paint(text, "detail"))

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
        """Print a small table, numbers to the right."""
        cells = [[text if isinstance(text, str) else self.look.number(text) for text in row] for row in rows]
        widths = [max(len(row[place]) for row in [list(heads), *cells]) for place in range(len(heads))]
        self.detail(_aligned(heads, widths))
        for row in cells:
            self.line(_aligned(row, widths))


def main(demonstration: Demonstration | None = None) -> int:
    """Run it all; returns the exit code."""
    shown = demonstration or Demonstration()
    started = time.monotonic()
    try:
        shown.prepare()
        with running_hub(shown.hub) as hub:
            shown.full(hub)
            shown.incremental(hub)
            if shown.served:
                shown.serve(hub)
    except (Wrong, NotServed) as wrong:
        print(f"\n{shown.look.paint('wrong', 'error')}  {wrong}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    print(f"\n{shown.look.paint('done', 'done')} in {duration(time.monotonic() - started)}")
    shown.detail(f"what ran:  {_short(ENGINE)} --env-file {_short(shown.settings)} runs")
    shown.detail("what it ran:  pipelines/bank-hub/ and connections/bank-hub.yaml")
    return 0


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *numbers = zip(cells, widths, strict=True)
    return "   ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in numbers)])


def _rows(path: Path, query: str) -> Iterator[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        yield from database.execute(query)


def _short(path: Path) -> str:
    """Write a path as a person in the repository types it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main(Demonstration(served=True)))
