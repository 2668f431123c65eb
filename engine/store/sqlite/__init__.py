"""The embedded store: one SQLite file, one writer thread, one process."""

from engine.store.sqlite.backup import restore
from engine.store.sqlite.facts import SqliteFacts, sqlite_facts
from engine.store.sqlite.store import SqliteStore

__all__ = ["SqliteFacts", "SqliteStore", "restore", "sqlite_facts"]
