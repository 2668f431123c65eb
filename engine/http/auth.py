"""Who may come in: each way in is a list of judges, pure over the call and the time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.http.addresses import inside, networks
from engine.http.call import Call
from engine.http.keysets import KeySets
from engine.http.secrets import listed, one_of, same
from engine.http.signatures import scheme, signature_check
from engine.http.tokens import bearer, token_check

Check = Callable[[Call, float], str]
"""call, now in epoch seconds → why not; empty: it passes."""

KEY_HEADER = "X-API-Key"


class Caller(NamedTuple):
    """Somebody who was let in; *name* is the client's of engine.yaml."""

    name: str | None = None


class Refused(NamedTuple):
    """Nobody; *reason* is for the log, never for the caller."""

    reason: str


class Way(NamedTuple):
    """One item of ``auth``: all its checks must pass."""

    client: str | None
    checks: tuple[tuple[str, Check], ...]


@dataclass(frozen=True, slots=True)
class Door:
    """The ways in; None: it stands open."""

    ways: tuple[Way, ...] | None
    credentials: frozenset[str] = frozenset()
    """Lower-case names of headers and query parameters that carry credentials: never kept."""


def judge(door: Door, call: Call, now: float) -> Caller | Refused:
    """Let *call* in by the first way that is open to it."""
    if door.ways is None:
        return Caller()
    reasons = []
    for way in door.ways:
        for name, check in way.checks:
            if why := check(call, now):
                reasons.append(f"{way.client}: {name}: {why}" if way.client else f"{name}: {why}")
                break
        else:
            return Caller(way.client)
    return Refused("; ".join(dict.fromkeys(reasons)) or "nobody may call this")


Auth = tuple[Mapping[str, Any], ...] | None


def door(auth: Auth, clients: Mapping[str, Sequence[Mapping[str, Any]]], sets: KeySets | None = None) -> Door:
    """Prepare a webhook's ``auth`` and the callers it names. Raises ValueError with what is wrong with an item.

    *clients*: by name, the ways of each, in the same form as ``auth``. *sets*: the key sets that are fetched.
    """
    if auth is None:
        return Door(None)
    named = [(None, item) for item in auth] + [(name, item) for name, items in clients.items() for item in items]
    ways = tuple(Way(name, _checks(item, sets)) for name, item in named)
    return Door(ways, frozenset(header for _, item in named for header in _credentials(item)))


def _checks(item: Mapping[str, Any], sets: KeySets | None) -> tuple[tuple[str, Check], ...]:
    made = []
    for kind, options in item.items():
        if options is None:
            raise ValueError(f"'{kind}' has no value")
        try:
            made.append((kind, token_check(options, sets) if kind == "jwt" else _KINDS[kind](options)))
        except ValueError as error:
            raise ValueError(f"{kind}: {error}") from None
    if not made:
        raise ValueError("an item without any check would let everybody in")
    # the cheap ones first: an address is compared before a signature is computed
    return tuple(sorted(made, key=lambda one: one[0] != "allow_ips"))


def _api_key(options: Mapping[str, Any]) -> Check:
    keys, parameter = _some(options.get("value")), options.get("query")
    header = str(options.get("header") or KEY_HEADER)

    def check(call: Call, now: float) -> str:
        given = call.parameter(parameter) if parameter else call.header(header)
        if given is None:
            return f"there is no {parameter or header}, or it came twice"
        return "" if one_of(given, keys) else "the key is not known"

    return check


def _basic(options: Mapping[str, Any]) -> Check:
    username, passwords = str(options["username"]), _some(options.get("password"))

    def check(call: Call, now: float) -> str:
        kind, _, encoded = (call.header("authorization") or "").partition(" ")
        if kind.lower() != "basic":
            return "there is no user name and password"
        try:
            text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            return "the user name and password cannot be read"
        given, _, password = text.partition(":")
        right = same(given, username) & one_of(password, passwords)
        return "" if right else "the user name or password is wrong"

    return check


def _bearer(options: Any) -> Check:
    tokens = _some(options)

    def check(call: Call, now: float) -> str:
        given = bearer(call)
        if given is None:
            return "there is no bearer token"
        return "" if one_of(given, tokens) else "the token is not known"

    return check


def _allow_ips(texts: Sequence[str]) -> Check:
    allowed = networks(texts)

    def check(call: Call, now: float) -> str:
        return "" if inside(call.address, allowed) else f"{call.address or 'an unknown address'} is not allowed"

    return check


def _some(value: Any) -> Sequence[str]:
    found = listed(value)
    if not found or not all(found):
        raise ValueError("the secret is empty")
    return found


_KINDS: dict[str, Callable[[Any], Check]] = {
    "api_key": _api_key,
    "basic": _basic,
    "bearer": _bearer,
    "jwt": token_check,
    "hmac": signature_check,
    "allow_ips": _allow_ips,
}


def _credentials(item: Mapping[str, Any]) -> list[str]:
    found = []
    if "api_key" in item:
        found.append(str(item["api_key"].get("query") or item["api_key"].get("header") or KEY_HEADER).lower())
    if "hmac" in item:
        found += scheme(item["hmac"]).headers
    return found
