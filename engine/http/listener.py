"""The public listener: a socket, the webhooks behind it, and an orderly end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from engine.errors import Unavailable
from engine.events import WebhookAnswered
from engine.http.addresses import Network, networks
from engine.http.arrival import Pace
from engine.http.guard import Server, Watch
from engine.http.limits import Crowd
from engine.http.routes import Routes
from engine.http.webhooks import Ports, Webhooks


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """``listen`` of engine.yaml."""

    address: str = "127.0.0.1"
    port: int = 8080
    trusted_proxies: tuple[Network, ...] = ()
    tls: Mapping[str, str] | None = None
    """``cert`` and ``key``: files in PEM form."""
    largest: int | None = None
    connections_per_ip: int = 100
    head: float = 10.0
    idle: float = 75.0
    """Longer than proxies keep a connection, so that they close it and not we."""
    pace: Pace = field(default_factory=Pace)
    drain: float = 25.0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ListenSettings:
        """Read ``listen``. Raises Unavailable with what is wrong with it."""
        limits = settings.get("limits") or {}
        try:
            trusted = networks(settings.get("trusted_proxies") or ())
        except ValueError as error:
            raise Unavailable(f"engine.yaml: listen.trusted_proxies: {error}") from None
        return cls(
            address=settings.get("address", "127.0.0.1"),
            port=settings.get("port", 8080),
            trusted_proxies=trusted,
            tls=settings.get("tls"),
            largest=limits.get("body"),
            connections_per_ip=limits.get("connections_per_ip", 100),
        )


class Listener:
    """Listens for webhooks; ``routes`` may be replaced while it does."""

    def __init__(self, ports: Ports, routes: Routes, settings: ListenSettings) -> None:
        self._settings = settings
        self._ports = ports
        self._webhooks = Webhooks(
            ports, routes, trusted=settings.trusted_proxies, largest=settings.largest, pace=settings.pace
        )
        self._server: Server | None = None
        self._socket: asyncio.Server | None = None

    @property
    def routes(self) -> Routes:
        """What the next call is answered by."""
        return self._webhooks.routes

    @routes.setter
    def routes(self, routes: Routes) -> None:
        self._webhooks.routes = routes

    @property
    def open_now(self) -> bool:
        """Tell whether it takes calls."""
        return self._socket is not None

    @property
    def address(self) -> str:
        """Where it listens, with the real port."""
        if self._socket is None or not self._socket.sockets:
            raise Unavailable("the webhook listener is not open")
        host, port = self._socket.sockets[0].getsockname()[:2]
        scheme = "https" if self._settings.tls else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def open(self, stack: AsyncExitStack) -> None:
        """Bind and listen; the end is pushed on *stack*. Raises Unavailable when the address cannot be had."""
        crowd = Crowd(self._settings.connections_per_ip)
        watch = Watch(crowd, self._settings.trusted_proxies, self._settings.head, self._complain)
        server = Server(
            self._webhooks.handle,
            watch,
            keepalive_timeout=self._settings.idle,
            lingering_time=2.0,
            auto_decompress=False,
            access_log=None,
        )
        loop = asyncio.get_running_loop()
        where = f"{self._settings.address}:{self._settings.port}"
        try:
            tls = _tls(self._settings.tls)
            self._socket = await loop.create_server(
                server, self._settings.address, self._settings.port, ssl=tls, backlog=1024, reuse_address=True
            )
        except (OSError, ssl.SSLError, OverflowError) as error:
            raise Unavailable(f"cannot listen for webhooks on {where}: {error}; change listen in engine.yaml") from None
        self._server = server
        stack.push_async_callback(self.close)

    async def close(self, seconds: float | None = None) -> None:
        """Take no more connections, answer what has come within *seconds*, and close; again is harmless."""
        if self._socket is None or self._server is None:
            return
        self._webhooks.closing = True
        socket, self._socket = self._socket, None
        socket.close()
        await self._server.shutdown(self._settings.drain if seconds is None else seconds)
        await socket.wait_closed()

    def _complain(self, address: str, reason: str, status: int) -> None:
        outcome = "slow" if not status else "unreadable" if status < 500 else "failed"
        self._ports.tell(WebhookAnswered("", "", status, outcome, address, reason=reason))  # type: ignore[arg-type]


def _tls(files: Mapping[str, str] | None) -> ssl.SSLContext | None:
    if not files:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["cert"], files["key"])
    return context
