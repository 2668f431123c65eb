"""What is known of a value before any record is read.

What is not known is not guessed: a type says what can come, and ``ANY`` says that anything can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["null", "boolean", "integer", "number", "text", "list", "object", "other"]
"""``integer`` is a ``number`` too and stands for itself here; ``other`` is what JSON has not: dates, bytes."""

KINDS: frozenset[Kind] = frozenset({"null", "boolean", "integer", "number", "text", "list", "object", "other"})

Further = Literal["no", "unsaid", "yes"]
"""Whether an object may have fields that are not listed: surely not, nobody said, or surely."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object."""

    type: Type
    always: bool = True
    """False: it may be absent, which is not the same as null."""


@dataclass(frozen=True, slots=True)
class Type:
    """What a value can be. Equal types are equal values; none of them is ever changed."""

    kinds: frozenset[Kind] = KINDS
    """What can come; all of them: nothing is known."""
    fields: Mapping[str, Field] = field(default_factory=dict)
    """Of the object, where it can be one."""
    further: Further = "yes"
    """Whether the object may have other fields."""
    items: Type | None = None
    """Of the list, where it can be one; None: anything."""
    longest: int | None = None
    """The most characters of the text, where that is known (or wanted, of what a target takes)."""
    choices: tuple[object, ...] = ()
    """The only values that can come; empty: any of the kinds."""
    known_from: str = ""
    """Where it is known from, for people: ``the columns of source.sql.query``, ``schemas/sale.json``."""

    @property
    def any(self) -> bool:
        """Whether nothing is known."""
        return self.kinds == KINDS and not self.fields

    @property
    def nullable(self) -> bool:
        """Whether null can come."""
        return "null" in self.kinds

    def only(self, *kinds: Kind) -> bool:
        """Whether nothing but *kinds* can come; null set aside."""
        return bool(self.kinds - {"null"}) and self.kinds - {"null"} <= {*kinds}

    def without_null(self) -> Type:
        """Return what is left when it is not null."""
        return self._of_kinds(self.kinds - {"null"}) if self.nullable else self

    def or_null(self) -> Type:
        """Return the same, where null can come too."""
        return self if self.nullable else self._of_kinds(self.kinds | {"null"})

    def _of_kinds(self, kinds: frozenset[Kind]) -> Type:
        """Return the same with other kinds; ``replace`` takes four times as long, and this is asked for every field."""
        return Type(kinds, self.fields, self.further, self.items, self.longest, self.choices, self.known_from)


ANY = Type()
"""Nothing is known."""

SOME = Type(KINDS - {"null"})
"""Anything but null."""

NULL = Type(frozenset({"null"}))
BOOLEAN = Type(frozenset({"boolean"}))
INTEGER = Type(frozenset({"integer"}))
NUMBER = Type(frozenset({"integer", "number"}))
TEXT = Type(frozenset({"text"}))


def listed(items: Type | None = None) -> Type:
    """Return the type of a list of *items*."""
    return Type(frozenset({"list"}), items=items)


def made_of(fields: Mapping[str, Field], further: Further = "no", known_from: str = "") -> Type:
    """Return the type of an object with *fields*."""
    return Type(frozenset({"object"}), dict(fields), further, known_from=known_from)
