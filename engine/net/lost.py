"""Says what became of a request whose answer did not come: not sent, or sent and lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import aiohttp

from engine.errors import ConnectorError, Disconnected, Misconfigured, Uncertain
from engine.net.inflate import Damaged
from engine.net.request import Request

T = TypeVar("T")

_EARLIER = 0.97
"""The session gives up a little before the engine does, because it knows whether anything was sent."""

_ONE_WRITE = 64 * 1024
"""aiohttp writes the head and a body up to this size at once."""


@dataclass(slots=True)
class Trip:
    """One request on its way to *name* at *host*."""

    name: str
    host: str
    request: Request
    what: str
    """For messages: ``POST /orders``."""
    sent: bool = False

    async def keep(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make *call* within the request's timeout and put what goes wrong into the engine's words."""
        lost: ConnectorError
        try:
            async with asyncio.timeout(self.request.timeout * _EARLIER):
                return await call()
        except TimeoutError:
            lost = self.lost(f"no answer within {self.request.timeout:g} s")
        except (aiohttp.ClientError, OSError, Damaged) as error:
            lost = self._explain(error)
        # outside of `except`, so that a library's error, which may hold addresses and headers, is not chained
        raise lost

    def lost(self, why: str) -> ConnectorError:
        """Word the error for an answer that did not come, or not whole."""
        if not self.sent:
            return Disconnected(f"{self.name} could not be reached at {self.host}: {why}")
        kind = Disconnected if self.request.reads else Uncertain
        return kind(f"{self.name} was sent {self.what}, and the answer was lost: {why}")

    def _explain(self, error: Exception) -> ConnectorError:
        name = self.name
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            why = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
            return Misconfigured(f"{name}: the certificate of {error.host} is not trusted: {why}; look at tls.ca")
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return self.lost(f"the name {error.host} is not known (DNS)")
        if isinstance(error, aiohttp.ClientProxyConnectionError):
            return Disconnected(f"{name}: the proxy {error.host}:{error.port} could not be reached: {_plainly(error)}")
        if isinstance(error, aiohttp.ClientHttpProxyError):
            says = f"{name}: the proxy answered {error.status} {error.message}"
            return Misconfigured(says) if error.status in (401, 403, 405, 407) else Disconnected(says)
        if isinstance(error, aiohttp.InvalidURL):
            return Misconfigured(f"{name}: {self.what} is not a usable address")
        if "closing transport" in f"{error} {error.__cause__}":
            # an idle connection the other side closed: aiohttp found out before it wrote anything
            self.sent = self.sent and self.request.body is not None and len(self.request.body) > _ONE_WRITE
        if isinstance(error, Damaged):
            return self.lost(f"its compressed body is damaged: {error}")
        return self.lost(_plainly(error))


def _plainly(error: Exception) -> str:
    """Say what the network said, in words without addresses and headers."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed before the answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection was cut in the middle of the answer"
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return "TLS could not be agreed on (is it an http address?)"
    inner: BaseException = error
    while (cause := getattr(inner, "os_error", None) or inner.__cause__) is not None:
        inner = cause
    if isinstance(inner, ConnectionRefusedError):
        return "connection refused"
    if isinstance(inner, ConnectionResetError | BrokenPipeError):
        return "the connection was reset"
    if isinstance(inner, OSError) and inner.strerror and isinstance(inner.errno, int):
        return inner.strerror.lower()
    return type(error).__name__
