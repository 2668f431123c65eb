"""A call as its real sender would make it: for trying a webhook out with the secret that is written for it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import aiohttp

from engine.errors import Unavailable
from engine.http.auth import KEY_HEADER
from engine.http.call import Call
from engine.http.secrets import listed
from engine.http.signatures import sign
from engine.http.tokens import mint

_ID_HEADERS = {"github": "X-GitHub-Delivery", "shopify": "X-Shopify-Webhook-Id"}


@dataclass(slots=True)
class Parcel:
    """What is to be sent."""

    url: str
    method: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def with_query(self, name: str, value: str) -> None:
        """Add a query parameter."""
        parts = urlsplit(self.url)
        query = "&".join(part for part in (parts.query, urlencode({name: value})) if part)
        self.url = urlunsplit(parts._replace(query=query))


def authorise(parcel: Parcel, ways: Sequence[Mapping[str, Any]], now: int, identity: str) -> None:
    """Add what the first way in asks for that can be made here. Raises ValueError where none can."""
    reasons = []
    for way in ways:
        try:
            _take(parcel, way, now, identity)
        except ValueError as error:
            reasons.append(str(error))
        else:
            return
    if reasons:
        raise ValueError("; ".join(reasons))


def _take(parcel: Parcel, way: Mapping[str, Any], now: int, identity: str) -> None:
    if "jwt" in way:
        parcel.headers["Authorization"] = f"Bearer {mint(way['jwt'], now)}"
    if "bearer" in way:
        parcel.headers["Authorization"] = f"Bearer {listed(way['bearer'])[0]}"
    if basic := way.get("basic"):
        pair = f"{basic['username']}:{listed(basic['password'])[0]}"
        parcel.headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    if key := way.get("api_key"):
        value = listed(key["value"])[0]
        if key.get("query"):
            parcel.with_query(key["query"], value)
        else:
            parcel.headers[str(key.get("header") or KEY_HEADER)] = value
    if signed := way.get("hmac"):
        call = Call(parcel.method, urlsplit(parcel.url).path, (), {}, parcel.body, None)
        parcel.headers |= sign(signed, call, now, identity)
        if header := _ID_HEADERS.get(signed.get("preset") or ""):
            parcel.headers.setdefault(header, identity)


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str


async def send(parcel: Parcel, seconds: float = 60.0) -> Heard:
    """Send it. Raises Unavailable when nobody answers."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(
                parcel.method, parcel.url, data=io.BytesIO(parcel.body), headers=parcel.headers, allow_redirects=False
            ) as answer,
        ):
            return Heard(answer.status, dict(answer.headers), await answer.text(errors="replace"))
    except (aiohttp.ClientError, TimeoutError) as error:
        base = urlunsplit(urlsplit(parcel.url)._replace(query=""))
        reason = str(error) or type(error).__name__
        raise Unavailable(f"nobody answers at {base}: {reason}; is `engine serve` running?") from None
