"""Reads a GraphQL operation: its variables, and what it selects, fragments put in; what is odd is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""
      (?P<skip> [\s,\ufeff]+ | \#[^\n]* )
    | (?P<text> \"\"\"(?:\\\"\"\"|.)*?\"\"\" | "(?:[^"\\\n]|\\.)*" )
    | (?P<name> [_A-Za-z]\w* )
    | (?P<number> -?\d+(?:\.\d+)?(?:[eE][+-]?\d+)? )
    | (?P<sign> \.\.\. | [!$&()\[\]{}:=|@] )
    | (?P<odd> . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
MAX_LENGTH = 1 << 20
_DEEPEST = 50


class Odd(Exception):
    """The text is no operation that this reads."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The type of a variable or an input field: a name, wrapped in lists; *needed*: null is refused."""

    name: str
    needed: bool = False
    items: Wanted | None = None
    """Of a list, which has no name."""


@dataclass(frozen=True, slots=True)
class Variable:
    """``$name: type``."""

    name: str
    type: Wanted
    filled: bool = False
    """It has a default."""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """A field with what is selected of it."""

    name: str
    alias: str
    offset: int
    arguments: Mapping[str, int] = field(default_factory=dict)
    """By name, where it stands."""
    inner: tuple[Selection, ...] | None = None
    of: str = ""
    """The type that a fragment narrows it to; empty: none."""
    sure: bool = True
    """False: a directive may leave it out."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One query, mutation or subscription."""

    kind: str
    variables: Mapping[str, Variable]
    selections: tuple[Selection, ...]


_Fragment = tuple[str, tuple[Selection, ...]]


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str, int]] = []
        for match in _TOKEN.finditer(text[:MAX_LENGTH]):
            kind = match.lastgroup or "odd"
            if kind == "odd":
                raise Odd
            if kind != "skip":
                self.tokens.append((kind, match[0], match.start()))
        self.at = 0
        self.fragments: dict[str, _Fragment] = {}

    @property
    def now(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "", kind: str = "") -> tuple[str, int]:
        if self.at >= len(self.tokens):
            raise Odd
        found, text, offset = self.tokens[self.at]
        if (expected and text != expected) or (kind and found != kind):
            raise Odd
        self.at += 1
        return text, offset

    def name(self) -> tuple[str, int]:
        return self.take(kind="name")

    def wanted(self) -> Wanted:
        if self.now == "[":
            self.take("[")
            inner = self.wanted()
            self.take("]")
            made = Wanted("", False, inner)
        else:
            made = Wanted(self.name()[0])
        if self.now != "!":
            return made
        self.take("!")
        return Wanted(made.name, True, made.items)

    def variables(self) -> dict[str, Variable]:
        made: dict[str, Variable] = {}
        if self.now != "(":
            return made
        self.take("(")
        while self.now != ")":
            _, offset = self.take("$")
            name, _ = self.name()
            self.take(":")
            wanted = self.wanted()
            filled = self.now == "="
            if filled:
                self.take("=")
                self.value()
            self.directives()
            made[name] = Variable(name, wanted, filled, offset)
        self.take(")")
        return made

    def value(self, depth: int = 0) -> None:
        if depth > _DEEPEST:
            raise Odd
        if self.now == "$":
            self.take()
            self.name()
        elif self.now in ("[", "{"):
            opening, _ = self.take()
            end = {"[": "]", "{": "}"}[opening]
            while self.now != end:
                if opening == "{":
                    self.name()
                    self.take(":")
                self.value(depth + 1)
            self.take(end)
        elif self.tokens[self.at : self.at + 1] and self.tokens[self.at][0] != "sign":
            self.take()
        else:
            raise Odd

    def arguments(self) -> dict[str, int]:
        made: dict[str, int] = {}
        if self.now == "(":
            self.take("(")
            while self.now != ")":
                name, offset = self.name()
                self.take(":")
                self.value()
                made[name] = offset
            self.take(")")
        return made

    def directives(self) -> bool:
        found = False
        while self.now == "@":
            found = True
            self.take("@")
            self.name()
            self.arguments()
        return found

    def selections(self, depth: int = 0) -> tuple[Selection, ...]:
        if depth > _DEEPEST:
            raise Odd
        self.take("{")
        made = []
        while self.now != "}":
            made.append(self.spread(depth) if self.now == "..." else self.selection(depth))
        self.take("}")
        return tuple(made)

    def selection(self, depth: int) -> Selection:
        name, offset = self.name()
        alias = name
        if self.now == ":":
            self.take(":")
            name, offset = self.name()
        arguments = self.arguments()
        sure = not self.directives()
        inner = self.selections(depth + 1) if self.now == "{" else None
        return Selection(name, alias, offset, arguments, inner, "", sure)

    def spread(self, depth: int) -> Selection:
        _, offset = self.take("...")
        if self.now in ("on", "{", "@"):
            of = ""
            if self.now == "on":
                self.take("on")
                of = self.name()[0]
            sure = not self.directives()
            return Selection("", "", offset, {}, self.selections(depth + 1), of or "?", sure)
        name, _ = self.name()
        sure = not self.directives()
        return Selection(name, "...", offset, {}, None, "", sure)


def read_operation(text: str) -> Operation | None:
    """Read the one operation of *text*; None where it is not as this reads it, or there are several."""
    try:
        return _read(_Reader(text))
    except (Odd, RecursionError):
        return None


def _read(reader: _Reader) -> Operation:
    made: list[Operation] = []
    while reader.at < len(reader.tokens):
        if reader.now == "{":
            made.append(Operation("query", {}, reader.selections()))
            continue
        word, _ = reader.name()
        if word == "fragment":
            name, _ = reader.name()
            reader.take("on")
            of, _ = reader.name()
            reader.directives()
            reader.fragments[name] = (of, reader.selections())
        elif word in ("query", "mutation", "subscription"):
            if reader.now not in ("(", "{", "@"):
                reader.name()
            variables = reader.variables()
            reader.directives()
            made.append(Operation(word, variables, reader.selections()))
        else:
            raise Odd
    if len(made) != 1:
        raise Odd
    one = made[0]
    return Operation(one.kind, one.variables, _inlined(one.selections, reader.fragments, ()))


def _inlined(
    selections: tuple[Selection, ...], fragments: Mapping[str, _Fragment], inside: tuple[str, ...]
) -> tuple[Selection, ...]:
    made = []
    for one in selections:
        if one.alias == "..." and not one.inner:
            if one.name in inside or one.name not in fragments or len(inside) > _DEEPEST:
                raise Odd
            of, inner = fragments[one.name]
            inner = _inlined(inner, fragments, (*inside, one.name))
            made.append(Selection("", "", one.offset, {}, inner, of, one.sure))
        elif one.inner is not None:
            inner = _inlined(one.inner, fragments, inside)
            made.append(Selection(one.name, one.alias, one.offset, one.arguments, inner, one.of, one.sure))
        else:
            made.append(one)
    return tuple(made)
