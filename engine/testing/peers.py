"""The systems around a pipeline under test: they answer as the test says, and keep what they were asked."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from engine.connector import Told
from engine.testing.moments import Stuck

_OF_DATABASES = frozenset({"rows", "count", "refused"})
_OF_HTTP = frozenset({"status", "headers", "json", "text"})

_lenient: ContextVar[bool] = ContextVar("lenient", default=False)


@contextmanager
def lenient() -> Iterator[None]:
    """What is asked inside may go unanswered: then it counts as taken."""
    token = _lenient.set(True)
    try:
        yield
    finally:
        _lenient.reset(token)


@dataclass(slots=True)
class Peers:
    """Answers for all connections of one test; an ``engine.connector.Exchange``."""

    responses: Mapping[str, Sequence[Mapping[str, Any]]]
    offline: bool = True
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    """Every request, in order, as ``expect.requests`` sees it."""
    stuck: Stuck | None = None
    """Why the test cannot count; whoever it was raised to may have swallowed it."""
    _used: dict[str, set[int]] = field(default_factory=dict)
    """By connection: the responses that were given."""

    async def __call__(self, connection: str, asked: Told, proceed: Callable[[], Awaitable[Told]]) -> Told:
        """Answer with the next response; *proceed* is never called. Raises TimeoutError, ConnectionError, Stuck."""
        shown = shown_request(connection, asked)
        self.asked.append(shown)
        answers = self.responses.get(connection)
        fitting = [] if answers is None else _fitting(answers, asked, _lenient.get())
        if answers is None or (not fitting and _lenient.get()):
            if _lenient.get():
                return {"taken": True}
            raise self._stop(f"nothing answers for {connection}: write responses: {{{connection}: […]}}", shown)
        used = self._used.setdefault(connection, set())
        at = next((at for at in fitting if at not in used), None)
        if at is None:
            count = f"{len(fitting)} response{'' if len(fitting) == 1 else 's'}"
            raise self._stop(f"{connection} has {count}, and request {len(fitting) + 1} was made", shown)
        used.add(at)
        strange = sorted(set(answers[at]) & (_OF_DATABASES if "url" in asked else _OF_HTTP))
        if strange:
            what, keys = ("asked over HTTP", "status, headers, json, text") if "url" in asked else (
                "a database", "rows, count, refused"
            )  # fmt: skip
            raise self._stop(f"{connection} is {what} and cannot answer {strange[0]}: write {keys} or error", shown)
        return _answer(answers[at])

    def _stop(self, why: str, shown: Mapping[str, Any]) -> Stuck:
        self.stuck = self.stuck or Stuck(f"{why} ({brief(shown)})")
        return self.stuck

    def unused(self) -> dict[str, int]:
        """Return, by connection, how many responses nobody asked for."""
        left = {name: len(answers) - len(self._used.get(name, ())) for name, answers in self.responses.items()}
        return {name: count for name, count in left.items() if count > 0}


def _fitting(answers: Sequence[Mapping[str, Any]], asked: Told, writes: bool) -> list[int]:
    """Return the responses that are meant for what is asked: of sql ``rows`` are not for what writes, nor counts for
    what reads. An ``error`` is for whom the next answer is for.
    """
    if "url" in asked or ("statement" in asked and not writes):
        return list(range(len(answers)))
    found, kind = [], ""
    for at in range(len(answers) - 1, -1, -1):
        if "error" not in answers[at]:
            kind = "reads" if "rows" in answers[at] else "writes"
        if not kind or (kind == "writes") == writes:
            found.append(at)
    return found[::-1]


def _answer(response: Mapping[str, Any]) -> Told:
    kind = response.get("error")
    if kind == "timeout":
        raise TimeoutError
    if kind == "cut":
        raise ConnectionResetError("the connection was cut")
    if kind == "unreachable":
        raise ConnectionRefusedError("connection refused")
    if _OF_DATABASES & set(response):
        return response
    headers = {str(name): str(value) for name, value in (response.get("headers") or {}).items()}
    body, media = b"", ""
    if "json" in response:
        body, media = json.dumps(response["json"], ensure_ascii=False).encode(), "application/json"
    elif "text" in response:
        body, media = str(response["text"]).encode(), "text/plain; charset=utf-8"
    if media and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = media
    return {"status": response.get("status", 200), "headers": headers, "body": body}


def shown_request(connection: str, asked: Told) -> dict[str, Any]:
    """Return a request as tests write it."""
    shown: dict[str, Any] = {"connection": connection}
    if "url" not in asked:
        shown.update(asked)
        if "query" in shown:
            shown["statement"] = shown.pop("query")
        return shown
    parts = urlsplit(str(asked["url"]))
    shown |= {"method": asked["method"], "path": parts.path}
    if parts.query:
        shown["query"] = _pairs(parts.query)
    if asked.get("headers"):
        shown["headers"] = dict(asked["headers"])
    if asked.get("body") is not None:
        shown |= _body(bytes(asked["body"]), asked.get("headers") or {})
    return shown


def _body(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    media = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    text = body.decode("utf-8", "replace")
    if "json" in media:
        try:
            return {"json": json.loads(text)}
        except ValueError:
            return {"text": text}
    return {"form": _pairs(text)} if "form-urlencoded" in media else {"text": text}


def _pairs(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in found:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
        else:
            found[name] = value
    return found


def brief(shown: Mapping[str, Any]) -> str:
    """Name a request in a few words."""
    if "method" in shown:
        return f"{shown['method']} {shown['path']}"
    if "statement" in shown:
        text = " ".join(str(shown["statement"]).split())
        return text if len(text) <= 80 else f"{text[:79]}…"
    return f"{shown.get('operation', 'read')} {shown.get('table', '')}".rstrip()
