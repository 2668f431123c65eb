"""The binds of SQL against the record: ``:name``, ``:record.x``, under ``each`` also ``:item.x``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.compiler.shapes.tokens import tokens
from engine.definition.nearest import did_you_mean
from engine.errors import Path
from engine.expressions import Issue
from engine.expressions.types.model import Type


class Seen(NamedTuple):
    """What the binds of one statement see."""

    record: Type
    params: frozenset[str]
    """Names that are given under ``params``."""
    item: Type | None = None
    """Under ``each``: binds name ``item`` and ``record``, nothing by itself."""


def unknown_binds(sql: str, path: Path, seen: Seen) -> Iterator[Issue]:
    """Yield the binds of one statement that name a field which is not there."""
    for token in tokens(sql):
        if token.kind != "bind":
            continue
        name = token.value[1:]
        root, _, rest = name.partition(".")
        if name in seen.params:
            continue
        found: tuple[Type, str] | None = None
        if root == "record" and rest:
            found = (seen.record, rest)
        elif root == "item" and rest and seen.item is not None:
            found = (seen.item, rest)
        elif seen.item is None and root != "item":
            found = (seen.record, name)
        if found is None:
            continue
        issue = _unknown(found[0], found[1], name, seen.params)
        if issue is not None:
            fact, hint, severity = issue
            yield Issue("unknown-field", fact, hint, path, token.start, severity)  # type: ignore[arg-type]


def _unknown(record: Type, dotted: str, name: str, params: frozenset[str]) -> tuple[str, str, str] | None:
    owner = record
    for step in dotted.split("."):
        if owner.any or not owner.only("object"):
            return None  # what is no object is said elsewhere, or is not known
        field = owner.fields.get(step)
        if field is None:
            if owner.further == "yes":
                return None
            known = ", ".join(list(owner.fields)[:12]) or "none"
            hint = did_you_mean(step, [*owner.fields, *params]) or f"there are: {known}"
            return (
                f":{name} names the field '{step}', which the record does not have",
                hint,
                ("error" if owner.further == "no" else "warning"),
            )
        owner = field.type
    return None
