"""The retail hub's surroundings on this machine: secrets, databases with some history, and a look at what arrived.

::

    python scripts/banban_demo.py secrets     secrets/, where there are none: who may call
    python scripts/banban_demo.py database    .run/banban.db and .run/riachuelo.db, anew
    python scripts/banban_demo.py line        a sale that was not sent before, and the command that sends it, signed
    python scripts/banban_demo.py sale ID     the sale as the database has it; exit 1 when it is not there
"""

from __future__ import annotations

import csv
import json
import random
import secrets
import shlex
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HUB = Path("pipelines/banban")
SQLITE = "sqlite:///"

SECRETS = ("banban-key", "banban-jwt-key", "banban-tills-key", "riachuelo-key", "riachuelo-tills-key")
STORES = ("LOJA-01", "LOJA-02", "LOJA-03")
CENTRE = "CD-01"
PRODUCTS = (
    ("SAND-AZ-38", "Sandália Azul 38", "CALCADOS", 5990),
    ("TENIS-BR-40", "Tênis Branco 40", "CALCADOS", 15990),
    ("BOTA-MR-37", "Bota Marrom 37", "CALCADOS", 22990),
    ("BOLSA-PT", "Bolsa Preta", "ACESSORIOS", 8000),
    ("CINTO-MR-90", "Cinto Marrom 90", "ACESSORIOS", 4550),
)
CUSTOMERS = 60
SALES = 400


def clients(root: Path = ROOT) -> list[dict[str, str]]:
    """Return the rows of clients.csv: the instances there are of every pipeline."""
    with (root / HUB / "clients.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def database(client: str = "banban", root: Path = ROOT) -> Path:
    """Return the file of a client's database."""
    for row in clients(root):
        if row["client"] == client:
            return root / row["database"].removeprefix(SQLITE)
    raise SystemExit(f"clients.csv has no client '{client}'")


def make_secrets(root: Path = ROOT) -> Path:
    """Make the secrets that are missing, for this machine alone; git does not see the folder."""
    folder = root / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text("*\n", "utf-8")
    for name in SECRETS:
        file = folder / name
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(32), "utf-8")
    return folder


def make_databases(root: Path = ROOT, *, history: bool = True) -> list[Path]:
    """Make every client's database anew, of schema.sql; Banban's gets some months of sales when *history* is wanted."""
    tables = (root / HUB / "schema.sql").read_text("utf-8")
    made = []
    for row in clients(root):
        path = root / row["database"].removeprefix(SQLITE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("pragma journal_mode=wal")
            connection.executescript(tables)
            _fill(connection, history=history and row["client"] == "banban")
        made.append(path)
    return made


def _fill(connection: sqlite3.Connection, *, history: bool) -> None:
    connection.executemany("insert into products values (?, ?, ?, ?, '2026-01-01')", PRODUCTS)
    places = [(place, sku, 500 if place == CENTRE else 40) for place in (CENTRE, *STORES) for sku, *_ in PRODUCTS]
    connection.executemany("insert into stock values (?, ?, ?)", places)
    if history:
        _sell(connection, random.Random(7), datetime.now(UTC).replace(microsecond=0))


def _sell(connection: sqlite3.Connection, chance: random.Random, now: datetime) -> None:
    """Write paid sales of the last months; some customers come often, some have not come for long."""
    for number in range(1, SALES + 1):
        customer = min(int(chance.expovariate(1 / 12)), CUSTOMERS - 1)
        days = chance.randint(0, 60) + customer * 4
        sku, _, _, price = chance.choice(PRODUCTS)
        quantity = chance.choice((1, 1, 1, 2, 3))
        sale, total = f"S-{number:04}", price * quantity
        at = (now - timedelta(days=days, minutes=chance.randint(0, 1439))).isoformat()
        who = None if chance.random() < 0.1 else f"C-{customer:04}"
        connection.execute(
            "insert into sales (sale_id, store_id, customer_id, sold_at, discount_cents, total_cents, paid_cents,"
            " status) values (?, ?, ?, ?, 0, ?, ?, 'paid')",
            (sale, chance.choice(STORES), who, at, total, total),
        )
        connection.execute("insert into sale_items values (?, 1, ?, ?, ?)", (sale, sku, quantity, total))
        connection.execute("insert into payments values (?, ?, 'card', ?, ?)", (f"P-{number:04}", sale, total, at))


def new_sale(root: Path = ROOT, client: str = "banban") -> tuple[str, Path]:
    """Write the body of a sale that was not sent before; return its sale_id and the file."""
    body = json.loads((root / HUB / "examples" / "register_sale.json").read_text("utf-8"))
    name = secrets.token_hex(3).upper()
    body["event_id"] = f"till-7-{name}"
    body["data"]["sale_id"] = f"S-{name}"
    body["data"]["sold_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    file = root / ".run" / f"{client}-sale.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(body, indent=2) + "\n", "utf-8")
    return body["data"]["sale_id"], file


def command(file: Path, pipeline: str = "sales[banban]", *, root: Path = ROOT, options: Sequence[str] = ()) -> str:
    """Write the command that sends *file* as the real sender would, to be typed in *root*."""
    shown = file.relative_to(root) if file.is_relative_to(root) else file
    engine = Path(sys.executable).with_name("engine")
    engine = engine.relative_to(root) if engine.is_relative_to(root) else engine
    return shlex.join([str(engine), *options, "webhook", "send", pipeline, str(shown)])


def sale(sale_id: str, client: str = "banban", root: Path = ROOT) -> Mapping[str, object] | None:
    """Return the sale as the client's database has it, with its lines; None when it is not there."""
    with closing(sqlite3.connect(f"{database(client, root).as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("select * from sales where sale_id = ?", (sale_id,)).fetchone()
        if found is None:
            return None
        lines = connection.execute("select * from sale_items where sale_id = ? order by line", (sale_id,))
        return {**dict(found), "items": [dict(line) for line in lines]}


def _shown(row: Mapping[str, object]) -> Iterator[str]:
    for name in ("sale_id", "store_id", "customer_id", "sold_at", "total_cents", "paid_cents", "status"):
        yield f"{name:<12} {row[name]}"
    items = row["items"]
    assert isinstance(items, list)
    for line in items:
        yield f"line {line['line']:<7} {line['quantity']} x {line['sku']}, {line['amount_cents']} cents"


def main(arguments: Sequence[str]) -> int:
    """Do what is asked; return the exit code."""
    match arguments:
        case ["secrets"]:
            print(f"secrets are in {make_secrets().relative_to(ROOT)}/")
        case ["database"]:
            for path in make_databases():
                print(f"made {path.relative_to(ROOT)}")
        case ["line"]:
            make_secrets()
            sale_id, file = new_sale()
            print(command(file))
            print(f"then:  python scripts/banban_demo.py sale {sale_id}")
        case ["sale", sale_id]:
            row = sale(sale_id)
            if row is None:
                print(f"there is no sale {sale_id} in {database().relative_to(ROOT)}", file=sys.stderr)
                return 1
            print("\n".join(_shown(row)))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
