"""A record of a known type, and short ways to follow what is written over it."""

from dataclasses import dataclass
from typing import Any

from engine.expressions import Settings
from engine.expressions.types.follow import Follower
from engine.expressions.types.model import ANY, BOOLEAN, INTEGER, NUMBER, TEXT, Field, Type, listed, made_of
from engine.expressions.types.words import describe

LINE = made_of({"sku": Field(TEXT), "qty": Field(INTEGER), "cost": Field(NUMBER.or_null())}, known_from="sale.json")
RECORD = made_of(
    {
        "id": Field(INTEGER),
        "amount": Field(NUMBER.or_null()),
        "name": Field(TEXT),
        "note": Field(TEXT.or_null(), False),
        "paid": Field(BOOLEAN),
        "kind": Field(Type(TEXT.kinds, choices=("debit", "credit"))),
        "items": Field(listed(LINE)),
        "tags": Field(listed(TEXT)),
        "customer": Field(made_of({"name": Field(TEXT), "since": Field(TEXT)}, known_from="sale.json").or_null()),
        "unknown": Field(ANY),
        "at": Field(Type(frozenset({"other"}))),
        "zip code": Field(TEXT),
    },
    known_from="sale.json",
)
PATH = ("mapping", "x")


@dataclass(frozen=True)
class Step:
    kind: str
    body: Any
    path: tuple[str | int, ...]


def follow(value, record=RECORD, settings=None, **names):
    follower = Follower(record, settings or Settings(), names)
    made = follower.value(value, PATH)
    return made, follower.issues


def steps(*bodies, record=RECORD, answers=None):
    """Follow steps; return the followers behind them and the issues."""
    written = [Step(kind, body, ("steps", at, kind)) for at, one in enumerate(bodies) for kind, body in one.items()]
    follower = Follower(record)
    after = follower.steps(written, answers or {})
    return [one.follower for one in after], follower.issues


def field(follower, name):
    found = follower.record.fields[name]
    return ("" if found.always else "absent or ") + describe(found.type)
