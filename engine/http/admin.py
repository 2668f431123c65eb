"""The admin listener: health and figures for monitors and people on this machine; it changes nothing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from aiohttp import web

from engine.errors import Unavailable
from engine.events import Noted
from engine.http.addresses import address_of
from engine.http.guard import Server, Watch
from engine.http.limits import Crowd
from engine.http.sockets import Socket, Where

Page = tuple[int, bytes, str]
"""Status, body and content type."""

_JSON = "application/json"
_HEAD, _IDLE, _WITHIN = 10.0, 75.0, 10.0
_CROWD = 64
_LINE, _FIELD, _FIELDS = 2048, 4096, 64
_NAME = re.compile(r"/health/groups/([a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?)")
_ALWAYS = {
    "Server": "engine",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


@dataclass(slots=True)
class AdminPorts:
    """What the pages are made of; names and reasons only, without secrets."""

    live: Callable[[], Page]
    ready: Callable[[], Page]
    metrics: Callable[[], Awaitable[Page]]
    group: Callable[[str], Page | None] = lambda name: None
    """None: there is no such group."""
    tell: Callable[[Noted], None] = lambda told: None
    """A page that could not be made, a connection that asked nothing."""


def as_page(answer: tuple[int, Mapping[str, Any]]) -> Page:
    """Write a status and data as a page in JSON."""
    status, body = answer
    return status, json.dumps(body, ensure_ascii=False, default=str).encode("utf-8", "replace"), _JSON


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """``admin`` of engine.yaml."""

    address: str = "127.0.0.1"
    port: int = 8081
    allowed_hosts: frozenset[str] = frozenset()
    tls: Mapping[str, str] | None = None
    """``cert`` and ``key``: files in PEM form."""
    metrics: str = "/metrics"

    @classmethod
    def of(cls, settings: Mapping[str, Any], metrics: Mapping[str, Any] | None = None) -> AdminSettings:
        """Read ``admin``, and the path of ``metrics``. Raises Unavailable for an address others could reach."""
        address = str(settings.get("address", "127.0.0.1"))
        if not _local(address):
            raise Unavailable(
                f"engine.yaml: admin.address: {address} can be reached from other machines, and there is no auth for "
                "it yet; write 127.0.0.1, and let a proxy that asks for credentials stand before it"
            )
        return cls(
            address=address,
            port=int(settings.get("port", 8081)),
            allowed_hosts=frozenset(str(host).lower().rstrip(".") for host in settings.get("allowed_hosts") or ()),
            tls=settings.get("tls"),
            metrics=str((metrics or {}).get("path", "/metrics")),
        )


def _local(address: str) -> bool:
    try:
        return ip_address(address.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return address.lower() == "localhost"  # what it means is looked at when it is bound


class AdminListener:
    """Answers GET and HEAD for the health pages and the figures."""

    def __init__(self, ports: AdminPorts, settings: AdminSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._socket = Socket(Where("admin", "admin", settings.address, settings.port, settings.tls))

    @property
    def address(self) -> str:
        """Where it listens, with the real port."""
        return self._socket.url

    async def open(self, stack: AsyncExitStack) -> None:
        """Bind and listen; the end is pushed on *stack*. Raises Unavailable when the address cannot be had."""
        watch = Watch(Crowd(_CROWD), (), _HEAD, self._complain)
        server = Server(
            self._answer,
            watch,
            keepalive_timeout=_IDLE,
            lingering_time=0.0,
            auto_decompress=False,
            access_log=None,
            max_line_size=_LINE,
            max_field_size=_FIELD,
            max_headers=_FIELDS,
        )
        await self._socket.open(server, _local)
        stack.push_async_callback(self.close)

    async def close(self) -> None:
        """Take no more connections and close; again is harmless."""
        await self._socket.close(2.0)

    def _complain(self, address: str, reason: str, status: int) -> None:
        self._ports.tell(Noted("", "", "warning", "admin", f"a caller from {address or 'nowhere'}: {reason}"))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        status, body, kind = await self._page(request)
        response = web.Response(status=status, body=body, headers={**_ALWAYS, "Content-Type": kind})
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = "GET, HEAD"
        if status >= 400 or request.body_exists:
            response.force_close()  # a body is nothing these pages need, so none is read
        return response

    async def _page(self, request: web.BaseRequest) -> Page:
        if not self._known(request):
            return _problem(421, "this host is not in admin.allowed_hosts of engine.yaml")
        path = request.raw_path.partition("?")[0]
        make = self._maker(path)
        if make is None:
            return _problem(404)
        if request.method not in ("GET", "HEAD"):
            return _problem(405)
        try:
            async with asyncio.timeout(_WITHIN):
                return await make() or _problem(404)
        except TimeoutError:
            return _problem(503, f"it took more than {_WITHIN:g} s")
        except Exception as error:  # the last net: people who ask learn nothing of it, the log does
            self._ports.tell(
                Noted("", "", "error", "admin", f"{path} could not be made: {type(error).__name__}: {error}")
            )
            return _problem(500)

    def _maker(self, path: str) -> Callable[[], Awaitable[Page | None]] | None:
        ports = self._ports
        if path == "/healthz":
            return _later(ports.live)
        if path == "/readyz":
            return _later(ports.ready)
        if path == self._settings.metrics:
            return ports.metrics
        group = _NAME.fullmatch(path)
        return _later(lambda: ports.group(group[1])) if group else None

    def _known(self, request: web.BaseRequest) -> bool:
        """Tell whether the Host is one of ours: a page in a browser may have given its own name our address."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1:
            return False
        host = _host(hosts[0])
        if host in ("localhost", self._settings.address.lower()) or host in self._settings.allowed_hosts:
            return True
        local = request.transport.get_extra_info("sockname") if request.transport else None
        return isinstance(local, tuple) and address_of(host) is not None and address_of(host) == address_of(local[0])


def _host(text: str) -> str:
    """Return the name of a Host header, without its port."""
    text = text.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".")


def _later(make: Callable[[], Page | None]) -> Callable[[], Awaitable[Page | None]]:
    async def made() -> Page | None:
        return make()

    return made


def _problem(status: int, detail: str = "") -> Page:
    """Write a refusal in the form of RFC 9457."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    return status, json.dumps(body | ({"detail": detail} if detail else {})).encode(), "application/problem+json"
