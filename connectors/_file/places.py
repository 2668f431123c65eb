"""Where files may be: inside the project and the folders of ``files:``, whatever links and dots say.

A path is resolved first and judged then. It is opened folder by folder from the root it lies in, following no link,
so that what was judged is what is opened even if somebody swaps a folder for a link in between.
"""

from __future__ import annotations

import errno
import fnmatch
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ConnectorError, Disconnected, Misconfigured, Transient

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Place:
    """A file, existing or not, that lies inside *root*."""

    label: str
    """As people wrote it, relative to the project."""
    root: Path
    parts: tuple[str, ...]
    """From the root, without links and dots; at least one."""

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.parts[-1]

    def folder(self, make: bool = False) -> int:
        """Open the folder the file is in; *make* creates it. The caller closes. Raises ConnectorError."""
        try:
            return self._enter(make)
        except OSError as error:
            raise explain(error, self.label) from error

    def _enter(self, make: bool) -> int:
        here = os.open(self.root, _FOLDER & ~os.O_NOFOLLOW)
        for part in self.parts[:-1]:
            try:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=here)
                below = os.open(part, _FOLDER, dir_fd=here)
            finally:
                os.close(here)
            here = below
        return here

    def open(self, flags: int) -> int:
        """Open the file; the caller closes. Raises ConnectorError, also for what is no regular file."""
        folder = self.folder()
        try:
            return open_in(folder, self.name, flags, self.label)
        finally:
            os.close(folder)


def check_in(folder: int, name: str, label: str) -> None:
    """Refuse a name in an open folder that means anything but a regular file; it may be free. Raises ConnectorError."""
    try:
        with suppress(FileNotFoundError):
            _regular(os.stat(name, dir_fd=folder, follow_symlinks=False), label)
    except OSError as error:
        raise explain(error, label) from error


def open_in(folder: int, name: str, flags: int, label: str) -> int:
    """Open a regular file of an open folder, following no link. Raises ConnectorError."""
    # looked at before it is opened: opening a device or a pipe can already do something
    check_in(folder, name, label)
    try:
        found = os.open(name, flags | _FILE, 0o666, dir_fd=folder)
    except OSError as error:
        raise explain(error, label) from error
    try:
        _regular(os.fstat(found), label)
    except ConnectorError:
        os.close(found)
        raise
    return found


def _regular(found: os.stat_result, label: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Misconfigured(f"{label}: this is a folder, link, pipe or device; only a regular file will do")


class Roots:
    """The folders that file connectors may touch; relative paths are relative to the first."""

    def __init__(self, project: Path, others: Sequence[Path]) -> None:
        self._project = Path(os.path.realpath(project))
        self._roots = [self._project, *(Path(os.path.realpath(self._project / other)) for other in others)]

    def place(self, text: str) -> Place:
        """Return where *text* leads. Raises Misconfigured when that is outside of all roots."""
        return self._judge(self._project / _sane(text), text)

    def _judge(self, path: Path, text: str) -> Place:
        try:
            real = Path(os.path.realpath(path))
        except OSError as error:
            raise explain(error, text) from error
        for root in self._roots:
            if real != root and real.is_relative_to(root):
                return Place(text, root, real.relative_to(root).parts)
        raise Misconfigured(
            f"{text}: this leads out of the project; a folder elsewhere must be named under `files:` in engine.yaml"
        )

    def expand(self, pattern: str) -> list[Place]:
        """Return the files that *pattern* matches, sorted by name; a name without wildcards need not exist."""
        _sane(pattern)
        if not glob.has_magic(pattern) or os.path.lexists(self._project / pattern):
            return [self.place(pattern)]
        parts = Path(pattern).parts
        fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
        base = Path(*parts[:fixed])
        real = Path(os.path.realpath(self._project / base))
        if not any(real.is_relative_to(root) for root in self._roots):
            return [self.place(pattern)]  # which says that it leads out
        found = sorted({str(base / name) for name in _match(self._project / base, parts[fixed:])})
        return [self._judge(self._project / name, name) for name in found]


def _sane(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise Misconfigured("path: this is empty or holds a NUL character; write a path such as data/orders.csv")
    if ".." in Path(text).parts:
        raise Misconfigured(f"{text}: '..' is not used in paths here; write the path from the project's folder")
    return text


def _match(folder: Path, parts: Sequence[str]) -> Iterator[str]:
    """Yield the names below *folder* that fit; folders that are links are entered only by their own name."""
    head, rest = parts[0], parts[1:]
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    if head == "**":
        yield from _match(folder, rest or ("*",))
    for entry in entries:
        if entry.name.startswith(".") and not head.startswith("."):
            continue
        if head == "**":
            if entry.is_dir(follow_symlinks=False):
                yield from (f"{entry.name}/{name}" for name in _match(folder / entry.name, parts))
        elif fnmatch.fnmatchcase(entry.name, head):
            if rest:
                yield from (f"{entry.name}/{name}" for name in _match(folder / entry.name, rest))
            elif not _is_folder(entry):
                yield entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link in a circle; opening it says so


def explain(error: OSError, label: str) -> ConnectorError:
    """Say what a failed call on a file means."""
    code = error.errno
    if code == errno.ENOENT:
        return Misconfigured(f"{label}: there is no such file or folder; paths are relative to the project")
    if code in (errno.ELOOP, errno.ENOTDIR):
        return Misconfigured(f"{label}: a part of this path is a link or no folder")
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Misconfigured(f"{label}: {os.strerror(code)}; may this user use the file and its folder?")
    if code in (errno.ENOSPC, errno.EDQUOT):
        return Transient(f"{label}: the disk is full")
    if code in (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN):
        return Disconnected(f"{label}: {os.strerror(code)}")
    if code in (errno.EMFILE, errno.ENFILE):
        return Transient(f"{label}: too many files are open")
    return Misconfigured(f"{label}: {error.strerror or error}")
