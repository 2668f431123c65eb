"""A call of a webhook in a test: signed as the real sender would, and through the real admission."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from engine.errors import DefinitionError
from engine.http.answers import Answer
from engine.http.auth import door
from engine.http.call import Call
from engine.http.routes import Bound, Routes
from engine.http.sending import Parcel, authorise
from engine.http.webhooks import Ports, Webhooks
from engine.pipeline import ClientPlan, Pipeline, WebhookPlan
from engine.runtime.answering import Answering
from engine.runtime.answering import Outcome as Answered
from engine.service.replies import Replies
from engine.store.base import Store
from engine.testing.moments import Stuck, now

ADDRESS = "127.0.0.1"
_EVENT = "test-event"


@dataclass(slots=True)
class Listening(Answering):
    """Answers calls, and keeps what came of them."""

    heard: list[Answered] = field(default_factory=list)

    async def answer(self, records: Sequence[Any], meta: Mapping[str, Any], frame: Any) -> Answered:
        """Work it, and keep what came of it."""
        found = await Answering.answer(self, records, meta, frame)
        self.heard.append(found)
        return found


@dataclass(slots=True)
class Kept(Replies):
    """Replies of one pipeline on the bench."""

    worker: Listening | None = None

    async def _answering(self, name: str) -> Answering:
        if self.worker is None:
            self.worker = Listening(self.runtime, self.pipeline(name))
        return self.worker


@dataclass(slots=True)
class Desk:
    """Where the calls of one pipeline arrive."""

    pipeline: Pipeline
    clients: Mapping[str, ClientPlan]
    _plans: list[WebhookPlan] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clients = {name: replace(one, auth=_usable(one.auth)) for name, one in self.clients.items()}
        self._plans = [
            replace(plan, auth=None if plan.auth is None else _usable(plan.auth)) for plan in self.pipeline.webhooks
        ]

    def plan(self, path: str | None) -> WebhookPlan:
        """Return the webhook that is called. Raises Stuck where the test does not say which."""
        if path is None and len(self._plans) > 1:
            raise Stuck(f"the pipeline has several webhooks: write path: {self._plans[0].path}")
        return next((plan for plan in self._plans if plan.path == path), self._plans[0])

    async def call(self, given: Mapping[str, Any], store: Store, replies: Replies) -> Answer:
        """Make the call, and return its answer. Raises Stuck."""
        plan = self.plan(given.get("path"))
        call = _call(given, plan, self._ways(given, plan))
        try:
            routes = Routes([Bound(self.pipeline.name, one) for one in self._plans], self.clients)
        except DefinitionError as error:
            raise Stuck(f"the webhook cannot be served: {error.problems[0].message}") from None
        ports = Ports(store, lambda event: None, replies.reply, clock=lambda: now().timestamp())
        return await Webhooks(ports, routes).answer(call)

    def _ways(self, given: Mapping[str, Any], plan: WebhookPlan) -> list[Mapping[str, Any]]:
        """Return the ways in that the caller may take."""
        client = given.get("client")
        if client is not None and client not in plan.clients:
            known = ", ".join(plan.clients) or "none"
            raise Stuck(f"the webhook does not let the client '{client}' in; its clients: {known}")
        names = [client] if client is not None else [name for name in plan.clients if name in self.clients]
        ways = list(plan.auth or ()) if client is None else []
        return ways + [way for name in names for way in self.clients[name].auth]


def _usable(auth: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return the ways in that made-up secrets are good for: a public key cannot be made up."""
    found = []
    for way in auth:
        try:
            door((way,), {})
        except ValueError:
            continue
        found.append(way)
    return tuple(found)


def _call(given: Mapping[str, Any], plan: WebhookPlan, ways: Sequence[Mapping[str, Any]]) -> Call:
    body, media = _body(given.get("body"))
    method = given.get("method") or ("POST" if "POST" in plan.methods else min(plan.methods))
    path = given.get("path") or plan.path
    query = urlencode({name: _text(value) for name, value in (given.get("query") or {}).items()})
    parcel = Parcel(f"http://test{path}?{query}" if query else f"http://test{path}", method, body)
    if media:
        parcel.headers["Content-Type"] = media
    # what is signed may stand in the headers, and those of the test count
    own = {str(name): _text(value) for name, value in (given.get("headers") or {}).items()}
    way = _sign(parcel, ways) if given.get("sign", True) else None
    if given.get("sign", True) and plan.event_header:
        parcel.headers.setdefault(plan.event_header, _EVENT)
    headers = {name.lower(): (value,) for name, value in parcel.headers.items()}
    headers |= {name.lower(): (value,) for name, value in own.items()}
    pairs = tuple(parse_qsl(urlsplit(parcel.url).query, keep_blank_values=True))
    return Call(method, path, pairs, headers, body, ip_address(given.get("address") or _address(way)))


def _sign(parcel: Parcel, ways: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    for way in ways:
        try:
            authorise(parcel, [way], int(now().timestamp()), _EVENT)
        except ValueError:
            continue
        return way
    return None


def _address(way: Mapping[str, Any] | None) -> str:
    allowed = (way or {}).get("allow_ips") or ()
    return str(ip_network(allowed[0], strict=False).network_address) if allowed else ADDRESS


def _body(body: Any) -> tuple[bytes, str]:
    if body is None:
        return b"", ""
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    return json.dumps(body, ensure_ascii=False).encode(), "application/json"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def told(answer: Answer) -> dict[str, Any]:
    """Return an answer as tests write it."""
    shown: dict[str, Any] = {"status": answer.status, "headers": dict(answer.headers)}
    text = answer.body.decode("utf-8", "replace")
    try:
        shown["body"] = json.loads(text) if text else None
    except ValueError:
        shown["body"] = text
    return shown


__all__ = ["Desk", "Kept", "Listening", "told"]
