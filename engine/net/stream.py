"""An answer that is read piece by piece, unpacked, with bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

import aiohttp

from engine.errors import ConnectorError, Misconfigured, Uncertain
from engine.net.inflate import Damaged, Inflate
from engine.net.lost import Trip
from engine.net.played import Played


class Stream:
    """An answer whose body is still to be read; its reader closes it."""

    def __init__(self, trip: Trip, response: aiohttp.ClientResponse | Played, url: str) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = url
        self.taken = isinstance(response, Played) and response.taken
        self.what = f"{trip.name} answered {response.status} to {trip.what}"
        self._trip = trip
        self._response = response

    def close(self) -> None:
        """Let go of the connection; one that was read to its end is kept for the next request."""
        self._response.close()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body unpacked, at most 256 KiB at once; each must come within the request's timeout."""
        encoding = self.headers.get("Content-Encoding", "")
        try:
            inflate = Inflate(encoding)
        except ValueError:
            raise self._refuse(f"it is packed as {encoding!r}, which was not asked for") from None
        while data := await self._trip.keep(self._response.content.readany):
            for piece in self._unpacked(inflate, data):
                yield piece
        try:
            inflate.finish()
        except Damaged as error:
            raise self._damaged(error) from None

    async def read(self, limit: int) -> bytes:
        """Return the whole body; of an answer that is no success only its first *limit* bytes."""
        parts: list[bytes] = []
        size = 0
        async for piece in self.pieces():
            parts.append(piece)
            size += len(piece)
            if size > limit:
                if self.status >= 300:
                    break
                raise self.too_large(f"it is larger than {limit} bytes")
        return b"".join(parts)

    def too_large(self, what: str) -> ConnectorError:
        """Word the error for more than the memory may hold."""
        return self._refuse(f"{what}; ask for less at once, or raise max_response of the connection")

    def _unpacked(self, inflate: Inflate, data: bytes) -> Iterator[bytes]:
        try:
            yield from inflate.feed(data)
        except Damaged as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Damaged) -> ConnectorError:
        return self._trip.lost(f"its compressed body is damaged: {error}")

    def _refuse(self, why: str) -> ConnectorError:
        text = f"{self.what}, and the answer cannot be read: {why}"
        return Misconfigured(text) if self._trip.request.reads else Uncertain(text)
