"""What is kept of a call: the body as it came and what surrounds it, never a credential."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

from engine.bodies import Media, NotReadable, parse
from engine.errors import RecordError
from engine.http.answers import refuse, unprocessable
from engine.http.arrival import media_of, text_of
from engine.http.call import Call
from engine.http.routes import Bound
from engine.store.base import NewEntry

_CREDENTIALS = ("authorization", "proxy-authorization", "cookie")
_HOPS = ("x-forwarded-for", "forwarded", "connection", "keep-alive", "te", "trailer", "upgrade", "expect")
_SIZES = ("content-length", "transfer-encoding", "accept", "accept-encoding")
_NEVER_KEPT = frozenset((*_CREDENTIALS, *_HOPS, *_SIZES))
"""Credentials, and what concerns one connection and not the event."""


class Received(NamedTuple):
    """A call whose caller was let in, as it is stored."""

    call: Call
    client: str | None
    at: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    media: Media
    text: str
    empty: bool

    def parse(self, optional: bool) -> Any:
        """Return the body as plain data. Raises Refusal; an empty one is refused unless it is *optional*."""
        if self.empty and not self.query and not optional and self.call.method != "GET":
            raise refuse(400, "unreadable", "the body is empty", detail="the body is empty")
        try:
            return parse(self.media, self.text)
        except NotReadable as error:
            raise refuse(400, "unreadable", str(error), detail=str(error)) from None


def received(call: Call, credentials: frozenset[str], client: str | None, now: datetime) -> Received:
    """Make what is stored; a call without a body has its query as one. Raises Refusal for a body nobody reads."""
    dropped = _dropped(credentials)
    kept = {
        name: values[0] if len(values) == 1 else ", ".join(values)
        for name, values in call.headers.items()
        if name not in dropped
    }
    pairs = [pair for pair in call.query if pair[0].lower() not in credentials] if call.query else []
    at = now.isoformat(timespec="milliseconds")
    if not call.body:
        return Received(call, client, at, kept, dict(pairs), "form", urlencode(pairs), True)
    media, charset = media_of(call.headers)
    return Received(call, client, at, kept, dict(pairs), media, text_of(call.body, charset), False)


@cache
def _dropped(credentials: frozenset[str]) -> frozenset[str]:
    return _NEVER_KEPT | credentials


def accept(bound: Bound, heard: Received, body: Any) -> NewEntry:
    """Check *body* for one pipeline and make its entry. Raises Refusal."""
    plan = bound.plan
    if plan.validate is not None and (wrong := plan.validate(body)):
        raise unprocessable(wrong)
    try:
        event = plan.event_id({"body": body, "headers": heard.headers}) if plan.event_id else None
        made = _firing(bound, heard, body, event) if plan.runs else _entry(bound, heard, event)
    except RecordError as error:
        raise unprocessable([((error.where or plan.where,), error.message)]) from None
    lane = f"{bound.pipeline}/fire" if plan.runs else f"{bound.pipeline}/in/0"
    # ids belong to one sender and one receiver: nobody may use up another's
    scope = f"{bound.pipeline} {plan.path} {heard.client or ''}".rstrip()
    return NewEntry(lane, made, None if event is None else str(event), scope)


def _entry(bound: Bound, heard: Received, event: Any) -> dict[str, Any]:
    return {
        "trigger": bound.plan.id,
        **_around(heard, event),
        "media": heard.media,
        "raw": heard.text,
    }


def _firing(bound: Bound, heard: Received, body: Any, event: Any) -> dict[str, Any]:
    around = {"id": bound.plan.id, "type": "webhook", "body": body, **_around(heard, event)}
    params = dict(bound.plan.params({"trigger": around}))
    return {
        "trigger": bound.plan.id,
        "type": "webhook",
        "slot": None,
        "params": params,
        "body": body,
        **_around(heard, event),
    }


def _around(heard: Received, event: Any) -> dict[str, Any]:
    return {
        "path": heard.call.path,
        "method": heard.call.method,
        "headers": heard.headers,
        "query": heard.query,
        "client": heard.client,
        "received": heard.at,
        "event": None if event is None else str(event),
    }
