"""Senders of signed webhooks that do not give up: python webhook_load.py PORT PATH CONNECTIONS LOG FIRST.

Each connection sends one event after the other and repeats it, under the same id, until it is answered 2xx; then, and
only then, its id goes to LOG (one append each), with the seconds since the epoch. Ends with SIGTERM.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import os
import signal
import sys
import time

SECRET = b"a secret for tests only"


def request(path: str, event: int) -> bytes:
    """Write one call, signed."""
    body = b'{"id": %d, "value": "v%d", "amount": %d.25}' % (event, event % 97, event % 1000)
    signed = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\nX-Event: {event}\r\n"
        f"X-Signature: sha256={signed}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Sender:
    """One connection at a time."""

    def __init__(self, port: int, path: str, log: int, numbers: itertools.count[int], strange: list[str]) -> None:
        self.port, self.path, self.log, self.numbers, self.strange = port, path, log, numbers, strange
        self.event = next(numbers)

    async def send(self) -> None:
        """Send for ever, over a new connection whenever one breaks."""
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                await self.converse()
            await asyncio.sleep(0.02)

    async def converse(self) -> None:
        """Send one event after the other; the one that was not taken is sent again by the next conversation."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while True:
                writer.write(request(self.path, self.event))
                status = await self.answer(reader)
                if not 200 <= status < 300:
                    self.strange.append(str(status))
                    return
                os.write(self.log, f"{self.event} {time.time():.4f}\n".encode())
                self.event = next(self.numbers)
        finally:
            writer.close()

    async def answer(self, reader: asyncio.StreamReader) -> int:
        """Read one answer; give its status."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        await reader.readexactly(length)
        return int(head.split(b" ", 2)[1])


async def main() -> None:
    port, path, connections, log, first = sys.argv[1:6]
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    numbers, strange = itertools.count(int(first)), []
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    senders = [
        asyncio.create_task(Sender(int(port), path, file, numbers, strange).send()) for _ in range(int(connections))
    ]
    await stop.wait()
    for sender in senders:
        sender.cancel()
    await asyncio.gather(*senders, return_exceptions=True)
    print(" ".join(strange))


if __name__ == "__main__":
    asyncio.run(main())
