"""Writes a Python function line by line, and knows for every line which place of the definition it serves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any, NamedTuple

from engine.errors import Path
from engine.expressions.values import Invalid, Issue

MAX_INDENT = 80
MAX_LOOPS = 16

_numbers = itertools.count(1)


class Site(NamedTuple):
    """What a line of generated code serves: the place, and the field whose absence its KeyError means."""

    where: str
    absent: str = ""


class Scope:
    """What is already computed at a point of the code: (what, of which variable) → the variable that holds it."""

    __slots__ = ("booleans", "memo")

    def __init__(self, outer: Scope | None = None) -> None:
        self.memo: dict[Any, str] = dict(outer.memo) if outer else {}
        self.booleans: set[str] = set(outer.booleans) if outer else set()

    def inner(self) -> Scope:
        """Open a scope whose results are not known outside: a branch or a loop's body."""
        return Scope(self)


class Writer:
    """The function being written."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Site]] = []
        self.space: dict[str, Any] = {}
        self.site = Site("")
        self.path: Path = ()
        self.indent = 1
        self.loops = 0
        self.uses: set[str] = set()
        self.file = f"<expressions {next(_numbers)}>"
        self._temps = itertools.count(1)
        self._constants: dict[Any, str] = {}

    def line(self, text: str, absent: str = "") -> None:
        """Write one statement; *absent* is the field a KeyError of it means."""
        self.lines.append((" " * self.indent + text, self.site._replace(absent=absent) if absent else self.site))

    def temp(self) -> str:
        """Make a new variable."""
        return f"t{next(self._temps)}"

    def let(self, value: str, absent: str = "") -> str:
        """Assign to a new variable."""
        name = self.temp()
        self.line(f"{name} = {value}", absent)
        return name

    def constant(self, value: Any, prefix: str = "k") -> str:
        """Bind an object to a global name of the function, once."""
        key = (
            (prefix, id(value))
            if not isinstance(value, (str, int, float, bytes))
            else (prefix, value.__class__, repr(value))
        )
        if key not in self._constants:
            name = f"{prefix}{len(self._constants)}"
            self._constants[key] = name
            self.space[name] = value
        return self._constants[key]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Write a compound statement's head and indent what follows."""
        self.line(head)
        self.indent += 1
        if self.indent > MAX_INDENT:
            self._too_deep()
        try:
            yield
        finally:
            self.indent -= 1

    @contextmanager
    def loop(self, head: str) -> Iterator[None]:
        """Write a loop's head; loops nest a limited number of times."""
        self.loops += 1
        if self.loops > MAX_LOOPS:
            self._too_deep()
        try:
            with self.block(head):
                yield
        finally:
            self.loops -= 1

    @contextmanager
    def at(self, where: str, path: Path) -> Iterator[None]:
        """Let the lines written inside serve a place of the definition."""
        before = self.site, self.path
        self.site, self.path = Site(where), path
        try:
            yield
        finally:
            self.site, self.path = before

    def _too_deep(self) -> None:
        raise Invalid([Issue("too-complex", "this nests too deeply", "split it over several steps", self.path)])

    def finish(self, head: str, prologue: list[str]) -> Generated:
        """Compile: *head* is the ``def`` line, *prologue* its first lines."""
        lines = [head, *(f" {line}" for line in prologue), *(text for text, _ in self.lines)]
        source = "\n".join(lines) + "\n"
        sites = [Site("")] * (len(prologue) + 1) + [site for _, site in self.lines]
        code: CodeType = compile(source, self.file, "exec", dont_inherit=True)
        exec(code, self.space)  # names and texts of a definition enter the source only through repr()
        return Generated(self.space["run"], source, sites, self.file)


class Generated(NamedTuple):
    """A generated function with its source and what each of its lines serves."""

    run: Any
    source: str
    sites: list[Site]
    file: str
