"""Where the control socket stands and how it is reached, however long its path is."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISSOCK
from typing import Final

from engine.errors import Unavailable

_ROOM: Final = 107
"""Bytes of a path that fit into a socket address, its end not counted."""
_CREDENTIALS: Final = struct.Struct("3i")


def beside(store: Path) -> Path:
    """Name the socket of the server that writes to *store*: ``engine.sock`` for ``engine.db``."""
    return store.with_suffix(".sock")


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Give a text for *path* that fits into a socket address, good until the end of the block.

    Raises Unavailable where even the name alone is too long.
    """
    if len(os.fsencode(path)) <= _ROOM:
        yield os.fspath(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        short = f"/proc/self/fd/{folder}/{path.name}"
        if len(os.fsencode(short)) > _ROOM:
            raise Unavailable(f"{path}: the name is too long for a socket; give the store's file a shorter one")
        yield short
    finally:
        os.close(folder)


def listening(path: Path) -> socket.socket:
    """Make a socket at *path* that only this user can call; one that a dead process left is replaced.

    Raises Unavailable when another process answers there, or something else is in the way.
    """
    _make_room(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        with reachable(path) as address:
            made.bind(address)
        path.chmod(0o600)  # nobody can connect before listen, so there is no moment in which others could
        made.listen(64)
    except OSError as error:
        made.close()
        raise Unavailable(f"{path}: the control socket cannot be made ({error.strerror})") from error
    except BaseException:
        made.close()
        raise
    return made


def _make_room(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not S_ISSOCK(found.st_mode):
        raise Unavailable(f"{path} is in the way of the control socket; move it elsewhere")
    if answers(path):
        raise Unavailable(f"{path}: another `engine serve` works with this store; stop it first")
    path.unlink(missing_ok=True)


def answers(path: Path) -> bool:
    """Tell whether a process listens at *path*. Raises Unavailable when it may not be asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            with reachable(path) as address:
                probe.connect(address)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return False
        except PermissionError:
            raise Unavailable(f"{path}: a server of another user works with this store; act as that user") from None
        except (BlockingIOError, TimeoutError):  # its queue is full: it lives, and is busy
            return True
    return True


def remove(path: Path, mine: os.stat_result) -> None:
    """Take the socket away, unless another process has put its own there."""
    with suppress(FileNotFoundError):
        if os.path.samestat(path.lstat(), mine):
            path.unlink()


def caller(connection: socket.socket) -> int:
    """Return the user id of the process at the other end, as the kernel says."""
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)


def admitted(uid: int, own: int) -> bool:
    """Tell whether a process of user *uid* may command one of user *own*: the same user, and root."""
    return uid in (own, 0)
