"""Opening the file: settings of a connection, the version of its tables, what is refused."""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path

from engine.errors import StoreFailed, Unavailable

_APPLICATION = 0x454E474E
"""Marks the file as the engine's own (``ENGN``)."""

_CHECKED_UP_TO = 1024**3
"""A larger file is not checked after a crash: that would take longer than people wait for a restart."""

_WRITER = (
    "auto_vacuum=INCREMENTAL",  # before the first table, else it has no effect
    "journal_mode=WAL",
    "synchronous=FULL",  # NORMAL would lose commits when the power fails
    "fullfsync=1",
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "cache_size=-65536",
    "wal_autocheckpoint=1000",
    "journal_size_limit=67108864",
    "mmap_size=0",
    "trusted_schema=OFF",
)
_READER = ("query_only=1", "temp_store=MEMORY", "mmap_size=0", "trusted_schema=OFF")


def migrations() -> tuple[str, ...]:
    """Give the texts of the numbered migrations, oldest first; the n-th leads to version n."""
    folder = resources.files("engine.store.sqlite") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return tuple(file.read_text("utf-8") for file in files)


def open_writer(path: Path, factory: type[sqlite3.Connection], *, unclean: bool) -> sqlite3.Connection:
    """Open the one connection that writes and checkpoints, and bring the tables to this engine's version."""
    connection = sqlite3.connect(path, isolation_level=None, factory=factory, cached_statements=256)
    try:
        connection.execute("PRAGMA busy_timeout=5000")
        _version(connection, path)
        for pragma in _WRITER:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if unclean and path.stat().st_size <= _CHECKED_UP_TO:
            _check(connection, path)
        _migrate(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise _refusal(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that cannot write; while there is no store yet, one that reads as empty."""
    if not path.exists() or not path.stat().st_size:
        return _empty()
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA busy_timeout=5000")
        version = _version(connection, path)
        if 0 < version < len(migrations()):
            raise Unavailable(
                f"{path}: the store is from an older engine; run any command that writes once, to bring it up to date"
            )
        for pragma in _READER:
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except sqlite3.Error as error:
        connection.close()
        raise _refusal(path, error) from error
    except BaseException:
        connection.close()
        raise
    if version:
        return connection
    connection.close()  # another process is just making it
    return _empty()


def _empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    for text in migrations():
        connection.executescript(text)
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != _APPLICATION:
        raise Unavailable(f"{path}: this is a database of another program; set store.sqlite.path to another file")
    if version > (known := len(migrations())):
        raise Unavailable(
            f"{path}: the store was written by a newer engine (its version {version}, this engine knows {known}); "
            "install that engine again, or set store.sqlite.path to a backup from before the upgrade"
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if (mode := connection.execute("PRAGMA journal_mode").fetchone()[0]) != "wal":
        raise Unavailable(
            f"{path}: this disk allows no write-ahead log (got {mode!r}); set store.sqlite.path to a local disk"
        )
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    for number, text in enumerate(migrations()[version:], version + 1):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; {text}; PRAGMA application_id={_APPLICATION}; PRAGMA user_version={number}; COMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreFailed(f"{path}: the store is damaged ({found.splitlines()[-1]}); {_RESTORE}")


_RESTORE = "move it away and put a backup in its place"


def damaged(error: sqlite3.Error) -> bool:
    """Tell errors of the disk or the file, after which the process must not go on."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in _DAMAGE and getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_IOERR_SHMSIZE


def full(error: sqlite3.Error) -> bool:
    """Tell a full disk; the log's index cannot grow on one either."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE


_DAMAGE = frozenset(
    (
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
    )
)


def _refusal(path: Path, error: sqlite3.Error) -> Unavailable | StoreFailed:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreFailed(f"{path}: the store is damaged ({error}); {_RESTORE}")
    if code == sqlite3.SQLITE_IOERR and not full(error):
        return StoreFailed(f"{path}: the disk failed ({error}); check it, then start again")
    if full(error):
        return Unavailable(f"{path}: the disk is full; make space and start again")
    return Unavailable(
        f"{path}: the store cannot be opened ({error}); check the owner and rights of the file and its folder"
    )
