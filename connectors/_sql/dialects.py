"""What differs between databases: drivers, how to connect, what an error means. SQLite so far."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Engine, Executable, TableClause, create_engine, event, make_url
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    SQLAlchemyError,
    TimeoutError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from connectors._sql.writers import AsyncWriter, ThreadWriter, Writer
from engine.errors import ConnectorError, Disconnected, Misconfigured, Rejected, Transient

T = TypeVar("T")

_DRIVERS = {
    "sqlite": ("sqlite+aiosqlite", ""),
    "postgresql": ("postgresql+asyncpg", "postgres"),
    "postgres": ("postgresql+asyncpg", "postgres"),
    "mysql": ("mysql+asyncmy", "mysql"),
    "mariadb": ("mariadb+asyncmy", "mysql"),
    "oracle": ("oracle+oracledb_async", "oracle"),
    "mssql": ("mssql+aioodbc", "mssql"),
}
"""Scheme → the async driver we use, and the extra that installs it."""


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """Where a database is: its URL with the async driver; for SQLite also the file."""

    url: URL
    label: str
    """For messages: the file or the host, never credentials."""
    file: Path | None = None


def address(text: str, project: Path) -> Address:
    """Read a connection's ``url``. Raises Misconfigured, never with the text itself: it may hold a password."""
    if "://" not in text:
        raise Misconfigured("url: this is not a database URL; for a SQLite file write sqlite:///data/bank.db")
    scheme = text.partition("://")[0].partition("+")[0].lower()
    if scheme not in _DRIVERS:
        raise Misconfigured(f"url: '{scheme}' is not a database known here; known: {', '.join(sorted(_DRIVERS))}")
    try:
        url = make_url(text).set(drivername=_DRIVERS[scheme][0])
    except (ArgumentError, ValueError):
        raise Misconfigured("url: not readable as a database URL; write scheme://user:password@host/name") from None
    if scheme != "sqlite":
        return Address(url, f"{url.get_backend_name()} {url.host or ''}/{url.database or ''}")
    return _sqlite_address(url, project)


def _sqlite_address(url: URL, project: Path) -> Address:
    name = url.database or ""
    if url.host:
        raise Misconfigured("url: a SQLite file takes three slashes; write sqlite:///data/bank.db")
    if name in ("", ":memory:") or name.startswith("file:"):
        raise Misconfigured("url: name a database file, such as sqlite:///data/bank.db; one in memory is always empty")
    if url.query:
        raise Misconfigured("url: nothing may follow a '?' in the address of a SQLite file; see lock_wait")
    if "\0" in name:
        raise Misconfigured("url: the file name holds a NUL character")
    return Address(url, name, project / Path(name).expanduser())


def reader(where: Address, lock_wait: float) -> AsyncEngine:
    """Make the engine that sources read through; nothing is opened yet. Raises Misconfigured."""
    try:
        if where.file is None:
            return create_async_engine(where.url, hide_parameters=True, pool_pre_ping=True)
        url = _uri(where.file, "sqlite+aiosqlite", mode="ro", lock_wait=lock_wait)
        made = create_async_engine(url, hide_parameters=True, pool_size=2, max_overflow=30)
    except (ImportError, NoSuchModuleError):
        raise _driver_missing(where) from None
    _own_transactions(made.sync_engine, begin=None)
    return made


def writer(where: Address, lock_wait: float) -> Writer:
    """Make what targets write through; nothing is opened yet. Raises Misconfigured."""
    try:
        if where.file is None:
            return AsyncWriter(create_async_engine(where.url, hide_parameters=True, pool_pre_ping=True))
        url = _uri(where.file, "sqlite+pysqlite", mode="rw", lock_wait=lock_wait)
        made = create_engine(url, hide_parameters=True, pool_size=1, max_overflow=0)
    except (ImportError, NoSuchModuleError):
        raise _driver_missing(where) from None
    _own_transactions(made, begin="begin immediate")
    return ThreadWriter(made)


def _driver_missing(where: Address) -> Misconfigured:
    name = where.url.get_backend_name()
    extra = _DRIVERS[name][1]
    return Misconfigured(f"the driver for {name} is not installed; run: pip install 'integration-engine[{extra}]'")


def _uri(file: Path, driver: str, mode: str, lock_wait: float) -> URL:
    # a source cannot change the file whatever its query says, and no target creates one by a misspelt name
    query = {"uri": "true", "mode": mode, "timeout": str(lock_wait), "check_same_thread": "false"}
    return URL.create(driver, database=f"file:{quote(str(file.absolute()))}", query=query)


def _own_transactions(made: Engine, begin: str | None) -> None:
    """Begin transactions by *begin* and not by the driver's guess, so that savepoints and DDL are inside."""

    @event.listens_for(made, "connect")
    def configure(connection: Any, _: Any) -> None:
        sys.audit("engine.sqlite.opened", connection)  # tests of pipelines let it open no other file
        connection.isolation_level = None
        if begin:
            cursor = connection.cursor()
            cursor.execute("pragma foreign_keys=on")
            cursor.close()

    @event.listens_for(made, "begin")
    def start(connection: Any) -> None:
        if begin:
            connection.exec_driver_sql(begin)


def look(where: Address) -> None:
    """Say at once what keeps a SQLite file from being opened. Raises Misconfigured."""
    # never opened to see: closing any descriptor of the file drops the locks SQLite holds for this whole process, and
    # then another program takes the write-ahead log away under it
    if where.file is not None and not (where.file.is_file() and os.access(where.file, os.R_OK)):
        raise Misconfigured(f"{where.label}: {_unopened(where.file)}")


def upsert(
    dialect: str, into: TableClause, values: Mapping[str, Any], key: Sequence[str], overwrite: Sequence[str]
) -> Executable:
    """Insert, or overwrite the row that has the same *key*; with nothing to overwrite that row stays as it is."""
    if dialect != "sqlite":
        raise Misconfigured(f"upsert is not built yet for {dialect}; use statements with its own SQL")
    made = sqlite_insert(into).values(values)
    if not overwrite:
        return made.on_conflict_do_nothing(index_elements=list(key))
    return made.on_conflict_do_update(index_elements=list(key), set_={one: made.excluded[one] for one in overwrite})


async def stoppable(connection: AsyncConnection, work: Coroutine[Any, Any, T]) -> T:
    """Await *work* on *connection*; cancelled, stop what the database runs and not only the waiting for it."""
    if connection.dialect.name != "sqlite":
        return await work
    driver: Any = (await connection.get_raw_connection()).driver_connection
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            # again and again: an interrupt that comes just before a statement begins does not count
            await driver.interrupt()
            await asyncio.wait({task}, timeout=0.01)
        if not task.cancelled():
            task.exception()
        raise


def refused(error: BaseException) -> bool:
    """Say whether the database refuses the values, so that other records may pass."""
    if isinstance(error, IntegrityError | DataError):
        return True
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return True
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    if isinstance(error, InterfaceError):
        return True
    return code is not None and code & 0xFF in (sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH)


def reason(error: BaseException) -> str:
    """Return the database's own words, without statement and values."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


_SQLITE: dict[int, type[ConnectorError]] = {
    sqlite3.SQLITE_BUSY: Transient,
    sqlite3.SQLITE_LOCKED: Transient,
    sqlite3.SQLITE_FULL: Transient,
    sqlite3.SQLITE_IOERR: Disconnected,
    sqlite3.SQLITE_PROTOCOL: Transient,
    sqlite3.SQLITE_NOMEM: Transient,
    sqlite3.SQLITE_INTERRUPT: Transient,
}


def explain(error: SQLAlchemyError | OSError, where: Address, doing: str) -> ConnectorError:
    """Say what a database error means; *doing* is the option or act, for people."""
    said = f"{where.label}: {doing}: {reason(error)}"
    if isinstance(error, TimeoutError):
        return Transient(f"{where.label}: {doing}: no free connection; others hold it")
    if refused(error):
        return Rejected(said)
    if where.file is not None:
        return _explain_sqlite(error, where, said)
    if isinstance(error, OSError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return Disconnected(said)
    return Misconfigured(said)


def _explain_sqlite(error: BaseException, where: Address, said: str) -> ConnectorError:
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_CANTOPEN:
        return Misconfigured(f"{where.label}: {_unopened(where.file)}")
    if code == sqlite3.SQLITE_READONLY:
        return Misconfigured(f"{said}; a source only reads, and a target needs the right to write the file")
    if code == sqlite3.SQLITE_NOTADB:
        return Misconfigured(f"{where.label}: this file is not a SQLite database")
    if code == sqlite3.SQLITE_BUSY:
        return Transient(f"{said}; another program holds the lock, see lock_wait")
    return _SQLITE.get(code, Misconfigured)(said)


def _unopened(file: Path | None) -> str:
    if file is None or not file.exists():
        return "there is no such database file; paths are relative to the project"
    if not file.is_file():
        return "this is not a file"
    return "the file cannot be opened; may this user read it, and write in its folder?"
