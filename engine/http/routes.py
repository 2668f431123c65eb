"""Which webhook a call is for: exact paths, found at once; and what at load makes two of them one too many."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote

from engine.errors import DefinitionError, Problem
from engine.http.auth import Door, door
from engine.http.keysets import KeySets, addresses
from engine.pipeline import ClientPlan, WebhookPlan
from engine.policy import RateLimit

RESERVED = "/healthz"
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?|/")


class Bound(NamedTuple):
    """A webhook and the pipeline it belongs to."""

    pipeline: str
    plan: WebhookPlan


@dataclass(frozen=True, slots=True)
class Route:
    """What one method of one path leads to."""

    bounds: tuple[Bound, ...]
    """Several pipelines may be fed by one path; none: a call leads nowhere."""
    door: Door
    max_body: int = 1 << 20
    rate_limit: RateLimit | None = None
    challenge: Any = None
    only_challenge: bool = False
    """The sender's question is answered here, and nothing else is taken."""
    why: str = ""
    """Of a route that leads nowhere: the reason for the log."""
    pipelines: tuple[str, ...] = field(init=False)
    may_be_empty: bool = field(init=False)
    """A call without a body still means something: it starts runs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pipelines", tuple(dict.fromkeys(bound.pipeline for bound in self.bounds)))
        object.__setattr__(self, "may_be_empty", all(bound.plan.runs for bound in self.bounds))


class Routes:
    """The table of paths; immutable, so that a listener changes from one to another between two calls."""

    def __init__(
        self,
        bounds: Iterable[Bound] = (),
        clients: Mapping[str, ClientPlan] | None = None,
        sets: KeySets | None = None,
    ) -> None:
        """*sets* has the keys that are fetched. Raises DefinitionError with every problem, and nothing changes."""
        self.clients = clients or {}
        self._sets = KeySets() if sets is None else sets
        bounds = list(bounds)
        self.key_addresses = key_addresses(bounds, self.clients)
        if found := problems(bounds, self.clients):
            raise DefinitionError(found)
        self._paths: dict[str, dict[str, Route]] = {}
        for one in bounds:
            self._add(one)
        # a call that leads nowhere is treated as one whose signature is wrong, and takes as long
        self._nowhere = _nowhere("no webhook has this path")

    def find(self, path: str, method: str) -> Route:
        """Return where a call leads; one that leads nowhere has no pipelines and a door nobody passes."""
        methods = self._paths.get(path)
        if methods is None:
            return self._nowhere
        return methods.get(method) or _nowhere(f"the webhook does not take {method[:20]}")

    def __iter__(self) -> Iterator[tuple[str, str, Route]]:
        for path, methods in self._paths.items():
            for method, route in methods.items():
                yield path, method, route

    def _add(self, one: Bound) -> None:
        plan = one.plan
        methods = self._paths.setdefault(plan.path, {})
        opened = _door(plan, self.clients, self._sets)
        for method in plan.methods:
            known = methods.get(method)
            bounds = (*known.bounds, one) if known and not known.only_challenge else (one,)
            methods[method] = Route(bounds, opened, plan.max_body, plan.rate_limit, plan.challenge)
        if "meta" in (plan.challenge or ()) and "GET" not in methods:
            methods["GET"] = Route((one,), Door(()), plan.max_body, plan.rate_limit, plan.challenge, True)


_SHUT = door(({"hmac": {"header": "x-no-signature", "secret": "nobody has this"}},), {})


def _nowhere(why: str) -> Route:
    return Route((), _SHUT, why=why)


def _door(plan: WebhookPlan, clients: Mapping[str, ClientPlan], sets: KeySets | None = None) -> Door:
    return door(plan.auth, {name: clients[name].auth for name in plan.clients}, sets)


def key_addresses(bounds: Iterable[Bound], clients: Mapping[str, ClientPlan]) -> frozenset[str]:
    """Return the addresses of the key sets that tokens are judged by."""
    return frozenset(
        url
        for one in bounds
        for ways in (one.plan.auth or (), *(clients[name].auth for name in one.plan.clients if name in clients))
        for url in addresses(ways)
    )


def problems(bounds: Sequence[Bound], clients: Mapping[str, ClientPlan]) -> list[Problem]:
    """Return all that keeps these webhooks from being served: paths that collide, credentials that cannot work."""
    found = [problem for one in bounds for problem in _alone(one, clients)]
    return sorted({*found, *collisions(bounds)})


def _alone(one: Bound, clients: Mapping[str, ClientPlan]) -> Iterator[Problem]:
    plan = one.plan
    for name in plan.clients:
        if name not in clients:
            known = ", ".join(sorted(clients)) or "none"
            hint = f"engine.yaml names under clients: {known}"
            yield _problem(one, "unknown-client", "clients", f"there is no client '{name}'", hint)
            return
    try:
        _door(plan, clients)
    except ValueError as error:
        yield _problem(one, "bad-value", "auth", str(error), "")


def collisions(bounds: Sequence[Bound]) -> list[Problem]:
    """Return the paths of which nobody could say whose they are, or which proxies would mix up. Pure."""
    found: list[Problem] = []
    by_normal: dict[str, list[Bound]] = {}
    for one in bounds:
        path = one.plan.path
        normal = normalised(path)
        if not _PATH.fullmatch(path) or any(part in (".", "..") for part in path.split("/")):
            hint = "write letters, digits and - . _ ~ between single slashes, no %, no { }, no query"
            found.append(_problem(one, "bad-value", "path", f"'{path}' is not a path that a webhook can have", hint))
            continue
        if normal == RESERVED:
            fact = f"'{path}' is where the listener says that it lives"
            found.append(_problem(one, "path-collision", "path", fact, "give the webhook another path"))
            continue
        for other in by_normal.setdefault(normal, []):
            found += _clash(one, other)
        by_normal[normal].append(one)
    return found


def normalised(path: str) -> str:
    """Return what proxies and people may take a path for: other case, ``%2F``, double and trailing slashes."""
    plain = re.sub("/+", "/", unquote(unquote(path))).casefold()
    return plain.rstrip("/") or "/"


def _clash(one: Bound, other: Bound) -> Iterator[Problem]:
    mine, theirs = one.plan, other.plan
    whose = f"{other.pipeline} ({theirs.place.file}:{theirs.place.line})"
    if mine.path != theirs.path:
        fact = f"'{mine.path}' is too much like '{theirs.path}' of {whose}: only case or slashes differ"
        yield _problem(one, "path-collision", "path", fact, "write both the same way, or give one another name")
        return
    both = sorted(_methods(mine) & _methods(theirs))
    if not both:
        return
    if one.pipeline == other.pipeline:
        fact = (
            f"{both[0]} {mine.path} fires this pipeline already (line {theirs.place.line}): each call would count twice"
        )
        yield _problem(one, "path-collision", "path", fact, "remove one of the two triggers")
        return
    differs = next((name for name in _SHARED if getattr(mine, name) != getattr(theirs, name)), None)
    if differs:
        fact = f"{both[0]} {mine.path} has another '{differs}' in {whose}"
        hint = "pipelines that share a path share who may call it: write it the same in both"
        yield _problem(one, "path-collision", "path", fact, hint)
    elif mine.respond is not None or theirs.respond is not None:
        fact = f"{both[0]} {mine.path} is answered with a result, and {whose} takes it too"
        yield _problem(one, "path-collision", "path", fact, "only one can answer: give one of them its own path")


_SHARED = ("auth", "clients", "max_body", "rate_limit", "challenge")
"""What is judged before it is known whose call it is."""


def _methods(plan: WebhookPlan) -> frozenset[str]:
    return plan.methods | {"GET"} if "meta" in (plan.challenge or ()) else plan.methods


def _problem(one: Bound, code: str, name: str, message: str, hint: str) -> Problem:
    plan = one.plan
    where = f"{plan.where}.{name}" if plan.where else name
    return Problem(plan.place.file, plan.place.line, plan.place.column, code, "error", where, message, hint)
