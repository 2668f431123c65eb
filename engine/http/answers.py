"""What callers are told: short JSON, the same words for everybody who is not let in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

from aiohttp import web

from engine.errors import Path, dotted
from engine.events import WebhookOutcome

_ALWAYS = {"Server": "engine", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_LINES = "".join(f"{name}: {value}\r\n" for name, value in _ALWAYS.items())


class Reply(NamedTuple):
    """What a run answers with (``respond: result``): *body* is plain data, or text, or bytes."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: Any = None


@dataclass(slots=True)
class Answer:
    """An answer and what the log says of it."""

    status: int
    outcome: WebhookOutcome
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None
    reason: str = ""
    close: bool = False
    """The rest of what the caller sends is not read."""
    plain: bool = False
    """Short JSON with no header of its own."""


class Refusal(Exception):
    """The call ends here with an answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


_JSON = {"Content-Type": "application/json"}
_quoted = json.JSONEncoder(ensure_ascii=True).encode


def ok(status: int, outcome: WebhookOutcome, body: Mapping[str, Any], id: str | None = None) -> Answer:
    """Make a good answer in JSON."""
    return Answer(status, outcome, _json(body), _JSON, id)


def taken(outcome: Literal["accepted", "duplicate"], id: str) -> Answer:
    """Answer a call whose entry is on disk, or was there already."""
    status, said = (202, '"accepted": 1') if outcome == "accepted" else (200, '"duplicate": true')
    return Answer(status, outcome, f'{{{said}, "id": {_quoted(id)}}}'.encode(), _JSON, id, plain=True)


def plain(text: str) -> Answer:
    """Answer a sender's question with the text it asked for."""
    return Answer(200, "challenge", text.encode(), {"Content-Type": "text/plain; charset=utf-8"})


def refuse(status: int, outcome: WebhookOutcome, reason: str, **more: Any) -> Refusal:
    """Make a refusal in the form of RFC 9457; *more* is told to the caller, *reason* only to the log."""
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, **more}
    return Refusal(Answer(status, outcome, _json(problem), {"Content-Type": "application/problem+json"}, reason=reason))


def unauthorized(reason: str) -> Refusal:
    """Refuse: an unknown path, a wrong method and bad credentials read the same."""
    refusal = refuse(401, "unauthorized", reason)
    refusal.answer.headers = {**refusal.answer.headers, "WWW-Authenticate": "Webhook"}
    return refusal


def later(status: int, outcome: WebhookOutcome, reason: str, seconds: float) -> Refusal:
    """Refuse for now: the sender may come again after *seconds*."""
    refusal = refuse(status, outcome, reason)
    refusal.answer.headers = {**refusal.answer.headers, "Retry-After": str(max(1, math.ceil(seconds)))}
    return refusal


def closing(refusal: Refusal) -> Refusal:
    """Refuse without reading what is still to come."""
    refusal.answer.close = True
    return refusal


_SHOWN = 20


def unprocessable(mistakes: Sequence[tuple[Path, str]]) -> Refusal:
    """Refuse a body that is readable and wrong, with the places."""
    errors = [{"at": dotted(path), "message": message} for path, message in mistakes[:_SHOWN]]
    places = ", ".join(dotted(path) or "the body" for path, _ in mistakes[:5])
    return refuse(422, "rejected", f"the body does not fit: {places}", errors=errors)


def replied(reply: Reply) -> Answer:
    """Make the answer of a run: text stays text, other data is JSON."""
    headers = {name: _one_line(value) for name, value in reply.headers.items()}
    named = {name.lower() for name in headers}
    if reply.body is None:
        return Answer(reply.status, _outcome(reply.status), b"", headers)
    body, kind = _bytes(reply.body)
    if "content-type" not in named:
        headers["Content-Type"] = kind
    return Answer(reply.status, _outcome(reply.status), body, headers)


def _outcome(status: int) -> WebhookOutcome:
    return "replied" if status < 400 else "rejected" if status < 500 else "failed"


def _one_line(value: Any) -> str:
    return "".join(character for character in str(value) if character.isprintable())


def _bytes(body: Any) -> tuple[bytes, str]:
    if isinstance(body, bytes):
        return body, "application/octet-stream"
    if isinstance(body, str):
        return body.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    return _json(body), "application/json"


_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _json(value: Any) -> bytes:
    return _encode(value).encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Written:
    """A short answer as it goes over the wire, of which there are many: the connection sends it as it is."""

    status: int
    wire: bytes
    keep_alive: bool = True


_HEADS = {
    status: f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n{_LINES}".encode()
    for status in (200, 202)
}
_HTTP_1_1 = (1, 1)


def written(answer: Answer, request: web.BaseRequest, now: float) -> Written | None:
    """Write an answer that ``taken`` made to a call like most; None where HTTP asks for more than that."""
    usual = answer.plain and not answer.close and request.method == "POST"
    if not usual or request.version != _HTTP_1_1 or not request.keep_alive:
        return None
    head, date = _HEADS[answer.status], _date(int(now))
    wire = b"%bContent-Length: %d\r\nDate: %b\r\n\r\n%b" % (head, len(answer.body), date, answer.body)
    return Written(answer.status, wire)


@lru_cache(1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def response(answer: Answer) -> web.Response:
    """Write any answer for the wire."""
    made = web.Response(status=answer.status, body=answer.body, headers={**answer.headers, **_ALWAYS})
    if answer.close:
        made.force_close()
    return made
