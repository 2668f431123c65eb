"""Databases of one test: fresh SQLite files, made of a schema and rows, and looked into afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.testing.moments import Stuck

Row = Mapping[str, Any]


@contextmanager
def databases(given: Mapping[str, Any], root: Path) -> Iterator[dict[str, Path]]:
    """Make them; by connection the file, gone at the end. Raises Stuck for a schema or rows that do not fit."""
    if not given:
        yield {}
        return
    with TemporaryDirectory(prefix="engine-test-") as folder:
        made = {}
        for number, (name, how) in enumerate(given.items()):
            path = made[name] = Path(folder) / f"{number}.db"
            _make(path, name, how, root)
        yield made


def alone(database: Any) -> None:
    """Let a connection open no file but its own, whatever its statements say."""
    if isinstance(database, sqlite3.Connection):
        database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)


def _make(path: Path, name: str, how: Mapping[str, Any], root: Path) -> None:
    if how.get("schema"):
        schema = (root / how["schema"]).resolve()
        if not schema.is_relative_to(root.resolve()):
            raise Stuck(f"databases.{name}.schema: {how['schema']} stands outside the project folder: put it inside")
        path.write_bytes(_empty(schema, name))
    with closing(sqlite3.connect(path)) as database:
        # nobody needs the file after a crash
        database.executescript("pragma journal_mode = wal; pragma synchronous = off;")
        try:
            for table, rows in (how.get("rows") or {}).items():
                for row in rows:
                    _insert(database, table, row)
            database.commit()
        except sqlite3.Error as error:
            raise Stuck(f"databases.{name} cannot be made: {error}") from None


def _empty(schema: Path, name: str) -> bytes:
    """Return a database with the tables of *schema*, made once."""
    try:
        return _made(schema.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Stuck(f"databases.{name}.schema: {schema.name} cannot be read: {error}") from None
    except sqlite3.Error as error:
        raise Stuck(f"databases.{name}.schema: {schema.name}: {error}") from None


@lru_cache(16)
def _made(script: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        alone(database)
        database.executescript(script)
        return database.serialize()


def _insert(database: sqlite3.Connection, table: str, row: Row) -> None:
    names = ", ".join(_quoted(name) for name in row)
    marks = ", ".join("?" for _ in row)
    database.execute(f"insert into {_quoted(table)} ({names}) values ({marks})", list(row.values()))


def rows(path: Path, table: str) -> list[dict[str, Any]]:
    """Return all rows of a table in the order of its key. Raises Stuck where there is no such table."""
    with closing(sqlite3.connect(path)) as database:
        columns = database.execute(f"pragma table_info({_quoted(table)})").fetchall()
        if not columns:
            raise Stuck(f"expect.rows: there is no table '{table}'")
        names = [column[1] for column in columns]
        key = [column[1] for column in sorted(columns, key=lambda one: one[5]) if column[5]] or ["rowid"]
        order = ", ".join(map(_quoted, key))
        found = database.execute(f"select {', '.join(map(_quoted, names))} from {_quoted(table)} order by {order}")
        return [dict(zip(names, row, strict=True)) for row in found]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
