"""Makes a realistic bank database in SQLite, the same for the same seed, and changes rows in it.

    python -m tests.peers.bank_database create bank.db --transactions 50000
    python -m tests.peers.bank_database change bank.db --rows 500

What real data is like is here on purpose: hundreds of rows share one second of ``updated_at``, more than a batch of
100; the order of change is not the order of ids; texts hold quotes, line ends, emoji and right-to-left writing; most
columns that may be null sometimes are.

``amount`` is declared NUMERIC(12,2), as an ORM declares it. SQLite keeps such a value as an 8-byte float or an integer,
and 12 digits are fewer than the 15 a float carries, so the shortest text of what is read is the text that was written:
``0.10`` reads as ``0.1``, ``1234567890.12`` as itself, and ``150.00`` as the integer 150.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import string
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.peers.bank_names import (
    BANK_TYPES,
    CATEGORIES,
    FIRST_NAMES,
    INSTITUTIONS,
    PARTICLES,
    PURCHASES,
    SURNAMES,
    UGLY,
)

FIRST_DAY = datetime(2024, 1, 1, 6, 0, 0)
SPAN = timedelta(days=700)

SCHEMA = """
create table users (
  id integer primary key, name text not null, email text not null unique, password text not null, phone_number text,
  created_at text, updated_at text not null);
create table banks (
  id integer primary key, user_id integer not null references users (id), name text not null, type text,
  institution_code text, created_at text, updated_at text not null);
create table transactions (
  id integer primary key, bank_id integer not null references banks (id), amount numeric(12, 2), description text,
  category text, type text, currency text, transaction_date text, created_at text, updated_at text not null);
"""
# made after the rows, which is faster; they carry the incremental reads
INDEXES = """
create index users_by_change on users (updated_at, id);
create index banks_by_change on banks (updated_at, id);
create index transactions_by_change on transactions (updated_at, id);
"""
TABLES = ("users", "banks", "transactions")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows of each table."""

    users: int = 2_000
    banks: int = 3_000
    transactions: int = 50_000


def create(path: Path, sizes: Sizes = Sizes(), seed: int = 1) -> Path:
    """Write a new database at *path*, over any old one, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    chance = random.Random(seed)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript("pragma journal_mode = memory; pragma synchronous = off;" + SCHEMA)
        database.execute("begin")
        database.executemany("insert into users values (?,?,?,?,?,?,?)", _users(sizes.users, chance))
        database.executemany("insert into banks values (?,?,?,?,?,?,?)", _banks(sizes, chance))
        database.executemany("insert into transactions values (?,?,?,?,?,?,?,?,?,?)", _transactions(sizes, chance))
        database.execute("commit")
        database.executescript(INDEXES)
    return path


def change(path: Path, sizes: Sizes, seed: int = 1) -> None:
    """Change as many rows of each table as *sizes* says, later than every change before.

    The changed rows of one call share few seconds. Raises ValueError where a table has fewer rows.
    """
    chance = random.Random(seed)
    with closing(sqlite3.connect(path)) as database, database:
        latest = max(moment for table in TABLES for (moment,) in _latest(database, table))
        start = datetime.fromisoformat(latest) + timedelta(minutes=10)
        for table in TABLES:
            rows = getattr(sizes, table)
            moments = [_text(start + timedelta(seconds=chance.randrange(3))) for _ in range(rows)]
            _CHANGES[table](database, list(zip(moments, _some_ids(database, table, rows, chance), strict=True)))


def count(path: Path) -> Sizes:
    """Count the rows of a database."""
    with closing(sqlite3.connect(path)) as database:
        return Sizes(*(database.execute(f"select count(*) from {table}").fetchone()[0] for table in TABLES))


def share(rows: int) -> Sizes:
    """Spread *rows* changes over the three tables: few people and banks, many transactions."""
    users, banks = rows * 4 // 100, rows * 6 // 100
    return Sizes(users, banks, rows - users - banks)


def _latest(database: sqlite3.Connection, table: str) -> Iterator[tuple[str]]:
    return (row for row in database.execute(f"select max(updated_at) from {table}") if row[0] is not None)


def _some_ids(database: sqlite3.Connection, table: str, rows: int, chance: random.Random) -> list[int]:
    ids = [id for (id,) in database.execute(f"select id from {table} order by id")]
    if rows > len(ids):
        raise ValueError(f"{table} has {len(ids)} rows, {rows} cannot be changed")
    return chance.sample(ids, rows)


def _change_users(database: sqlite3.Connection, rows: list[tuple[str, int]]) -> None:
    database.executemany(
        "update users set updated_at = ?, phone_number = printf('+55 11 9%08d', id * 7919 % 100000000) where id = ?",
        rows,
    )


def _change_banks(database: sqlite3.Connection, rows: list[tuple[str, int]]) -> None:
    database.executemany("update banks set updated_at = ?, name = name || ' (atualizado)' where id = ?", rows)


def _change_transactions(database: sqlite3.Connection, rows: list[tuple[str, int]]) -> None:
    database.executemany(
        "update transactions set updated_at = ?, amount = round(coalesce(amount, 0) + 0.01, 2),"
        " description = 'corrigido: ' || coalesce(description, '') where id = ?",
        rows,
    )


_CHANGES = {"users": _change_users, "banks": _change_banks, "transactions": _change_transactions}


def _users(rows: int, chance: random.Random) -> Iterator[tuple[object, ...]]:
    for id, changed in _changes(rows, chance):
        name = _person(chance)
        phone = f"+55 {chance.randrange(11, 99)} 9{chance.randrange(10**8):08d}" if chance.random() > 0.2 else None
        created = _text(changed - timedelta(days=chance.randrange(400))) if chance.random() > 0.01 else None
        yield id, name, _email(name, id), _password(chance), phone, created, _text(changed)


def _banks(sizes: Sizes, chance: random.Random) -> Iterator[tuple[object, ...]]:
    for id, changed in _changes(sizes.banks, chance):
        code, name = chance.choice(INSTITUTIONS)
        user = id if id <= sizes.users else chance.randint(1, sizes.users)
        kind = chance.choice(BANK_TYPES) if chance.random() > 0.1 else None
        created = _text(changed - timedelta(days=chance.randrange(400))) if chance.random() > 0.01 else None
        yield id, user, name, kind, code if chance.random() > 0.05 else None, created, _text(changed)


def _transactions(sizes: Sizes, chance: random.Random) -> Iterator[tuple[object, ...]]:
    for id, changed in _changes(sizes.transactions, chance):
        fate = chance.random()
        made = changed - timedelta(seconds=chance.randrange(86_400 * 90))
        yield (
            id,
            chance.randint(1, sizes.banks),
            None if fate < 0.005 else _amount(chance),
            _description(chance),
            None if fate > 0.85 else chance.choice(CATEGORIES),
            None if 0.5 < fate < 0.53 else "CREDIT" if fate < 0.2 else "DEBIT",
            None if 0.6 < fate < 0.7 else "USD" if fate > 0.99 else "BRL",
            # never both null: one of them must tell when it happened
            None if fate < 0.003 else _text(made),
            None if 0.7 < fate < 0.71 else _text(made + timedelta(seconds=chance.randrange(3600))),
            _text(changed),
        )


def _changes(rows: int, chance: random.Random) -> Iterator[tuple[int, datetime]]:
    """Give every id the second of its last change, in the order of ids; whole imports share a second."""
    ids = list(range(1, rows + 1))
    chance.shuffle(ids)
    moments: dict[int, datetime] = {}
    while len(moments) < rows:
        moment = FIRST_DAY + timedelta(seconds=chance.randrange(int(SPAN.total_seconds())))
        together = chance.choice((1, 1, 1, 1, 2, 2, 3, 5, 8, 20, 60, 350))
        for id in ids[len(moments) : len(moments) + together]:
            moments[id] = moment
    return ((id, moments[id]) for id in range(1, rows + 1))


def _text(moment: datetime) -> str:
    return moment.isoformat(" ")


def _person(chance: random.Random) -> str:
    middle = (chance.choice(PARTICLES),) if chance.random() < 0.3 else ()
    return " ".join((chance.choice(FIRST_NAMES), *middle, chance.choice(SURNAMES), chance.choice(SURNAMES)))


def _email(name: str, id: int) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = "".join(letter if letter.isalnum() else " " for letter in plain.lower()).split()
    return f"{words[0]}.{words[-1]}{id}@exemplo.com.br"


_HASH_LETTERS = string.ascii_letters + string.digits + "./"


def _password(chance: random.Random) -> str:
    # the look of bcrypt; no password is behind it
    return "$2b$12$" + "".join(chance.choices(_HASH_LETTERS, k=53))


def _amount(chance: random.Random) -> str:
    fate = chance.random()
    if fate < 0.01:
        return "0.00"
    cents = chance.randrange(10**9, 10**12) if fate > 0.998 else int(chance.lognormvariate(8.5, 1.4)) + 1
    return f"{'-' if 0.01 < fate < 0.03 else ''}{cents // 100}.{cents % 100:02d}"


def _description(chance: random.Random) -> str | None:
    fate = chance.random()
    if fate < 0.02:
        return None
    if fate < 0.06:
        return chance.choice(UGLY)
    if fate > 0.9998:
        return "muito longo " * chance.randrange(300, 900)
    return f"{chance.choice(PURCHASES)} {chance.randrange(1, 10_000)}"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Make a realistic bank database, or change rows in one.")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("create", help="write a new database")
    for table in TABLES:
        making.add_argument(f"--{table}", type=int, default=getattr(Sizes(), table))
    changing = commands.add_parser("change", help="change rows, later than every change before")
    changing.add_argument("--rows", type=int, default=500)
    for command in (making, changing):
        command.add_argument("path", type=Path)
        command.add_argument("--seed", type=int, default=1)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    options = _arguments().parse_args(arguments)
    if options.command == "create":
        create(options.path, Sizes(options.users, options.banks, options.transactions), options.seed)
    else:
        change(options.path, share(options.rows), options.seed)
    rows = count(options.path)
    print(f"{options.path}: {rows.users} users, {rows.banks} banks, {rows.transactions} transactions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
