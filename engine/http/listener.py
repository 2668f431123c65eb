"""The public listener: a socket, the webhooks behind it, and an orderly end."""

from __future__ import annotations

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
from engine.http.sockets import Socket, Where
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
        self._socket = Socket(Where("listen", "webhooks", settings.address, settings.port, settings.tls))

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
        return self._socket.is_open

    @property
    def connections(self) -> int:
        """Count the connections that are open now."""
        return self._socket.connections

    @property
    def address(self) -> str:
        """Where it listens, with the real port."""
        return self._socket.url

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
        await self._socket.open(server)
        stack.push_async_callback(self.close)

    async def close(self, seconds: float | None = None) -> None:
        """Take no more connections, answer what has come within *seconds*, and close; again is harmless."""
        self._webhooks.closing = True
        await self._socket.close(self._settings.drain if seconds is None else seconds)

    def _complain(self, address: str, reason: str, status: int) -> None:
        outcome = "slow" if not status else "unreadable" if status < 500 else "failed"
        self._ports.tell(WebhookAnswered("", "", status, outcome, address, reason=reason))  # type: ignore[arg-type]
