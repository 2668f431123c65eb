"""From the wire to plain values: the head first, then the body within its size and its pace."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from engine.bodies import Media
from engine.http.answers import closing, refuse

_GRACE = 10.0
_PACE = 1024.0
_CHARSETS = frozenset({"utf-8", "us-ascii", "iso-8859-1", "windows-1252"})
_ALSO = {"utf8": "utf-8", "ascii": "us-ascii", "latin1": "iso-8859-1", "cp1252": "windows-1252"}
_CHARSET = re.compile(r"(?:^|;)\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_FIELDS = 1000


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly a body may come: *grace* seconds for nothing, then bytes a second."""

    grace: float = _GRACE
    bytes: float = _PACE

    def allows(self, size: int) -> float:
        """Return the seconds in which *size* bytes and a little more must be there."""
        return self.grace + size / self.bytes


def headers_of(request: web.BaseRequest) -> dict[str, tuple[str, ...]]:
    """Return the headers by lower-case name, as text that can be stored."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in request.headers.items():
        key, text = name.lower(), value if value.isascii() else _text(value)
        found[key] = (*found[key], text) if key in found else (text,)
    return found


def _text(value: str) -> str:
    """Bytes beyond ASCII that are not UTF-8 are read as Latin-1, as HTTP has it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def target_of(request: web.BaseRequest) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the path exactly as it was sent, and the query's pairs."""
    path, _, query = request.raw_path.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_FIELDS) if query else []
    except ValueError:
        raise closing(refuse(400, "unreadable", "the query has too many fields")) from None
    return path, tuple(pairs)


def check_head(request: web.BaseRequest, headers: Mapping[str, tuple[str, ...]], most: int) -> None:
    """Refuse what need not be read: too long a body, or one packed so that its length says nothing."""
    encoding = ",".join(headers.get("content-encoding", ())).strip().lower()
    if encoding not in ("", "identity"):
        raise closing(refuse(415, "unsupported", f"Content-Encoding {encoding[:40]}", detail="send it unpacked"))
    if (request.content_length or 0) > most:
        raise _too_large(most)


def _too_large(most: int) -> Exception:
    return closing(refuse(413, "too_large", f"more than {most} bytes", detail=f"at most {most} bytes"))


async def read_body(request: web.BaseRequest, most: int, pace: Pace, clock: Callable[[], float]) -> bytes:
    """Read the body. Raises Refusal when it is longer than *most*, or comes too slowly, or breaks off."""
    _go_on(request)
    if request.content.is_eof():
        # it came with the head: that needs no clock
        body = request.content.read_nowait()
        if len(body) > most:
            raise _too_large(most)
        return body
    chunks: list[bytes] = []
    size, began = 0, clock()
    while not request.content.at_eof():
        chunk = await _next(request, began + pace.allows(size) - clock())
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _next(request: web.BaseRequest, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await request.content.readany()
    except TimeoutError:
        raise closing(refuse(408, "slow", "the body comes too slowly")) from None
    except (web.RequestPayloadError, ConnectionError) as error:
        raise closing(refuse(400, "unreadable", f"the body broke off: {type(error).__name__}")) from None


def _go_on(request: web.BaseRequest) -> None:
    """Tell a sender that waits for it to send the body."""
    expects = "Expect" in request.headers and request.headers["Expect"].lower() == "100-continue"
    if expects and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def media_of(headers: Mapping[str, tuple[str, ...]]) -> tuple[Media, str]:
    """Return how the body is to be read, and its charset. Raises Refusal for what nobody here reads."""
    text = (headers.get("content-type") or ("",))[0] or "application/json"
    if text == "application/json":
        return "json", "utf-8"
    kind, _, rest = text.partition(";")
    found = _CHARSET.search(rest)
    charset = found[1].lower() if found else "utf-8"
    charset = _ALSO.get(charset, charset)
    media = _media(kind.strip().lower())
    if media is None or charset not in _CHARSETS:
        reason = f"Content-Type {text[:80]}"
        raise refuse(415, "unsupported", reason, detail="send JSON, a form or text, in UTF-8")
    return media, charset


def _media(kind: str) -> Media | None:
    if kind.endswith(("/json", "+json")):
        return "json"
    if kind == "application/x-www-form-urlencoded":
        return "form"
    return "text" if kind.startswith("text/") or kind.endswith(("/xml", "+xml", "/x-ndjson")) else None


def text_of(body: bytes, charset: str) -> str:
    """Return the body as text, without a byte order mark. Raises Refusal when it is not what it says."""
    try:
        return body.decode().removeprefix("\ufeff") if charset == "utf-8" else body.decode(charset)
    except UnicodeDecodeError as error:
        detail = f"the body is not {charset} (byte {error.start})"
        raise refuse(400, "unreadable", detail, detail=detail) from None


def peer_of(request: web.BaseRequest) -> str:
    """Return the address of the other end of the connection."""
    protocol = request.protocol
    peer = protocol.peername if isinstance(protocol, RequestHandler) else None
    return str(peer[0]) if isinstance(peer, tuple) else ""
