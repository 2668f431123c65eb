"""A copy of the file while others write, and the way back: never by copying bytes of a file in use."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from engine.errors import StoreError
from engine.store.sqlite.connect import open_reader
from engine.store.sqlite.files import Lock

_PAGES = 256
"""Pages of one step: between two the copy can be called off."""
_BESIDE = ("-wal", "-shm")


class _CalledOff(Exception):
    """Nobody waits for the copy any more."""


async def backup(source: Path, path: Path) -> None:
    """Write a copy of *source*, as it is at this moment, to the new file *path*. Raises StoreError."""
    called_off = threading.Event()

    def look() -> None:
        if called_off.is_set():
            raise _CalledOff

    copying = asyncio.ensure_future(asyncio.to_thread(_write, source, path, look))
    try:
        await asyncio.shield(copying)
    except asyncio.CancelledError:
        called_off.set()
        with contextlib.suppress(StoreError, _CalledOff):
            await copying
        raise


def _write(source: Path, path: Path, look: Callable[[], None]) -> None:
    if not source.exists():
        raise StoreError(f"{source}: there is no store yet, so there is nothing to copy")
    if path.exists():
        raise StoreError(f"{path}: this file is there already; name a new one")
    part = path.with_name(f".{path.name}.part")
    try:
        _copy(source, part, look)
        if path.exists():
            raise StoreError(f"{path}: somebody else wrote this file meanwhile; name a new one")
        part.rename(path)
        _flush(path.parent)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StoreError(f"{path}: the copy could not be written ({reason}); the store itself is untouched") from error
    finally:
        _forget(part)


def _copy(source: Path, part: Path, look: Callable[[], None] = lambda: None) -> None:
    """Copy page by page what is committed now; the file is on disk when this returns."""
    _forget(part)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    reading = open_reader(source)
    try:
        # one read transaction: else every commit of the writer would make the copy begin anew
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
        writing = sqlite3.connect(part, isolation_level=None, check_same_thread=False)
        try:
            writing.execute("PRAGMA synchronous=OFF")  # it is flushed below, once
            reading.backup(writing, pages=_PAGES, progress=lambda status, left, whole: look())
        finally:
            writing.close()
    finally:
        reading.close()
    _check(part)
    _flush(part)


def _check(path: Path) -> None:
    connection = open_reader(path)
    try:
        found: str = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    finally:
        connection.close()
    if found != "ok":
        raise StoreError(f"{path}: the file is damaged ({found.splitlines()[-1]}); use another backup")


def _forget(part: Path) -> None:
    for beside in ("", *_BESIDE, "-journal"):
        part.with_name(part.name + beside).unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def restore(copy: Path, path: Path, *, aside: bool = False) -> Path | None:
    """Put *copy* in the place of the store *path*; give where the store that was there was moved, if there was one.

    With everything left as it was it raises Unavailable while a process writes to the store, and StoreError where there
    is a store and it is not to be moved *aside*, or where the copy is damaged. What was accepted after the copy was
    made is in the old store only; what was delivered since then is delivered again.
    """
    if not copy.is_file():
        raise StoreError(f"{copy}: there is no such file to restore")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(path, 0.0)
    unclean = await lock.take()
    clean = not unclean
    try:
        old = _old(path)
        if old and not aside:
            raise StoreError(f"{path}: there is a store already; have it moved aside, or move it and its -wal away")
        moved = await asyncio.to_thread(_replace, copy, path, bool(old))
        clean = True
    finally:
        lock.give_back(clean=clean)
    return moved


def _old(path: Path) -> list[str]:
    """Name the endings of the files that are there; a log without its store would be taken for the new one's."""
    files = {beside: path.with_name(path.name + beside) for beside in ("", *_BESIDE)}
    return [beside for beside, file in files.items() if file.exists() and (beside or file.stat().st_size)]


def _replace(copy: Path, path: Path, aside: bool) -> Path | None:
    part = path.with_name(f".{path.name}.part")
    try:
        _copy(copy, part)
        moved = _move_aside(path) if aside else None
        part.rename(path)
        _flush(path.parent)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StoreError(f"{path}: {copy} could not be restored ({reason})") from error
    finally:
        _forget(part)
    return moved


def _move_aside(path: Path) -> Path:
    moved = path.with_name(f"{path.name}.before-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
    if moved.exists():
        raise StoreError(f"{moved}: this file is there already; try again in a second")
    for beside in _old(path):
        path.with_name(path.name + beside).rename(moved.with_name(moved.name + beside))
    return moved
