"""A file's bytes as UTF-8 in large blocks: unpacked, decoded, and read ahead in a thread."""

from __future__ import annotations

import asyncio
import codecs
import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from connectors._file.places import Place, explain
from engine.errors import ConnectorError, Misconfigured

BLOCK = 512 * 1024
"""Large enough that the hop to the thread costs nothing per record, small enough for the processor's cache."""

_BOM = codecs.BOM_UTF8
_UTF8 = frozenset({"utf-8", "utf-8-sig", "ascii"})


class Blocks:
    """One open file. Offsets count bytes of the UTF-8 text; for a plain UTF-8 file these are the file's own."""

    def __init__(self, place: Place, packed: bool, encoding: str) -> None:
        self.label = place.label
        self._encoding = encoding
        self._decode = _decoder(encoding)
        self._file: BinaryIO = os.fdopen(place.open(os.O_RDONLY), "rb", buffering=0)
        found = os.fstat(self._file.fileno())
        head = os.pread(self._file.fileno(), 4096, 0)
        self.identity = {
            "path": place.label,
            "size": found.st_size,
            "mtime": found.st_mtime_ns,
            "head": hashlib.sha256(head).hexdigest()[:32],
        }
        self._bytes: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=self._file)) if packed else self._file
        self._plain = not packed and self._decode is None
        self._skip = 0
        self.offset = 0
        """Where the next block begins."""
        self._ahead: asyncio.Future[bytes] | None = None

    async def seek(self, offset: int) -> None:
        """Go to *offset*; what was read ahead is forgotten."""
        await self._settle()
        self.offset = offset
        if self._plain:
            os.lseek(self._file.fileno(), offset, os.SEEK_SET)
            return
        self._bytes.seek(0)
        self._decode = _decoder(self._encoding)
        self._skip = offset

    async def next(self) -> bytes:
        """Return the next block, empty at the end; the one after it is read meanwhile. Raises ConnectorError."""
        self.go_on()
        assert self._ahead is not None
        block = await asyncio.shield(self._ahead)
        self._ahead = None
        if not self.offset and block.startswith(_BOM):
            self.offset, block = len(_BOM), block[len(_BOM) :]
        return block

    def go_on(self) -> None:
        """Begin to read the block after this one."""
        if self._ahead is None:
            self._ahead = self._begin()

    def _begin(self) -> asyncio.Future[bytes]:
        return asyncio.get_running_loop().run_in_executor(None, self._read)

    def _read(self) -> bytes:
        try:
            while True:
                block = self._more()
                if not self._skip or not block:
                    return block
                cut = min(self._skip, len(block))
                self._skip -= cut
                if cut < len(block):
                    return block[cut:]
        except OSError as error:
            if isinstance(error, gzip.BadGzipFile):
                raise self._damaged(error) from error
            raise explain(error, self.label) from error
        except (EOFError, zlib.error) as error:
            raise self._damaged(error) from error
        except UnicodeDecodeError as error:
            raise undecodable(self.label, self._encoding, error.object[error.start]) from None
        except UnicodeError as error:
            raise Misconfigured(f"{self.label}: this is not {self._encoding}: {error}") from None

    def _more(self) -> bytes:
        while True:
            data = self._bytes.read(BLOCK)
            if self._decode is None:
                return data
            text = self._decode(data, not data)
            if text or not data:
                return text.encode("utf-8", "surrogatepass")

    def _damaged(self, error: Exception) -> ConnectorError:
        return Misconfigured(f"{self.label}: this gzip file is damaged or cut off ({error})")

    async def close(self) -> None:
        """Close the file, once nobody reads it any more."""
        await self._settle()
        self._bytes.close()
        self._file.close()

    async def _settle(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await asyncio.wait({ahead})
            if not ahead.cancelled():
                ahead.exception()


def undecodable(label: str, encoding: str, byte: int) -> ConnectorError:
    """Say that a file has another encoding."""
    return Misconfigured(
        f"{label}: the byte 0x{byte:02X} is not {encoding}; name the file's encoding, such as encoding: cp1252"
    )


def _decoder(encoding: str) -> Callable[[bytes, bool], str] | None:
    """Return what decodes block by block; None for UTF-8, which goes on as it is."""
    try:
        name = codecs.lookup(encoding).name
        if name in _UTF8:
            return None
        made: Any = codecs.getincrementaldecoder(encoding)("strict")
        made.decode(b"")
    except (LookupError, TypeError):
        raise Misconfigured(f"encoding: '{encoding}' is not known; write utf-8, cp1252, latin-1, utf-16 …") from None
    decode: Callable[[bytes, bool], str] = made.decode
    return decode
