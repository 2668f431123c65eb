"""Unpacks a compressed answer piece by piece, so that a small one cannot fill the memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

ACCEPTED = "gzip, deflate"
PIECE = 64 * 1024


class Damaged(ValueError):
    """The compressed data is broken or ends too early."""


class Inflate:
    """Unpacks one answer's body; *encoding* is its Content-Encoding. Raises ValueError for one it does not know."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding.strip().lower().removeprefix("x-")
        if self.encoding not in ("", "identity", "gzip", "deflate"):
            raise ValueError(encoding)
        self._unpack: zlib._Decompress | None = None
        self._head = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what *data* unpacks to, at most 64 KiB at a time. Raises Damaged."""
        if self.encoding in ("", "identity"):
            yield data
            return
        data = self._head + data
        self._head = b""
        while data:
            if self._unpack is None or self._unpack.eof:
                if len(data) < 2:
                    self._head = data
                    return
                self._unpack = self._begin(data)
            yield from _some(self._unpack, data)
            data = self._unpack.unused_data

    def finish(self) -> None:
        """Say that the body is complete. Raises Damaged when it is not."""
        if self._head or (self._unpack is not None and not self._unpack.eof):
            raise Damaged("it ends too early")

    def _begin(self, data: bytes) -> zlib._Decompress:
        if self.encoding == "gzip":
            # a gzip file may be several behind one another
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        if self._unpack is not None:
            raise Damaged("there is more behind its end")
        # some servers call it deflate and leave the zlib header (RFC 1950) out
        with_header = data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        return zlib.decompressobj(zlib.MAX_WBITS if with_header else -zlib.MAX_WBITS)


def _some(unpack: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    full = False
    while (data or full) and not unpack.eof:
        try:
            piece = unpack.decompress(data, PIECE)
        except zlib.error as error:
            raise Damaged(str(error)) from None
        data = unpack.unconsumed_tail
        full = len(piece) == PIECE  # there may be more to come out of what is already in
        if piece:
            yield piece
