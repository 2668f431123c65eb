"""The embedded store: one SQLite file, one writer thread, one process."""

from engine.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
