"""The files beside the database: its folder, the lock of the one process that writes, the reserve of space."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sys
import time
from pathlib import Path

from engine.errors import Unavailable

_POLL = 0.05
_NETWORK = frozenset(("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "fuse.sshfs"))
_MIB = 1024 * 1024


def prepare(path: Path) -> None:
    """Make the folder (0700) and the file (0600) for the owner's eyes only; refuse a network drive."""
    try:
        _make_folder(path.parent)
        if (kind := _file_system(path.parent)) in _NETWORK:
            raise Unavailable(
                f"{path}: the folder is on a network drive ({kind}), where SQLite loses data; "
                "set store.sqlite.path to a local disk"
            )
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_mode & 0o077:
                os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unavailable(
            f"{path}: the store cannot be made here ({error.strerror}); check the folder's owner and rights, "
            "or set store.sqlite.path"
        ) from error


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        _make_folder(folder.parent)
        with contextlib.suppress(FileExistsError):  # another process was quicker
            folder.mkdir(mode=0o700)


def _file_system(folder: Path) -> str:
    """Name the file system *folder* is on, or nothing where the machine does not say."""
    place, best, kind = str(folder.resolve()), "", ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines():
            _, mount, fs, *_ = line.split(" ")
            mount = mount.replace("\\040", " ")
            inside = place == mount or place.startswith(mount.rstrip("/") + "/")
            if inside and len(mount) >= len(best):
                best, kind = mount, fs
    return kind


class Lock:
    """Lets one process write: a lock of the operating system, gone with the process however it ends."""

    def __init__(self, database: Path, wait: float) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")
        self._wait = wait
        self._descriptor = -1

    async def take(self) -> bool:
        """Take it, waiting a while; give whether the process before this one ended without giving it back."""
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unavailable(f"{self._path}: cannot be made ({error.strerror}); check the folder's rights") from error
        try:
            await self._queue_up()
        except BaseException:
            os.close(self._descriptor)
            raise
        unclean = bool(os.pread(self._descriptor, 1, 0))
        with contextlib.suppress(OSError):  # on a full disk the name is missing; the lock itself needs no space
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n{_command()}\n".encode(), 0)
        return unclean

    async def _queue_up(self) -> None:
        deadline = time.monotonic() + self._wait
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Unavailable(
                        f"{self._database}: {self._holder()} is writing to this store and did not end within "
                        f"{self._wait:g} s; stop it or wait for it (commands that only read work meanwhile)"
                    ) from None
                await asyncio.sleep(_POLL)
            else:
                return

    def _holder(self) -> str:
        lines = os.pread(self._descriptor, 4096, 0).decode("utf-8", "replace").splitlines()
        return f"{lines[1]} (pid {lines[0]})" if len(lines) > 1 else "another process"

    def give_back(self, *, clean: bool) -> None:
        """Let the next process in; not *clean*: it checks the file first."""
        if clean:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def _command() -> str:
    """Name what this process is by its first words; the others may be secrets."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    word = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1].isidentifier() else ""
    return f"{name or 'python'} {word}".strip()


class Space:
    """Watches the disk's free space, and keeps some in a file that is given up when the disk is full."""

    def __init__(self, database: Path, min_free: int | None, reserve: int | None) -> None:
        self._folder = database.parent
        self._file = database.with_name(database.name + ".reserve")
        self._kept = False
        disk = os.statvfs(self._folder)
        # a small disk must not be refused because it is small
        part = disk.f_blocks * disk.f_frsize // 20
        self._min_free = min(256 * _MIB, part) if min_free is None else min_free
        self._reserve = min(64 * _MIB, part) if reserve is None else reserve

    def low(self) -> bool:
        """Tell whether nothing new should be accepted; takes the reserve back once there is room for it."""
        if not self._kept and self._reserve and self._free() >= self._min_free + self._reserve:
            self._keep()
        # a reserve that was given up must not be eaten by new work
        return self._free() < self._min_free + (0 if self._kept else self._reserve)

    def _free(self) -> int:
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize

    def give_up_reserve(self) -> None:
        """Free the reserve, so that settling and purging go on on a full disk."""
        self._file.unlink(missing_ok=True)
        self._kept = False

    def _keep(self) -> None:
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_blocks * 512 < self._reserve:
                os.posix_fallocate(descriptor, 0, self._reserve)
            self._kept = True
        except OSError:  # somebody else took the room; the next look tries again
            self._file.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    @property
    def message(self) -> str:
        """Say what ``low`` means to people."""
        needed = -(-self._min_free // _MIB)
        return (
            f"the disk of {self._folder} is almost full: with less than {needed} MiB free nothing new is accepted, and "
            "nothing was changed; make space (or lower store.sqlite.min_free), it goes on by itself"
        )
