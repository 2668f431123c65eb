"""One file being written: a part file that becomes visible at the end, or one that grows and can be cut back."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import suppress
from typing import Any

from connectors._file.places import Place, check_in, explain, open_in
from engine.errors import ConnectorError, Misconfigured, Transient

_TRIES = 10


class Output:
    """An open file of which one run at a time writes; what it holds is *length* bytes, whatever went wrong."""

    def __init__(self, place: Place, part: bool) -> None:
        self.place, self._part = place, part
        self._name = f".{place.name}.part" if part else place.name
        self._folder = place.folder(make=True)
        self._file = -1
        self.length = 0

    def open(self) -> None:
        """Open and lock the file; a part file left over from a run that died is emptied. Raises ConnectorError."""
        if self._part:
            check_in(self._folder, self.place.name, self.place.label)
        for _ in range(_TRIES):
            found = open_in(self._folder, self._name, os.O_RDWR | os.O_CREAT, self.place.label)
            if self._locked(found):
                self._file = found
                break
        else:
            raise Transient(f"{self.place.label}: the file is replaced again and again by somebody else")
        if self._part:
            os.ftruncate(self._file, 0)
        self.length = os.fstat(self._file).st_size

    def _locked(self, found: int) -> bool:
        """Lock *found*; False when its name has come to mean another file meanwhile."""
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.path.samestat(os.fstat(found), os.stat(self._name, dir_fd=self._folder, follow_symlinks=False))
        except BlockingIOError:
            os.close(found)
            raise Transient(f"{self.place.label}: another run is writing this file") from None
        except FileNotFoundError:
            same = False
        except OSError as error:
            os.close(found)
            raise explain(error, self.place.label) from error
        if not same:
            os.close(found)
        return same

    @property
    def inode(self) -> int:
        """Which file it is, whatever its name."""
        return os.fstat(self._file).st_ino

    def read(self, size: int, offset: int = 0) -> bytes:
        """Return a part of what the file holds."""
        return os.pread(self._file, size, offset)

    def cut(self, length: int) -> None:
        """Throw away what is behind *length*. Raises ConnectorError."""
        try:
            os.ftruncate(self._file, length)
        except OSError as error:
            raise explain(error, self.place.label) from error
        self.length = length

    def write(self, data: bytes) -> None:
        """Write *data* whole, or leave the file as it was. Raises ConnectorError."""
        left = memoryview(data)
        at = self.length
        try:
            while left:
                written = os.pwrite(self._file, left, at)
                left, at = left[written:], at + written
        except OSError as error:
            self.cut(self.length)
            raise explain(error, self.place.label) from error
        self.length = at

    async def flush(self) -> None:
        """Make what was written durable. Raises ConnectorError."""
        await _in_thread(self.place.label, os.fsync, self._file)

    async def publish(self) -> None:
        """Put the part file in place of the old one, durably. Raises ConnectorError."""
        with suppress(FileNotFoundError):
            old = os.stat(self.place.name, dir_fd=self._folder, follow_symlinks=False)
            os.fchmod(self._file, old.st_mode & 0o777)
        await self.flush()
        try:
            os.rename(self._name, self.place.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError as error:
            raise explain(error, self.place.label) from error
        self._part = False
        await _in_thread(self.place.label, os.fsync, self._folder)

    def close(self) -> None:
        """Close; a part file that was not published is removed."""
        if self._file >= 0:
            if self._part:
                with suppress(FileNotFoundError):
                    os.unlink(self._name, dir_fd=self._folder)
            os.close(self._file)
        os.close(self._folder)
        self._file = self._folder = -1


async def _in_thread(label: str, call: Any, file: int) -> None:
    doing = asyncio.get_running_loop().run_in_executor(None, call, file)
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        # the file must not be closed, and its number reused, while the thread still works on it
        await asyncio.wait({doing})
        doing.exception()
        raise
    except OSError as error:
        raise _lost(error, label) from error


def _lost(error: OSError, label: str) -> ConnectorError:
    """After a failed fsync nobody knows what is on the disk, and a second one may say that all is well."""
    return Misconfigured(f"{label}: the disk did not take what was written: {explain(error, label)}")
