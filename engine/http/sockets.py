"""A listening socket with a server of HTTP behind it: bound, asked for its address, and closed in order."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.errors import Unavailable
from engine.http.guard import Server


@dataclass(frozen=True, slots=True)
class Where:
    """What a part of engine.yaml says about its socket."""

    key: str
    """``listen`` or ``admin``."""
    what: str
    """What people call it: ``webhooks``."""
    address: str
    port: int
    """0 takes a free one."""
    tls: Mapping[str, str] | None = None
    """``cert`` and ``key``: files in PEM form."""


class Socket:
    """Opened once, closed once."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._server: Server | None = None
        self._socket: asyncio.Server | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether it takes connections."""
        return self._socket is not None

    @property
    def connections(self) -> int:
        """Count the connections that are open now."""
        return 0 if self._server is None else len(self._server.connections)

    @property
    def url(self) -> str:
        """Where it listens, with the real port. Raises Unavailable when it is not open."""
        if self._socket is None or not self._socket.sockets:
            raise Unavailable(f"the {self._where.what} listener is not open")
        host, port = self._socket.sockets[0].getsockname()[:2]
        scheme = "https" if self._where.tls else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def open(self, server: Server, admit: Callable[[str], bool] = lambda address: True) -> None:
        """Bind, and serve where *admit* agrees to each bound address. Raises Unavailable."""
        where = self._where
        try:
            socket = await asyncio.get_running_loop().create_server(
                server, where.address, where.port, ssl=_tls(where.tls), backlog=1024, reuse_address=True,
                start_serving=False,
            )  # fmt: skip
        except (OSError, ssl.SSLError, OverflowError) as error:
            place = f"{where.address}:{where.port}"
            fact = f"cannot listen for {where.what} on {place}: {error}; change {where.key} in engine.yaml"
            raise Unavailable(fact) from None
        if not all(admit(str(one.getsockname()[0])) for one in socket.sockets):
            socket.close()
            raise Unavailable(f"{where.key}.address: {where.address} is not this machine alone; write 127.0.0.1")
        await socket.start_serving()
        self._socket, self._server = socket, server

    async def close(self, seconds: float) -> None:
        """Take no more connections, answer what has come within *seconds*, and close; again is harmless."""
        if self._socket is None or self._server is None:
            return
        socket, self._socket = self._socket, None
        socket.close()
        await self._server.shutdown(seconds)
        await socket.wait_closed()


def _tls(files: Mapping[str, str] | None) -> ssl.SSLContext | None:
    if not files:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["cert"], files["key"])
    return context
