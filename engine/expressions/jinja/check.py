"""Reads a template and finds its mistakes before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from functools import lru_cache
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.errors import Path
from engine.expressions.constants import UNKNOWN, wrong_constant
from engine.expressions.jinja.filters import filter_names
from engine.expressions.jinja.judging import tests
from engine.expressions.jinja.limits import MAX_TEMPLATE
from engine.expressions.library import library
from engine.expressions.query import close, dollar_template, nearest
from engine.expressions.remedy import renamed
from engine.expressions.signatures import spoken
from engine.expressions.values import ALL_NAMES, Issue

MAX_DEPTH = 40
MAX_COPIES = 4096
MAX_KEPT = 512
"""Longer texts are parsed whenever they are asked for: what is kept stays small."""

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    nodes.CondExpr,
    nodes.Filter,
    nodes.Test,
    nodes.Call,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Concat,
    nodes.Compare,
    nodes.Operand,
    nodes.BinExpr,
    nodes.UnaryExpr,
    nodes.Keyword,
    nodes.If,
    nodes.For,
    nodes.Assign,
)
_NULLS = frozenset({"null", "Null", "NULL", "nil", "undefined"})
_WRITTEN = {
    "AssignBlock": "{% set x %}…{% endset %}",
    "CallBlock": "{% call %}",
    "FromImport": "{% import %}",
    "FilterBlock": "{% filter %}",
    "ScopedEvalContextModifier": "{% autoescape %}",
}


@lru_cache(maxsize=1)
def _parser() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(optimized=False, cache_size=0)


def parse(text: str, path: Path, visible: Set[str] = ALL_NAMES) -> tuple[nodes.Template | None, list[Issue]]:
    """Parse and judge; the tree is None when there are issues.

    The tree is not to be changed: whoever asks for the same text gets the same one.
    """
    if len(text) > MAX_KEPT:
        return _parse(text, path, visible)
    tree, issues = _known(text, frozenset(visible))
    return tree, [replace(issue, path=path) for issue in issues]


def fresh(text: str) -> nodes.Template:
    """Parse a template that was judged before; the tree is the caller's own."""
    return _parser().parse(text.strip())


def unjudged(text: str) -> nodes.Template | None:
    """Parse a template whose mistakes are told elsewhere; None where it cannot be read."""
    return (_kept(text) if len(text) <= MAX_KEPT else _read(text, ()))[0]


@lru_cache(maxsize=4096)
def _known(text: str, visible: frozenset[str]) -> tuple[nodes.Template | None, list[Issue]]:
    return _parse(text, (), visible)


def _parse(text: str, path: Path, visible: Set[str]) -> tuple[nodes.Template | None, list[Issue]]:
    tree, issues = _kept(text) if len(text) <= MAX_KEPT else _read(text, path)
    issues = issues if tree is None else [*_Judge(text, path, visible).judge(tree)]
    return (None if issues else tree), issues


@lru_cache(maxsize=4096)
def _kept(text: str) -> tuple[nodes.Template | None, list[Issue]]:
    return _read(text, ())


def _read(text: str, path: Path) -> tuple[nodes.Template | None, list[Issue]]:
    if "${{" in text:
        return None, [dollar_template(text, path)]
    if len(text) > MAX_TEMPLATE:
        found = f"the template is {len(text)} characters long, and {MAX_TEMPLATE} are allowed"
        return None, [Issue("too-complex", found, "split it", path)]
    try:
        tree = _parser().parse(text.strip())
        depth = _depth(tree)
    except TemplateSyntaxError as error:
        return None, [_syntax(text, error, path)]
    except (RecursionError, ValueError, MemoryError):
        return None, [
            Issue("too-complex", "the template nests too deeply or holds a number too long", "split it", path)
        ]
    if depth > MAX_DEPTH:
        found = f"the template nests {depth} levels deep, and {MAX_DEPTH} are allowed"
        return None, [Issue("too-complex", found, "split it", path)]
    return tree, []


def _syntax(text: str, error: TemplateSyntaxError, path: Path) -> Issue:
    lines = text.strip().split("\n")
    line = min(max(error.lineno, 1), len(lines))
    offset = sum(len(part) + 1 for part in lines[: line - 1]) if len(lines) > 1 else None
    message = (error.message or "not a template").rstrip(".")
    message = message[0].lower() + message[1:]
    if message.startswith("encountered unknown tag"):
        return Issue("template", message, "if, for and set are what there is", path, offset)
    hint = "a field's name with other characters is written record['…']" if "unexpected char" in message else ""
    if re.search(r"\{\{[^}]*\?[^}]*:", text):
        hint = "in templates write: a if condition else b"
    elif "unexpected end of template" in message or message == "unexpected '}'":
        hint = "a template ends with }}, as many as it begins with"
    if re.search(r"\{\{[^}]*(&&|\|\||(?<![=!<>])=(?!=))", text):
        hint = "in templates write and, or, not, =="
    return Issue("template", message, hint, path, offset)


def _depth(tree: nodes.Node) -> int:
    deepest = 0
    stack: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        deepest = max(deepest, depth)
        stack.extend((child, depth + 1) for child in node.iter_child_nodes())
    return deepest


class _Judge:
    """Walks a template's tree and says what is not allowed, not known, or grows."""

    def __init__(self, text: str, path: Path, visible: Set[str]) -> None:
        self.text = text
        self.path = path
        self.visible = visible
        self.copies: dict[str, int] = {}

    def judge(self, tree: nodes.Template) -> Iterator[Issue]:
        """Give every issue, the first of each kind of name."""
        given = {issue.message: issue for issue in self._all(tree)}
        yield from given.values()

    def _all(self, tree: nodes.Template) -> Iterator[Issue]:
        called = {id(call.node) for call in tree.find_all(nodes.Call)}
        own = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
        loops = any(True for _ in tree.find_all(nodes.For))
        for node in self._nodes(tree):
            if not isinstance(node, _ALLOWED):
                kind = type(node).__name__
                written = _WRITTEN.get(kind, "{% " + kind.lower() + " %}")
                yield self._issue(
                    "template", f"{written} is not allowed in templates", "if, for and set are what there is"
                )
            elif isinstance(node, nodes.Name) and node.ctx == "load":
                yield from self._name(node.name, id(node) in called, own | ({"loop"} if loops else set()))
            elif isinstance(node, nodes.Name):
                yield from self._own_name(node.name)
            elif isinstance(node, nodes.For) and node.recursive:
                yield self._issue("template", "a recursive loop is not allowed in templates", "")
            elif isinstance(node, (nodes.Filter, nodes.Test, nodes.Call)):
                yield from self._use(node)
            elif isinstance(node, nodes.Getattr):
                yield from self._private(node.attr)
        if not self._small(tree.body):
            yield self._issue("too-complex", "the template repeats its input too often", "split it")

    def _nodes(self, tree: nodes.Node) -> Iterator[nodes.Node]:
        for child in tree.iter_child_nodes():
            yield child
            yield from self._nodes(child)

    def _issue(self, code: str, message: str, hint: str, word: str = "", meant: str = "") -> Issue:
        at = self.text.find(word) if word else -1
        fix = renamed(self.text, word, meant) if word else ""
        return Issue(code, message, hint, self.path, at if at >= 0 else None, fix=fix)

    def _name(self, name: str, called: bool, own: Set[str]) -> Iterator[Issue]:
        if name in self.visible or name in own:
            return
        if called:
            if name not in library():
                hint = nearest(name, [*library()]) or "the function library is in the reference"
                meant = close(name, [*library()])
                yield self._issue("unknown-function", f"there is no function '{name}'", hint, name, meant)
        elif name == "records" and "record" in self.visible:
            yield self._issue(
                "records-without-batch", "'records' needs batch", "use record, or give the target a batch", name
            )
        elif name in ALL_NAMES:
            seen = ", ".join(sorted(self.visible))
            yield self._issue("unknown-name", f"'{name}' is not available here", f"there are {seen}", name)
        else:
            hint, meant = self._meant(name)
            yield self._issue("unknown-name", f"there is no '{name}' in templates", hint, name, meant)

    def _meant(self, name: str) -> tuple[str, str]:
        """Return what to do about a name that is not there, and what to write in its place where that is sure."""
        if name in _NULLS:
            return "null is written none here", "none"
        if hint := nearest(name, sorted(self.visible)):
            return hint, close(name, sorted(self.visible))
        if "record" not in self.visible:
            return f"there are {', '.join(sorted(self.visible))}", ""
        if name in library():
            return f"call the function with {name}(); a field of the record is record.{name}", ""
        return f"a field of the record is record.{name}", f"record.{name}"

    def _own_name(self, name: str) -> Iterator[Issue]:
        if name in ALL_NAMES - {"item"} or name == "loop" or name.startswith("_") or name in library():
            yield self._issue("template", f"'{name}' cannot be set in a template", "take another name", name)

    def _private(self, name: str) -> Iterator[Issue]:
        if name.startswith("__"):
            yield self._issue(
                "template", f"'{name}' is not allowed in templates", f"a field of that name is ['{name}']", name
            )

    def _use(self, node: Any) -> Iterator[Issue]:
        if isinstance(node, nodes.Test):
            if node.name not in tests():
                hint = nearest(node.name, [*tests()])
                meant = close(node.name, [*tests()])
                yield self._issue("unknown-test", f"there is no test '{node.name}'", hint, node.name, meant)
        elif isinstance(node, nodes.Filter):
            if node.name not in filter_names():
                hint = nearest(node.name, sorted(filter_names()))
                meant = close(node.name, sorted(filter_names()))
                yield self._issue("unknown-filter", f"there is no filter '{node.name}'", hint, node.name, meant)
            else:
                yield from self._arity(node.name, [node.node, *node.args], bool(node.kwargs))
        elif isinstance(node.node, nodes.Name):
            yield from self._arity(node.node.name, node.args, bool(node.kwargs))
        elif not isinstance(node.node, nodes.Getattr):
            yield self._issue("template", "only functions can be called in templates", "")
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            yield self._issue("template", "* and ** are not allowed in templates", "write the arguments out")

    def _arity(self, name: str, arguments: Sequence[Any], named: bool) -> Iterator[Issue]:
        function, given = library().get(name), len(arguments)
        if function is None:
            return
        if named:
            yield self._issue("arity", f"{name}() takes no named arguments", "give them in order", name)
        least = function.least
        if given < least or (function.most is not None and given > function.most):
            yield self._issue(
                "arity", f"{name}() takes {spoken(least, function.most)}, got {given}", function.summary, name
            )
            return
        constants = [one.value if isinstance(one, nodes.Const) else UNKNOWN for one in arguments]
        if problem := wrong_constant(name, constants):
            yield self._issue("bad-argument", f"{name}(): {problem}", "every record would be rejected", name)

    def _small(self, body: list[nodes.Node]) -> bool:
        """Follow how many copies of the data each name of the template's own can hold."""
        return all(self._copies_in(statement) <= MAX_COPIES for statement in body)

    def _copies_in(self, node: nodes.Node) -> int:
        if isinstance(node, nodes.Assign):
            made = self._copies_in(node.node)
            if isinstance(node.target, nodes.Name):
                self.copies[node.target.name] = max(made, self.copies.get(node.target.name, 1))
            return made
        if isinstance(node, nodes.Name):
            return self.copies.get(node.name, 1)
        parts = [self._copies_in(child) for child in node.iter_child_nodes()]
        if isinstance(node, (nodes.For, nodes.If, nodes.Output, nodes.CondExpr)):
            return max(parts, default=1)
        return min(max(1, sum(parts)), MAX_COPIES + 1)


def changing(tree: nodes.Template) -> str:
    """Return the first function of a template whose value changes from one moment to the next, or nothing."""
    used = {node.name for node in tree.find_all(nodes.Filter)}
    used |= {node.node.name for node in tree.find_all(nodes.Call) if isinstance(node.node, nodes.Name)}
    return next((name for name in sorted(used) if name in library() and library()[name].changes), "")
