"""Reads files that somebody else may have put there: a pipe or a device is none, and a large one is not read whole."""

from __future__ import annotations

import errno
import os
import stat

_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def read(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return what the file at *path* holds, at most *limit* bytes and one: who gets that one knows it is too large.

    Raises OSError, whose ``strerror`` a person understands.
    """
    try:
        handle = os.open(path, _OPEN)  # not blocking: a pipe without a writer would wait for ever
    except ValueError:
        raise OSError(errno.EINVAL, "this is not a name of a file", str(path)) from None
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a file", str(path))
        return file.read(limit + 1)
