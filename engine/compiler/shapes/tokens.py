"""SQL as a list of words and signs: enough to tell names from texts, and where brackets open and close."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_TOKEN = re.compile(
    r"""
      (?P<skip> \s+ | --[^\n]* | /\*.*?\*/ )
    | (?P<text> [eE]?'(?:[^']|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<quoted> "(?:[^"]|"")+" | `[^`]+` | (?<![\w\])]) \[[A-Za-z_][^\]\n]*\] )
    | (?P<bind> (?<![\w:]) : [^\W\d]\w* (?:\.\w+)* )
    | (?P<number> (?: \d+ (?:\.\d*)? | \.\d+ ) (?:[eE][+-]?\d+)? )
    | (?P<name> [^\W\d][\w$]* )
    | (?P<sign> :: | \|\| | <> | != | <= | >= | ->>? | . )
    """,
    re.VERBOSE | re.DOTALL,
)

TokenKind = Literal["text", "quoted", "bind", "number", "name", "sign"]

MAX_LENGTH = 1 << 20


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign; *value* is in lower case where case has no meaning, without quotes where it has them."""

    kind: TokenKind
    value: str
    start: int
    written: str

    @property
    def named(self) -> bool:
        """Whether it may be the name of something."""
        return self.kind in ("name", "quoted")

    def word(self, *words: str) -> bool:
        """Whether it is one of *words*, unquoted."""
        return self.kind == "name" and self.value in words

    def sign(self, *signs: str) -> bool:
        """Whether it is one of *signs*."""
        return self.kind == "sign" and self.value in signs


def tokens(sql: str) -> list[Token]:
    """Split SQL of at most MAX_LENGTH; comments are gone. What is no SQL gives signs that fit nothing."""
    found = []
    for match in _TOKEN.finditer(sql[:MAX_LENGTH]):
        kind = match.lastgroup
        if kind == "tag":
            kind = "text"
        if kind == "skip" or kind is None:
            continue
        written = match[0]
        found.append(Token(kind, _value(kind, written), match.start(), written))  # type: ignore[arg-type]
    return found


def _value(kind: str, written: str) -> str:
    if kind == "quoted":
        return written[1:-1].replace('""', '"') if written[0] == '"' else written[1:-1]
    return written.lower() if kind == "name" else written


Part = Sequence[Token]


def closing(part: Part, start: int) -> int:
    """Return where the bracket that opens at *start* closes; the end where it does not."""
    depth = 0
    for index in range(start, len(part)):
        depth += part[index].sign("(")
        depth -= part[index].sign(")")
        if depth == 0:
            return index
    return len(part)


def split(part: Part, sign: str = ",") -> list[Part]:
    """Split at the *sign* that stands outside of brackets."""
    pieces: list[Part] = []
    start = depth = 0
    for index, token in enumerate(part):
        depth += token.sign("(") - token.sign(")")
        if depth == 0 and token.sign(sign):
            pieces.append(part[start:index])
            start = index + 1
    pieces.append(part[start:])
    return pieces


def find(part: Part, words: Sequence[str], start: int = 0) -> int:
    """Return where one of *words* stands outside of brackets; -1: nowhere."""
    depth = 0
    for index in range(start, len(part)):
        token = part[index]
        depth += token.sign("(") - token.sign(")")
        if depth == 0 and token.word(*words):
            return index
    return -1


def bare(part: Part) -> bool:
    """Whether brackets close as they open."""
    depth = 0
    for token in part:
        depth += token.sign("(") - token.sign(")")
        if depth < 0:
            return False
    return depth == 0
