"""The store's twin in memory: the same behaviour, for tests and for runs that need not survive."""

from engine.store.memory.store import MemoryStore
from engine.store.memory.tables import Tables

__all__ = ["MemoryStore", "Tables"]
