"""Credentials of a connection: what they add to a request, and how they stay out of every text."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.redact import Redactor


@dataclass(frozen=True, slots=True)
class Credentials:
    """Headers and query parameters that go only to the connection's own host."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    redact: Redactor = field(default_factory=Redactor, repr=False)


def credentials(auth: Mapping[str, Any] | None, headers: Mapping[str, Any] | None = None) -> Credentials:
    """Read ``auth`` and the fixed ``headers``; an item whose secret is null is absent."""
    auth = auth or {}
    sent = {name: str(value) for name, value in (headers or {}).items() if value is not None}
    query: list[tuple[str, str]] = []
    secret: list[str] = []
    if (token := auth.get("bearer")) is not None:
        sent["Authorization"] = f"Bearer {token}"
        secret.append(str(token))
    basic = auth.get("basic") or {}
    if basic.get("password") is not None:
        pair = f"{basic.get('username') or ''}:{basic['password']}"
        sent["Authorization"] = "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")
        secret += [str(basic["password"]), pair]
    key = auth.get("api_key") or {}
    if key.get("value") is not None:
        secret.append(str(key["value"]))
        if key.get("query"):
            query.append((str(key["query"]), str(key["value"])))
        else:
            sent[str(key.get("header") or "X-API-Key")] = str(key["value"])
    for name, value in (auth.get("headers") or {}).items():
        if value is not None:
            sent[name] = str(value)
            secret.append(str(value))
    return Credentials(sent, tuple(query), Redactor(secret))
