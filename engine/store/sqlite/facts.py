"""Which SQLite this is, for people who ask whether they can trust it."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

_FIXED = (3, 51, 3)


class SqliteFacts(NamedTuple):
    """The library this process runs."""

    version: str
    wal_reset_bug: bool
    """Before 3.51.3 two connections that write and checkpoint at once could damage the file.

    The engine has one such connection only, so the bug cannot strike through it; another program that writes to the
    file could wake it.
    """


def sqlite_facts(version: str = sqlite3.sqlite_version) -> SqliteFacts:
    """Tell the version and what is known against it."""
    return SqliteFacts(version, tuple(map(int, version.split("."))) < _FIXED)
