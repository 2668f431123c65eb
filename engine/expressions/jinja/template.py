"""A template compiled in the sandbox: names in, a value or a text out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Undefined, nodes
from jinja2.compiler import generate
from jinja2.exceptions import SecurityError, TemplateRuntimeError, UndefinedError
from jinja2.nodes import Template as Tree

from engine.errors import RecordError
from engine.expressions.jinja.check import parse
from engine.expressions.jinja.filters import plain_data
from engine.expressions.jinja.limits import begin, looped
from engine.expressions.jinja.sandbox import Names, NativeCode, Sandbox, absent, sandbox
from engine.expressions.library.base import MAX_TEXT
from engine.expressions.values import Invalid, Settings

_SIMPLE = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const)
_SETS = (nodes.Assign,)


class _Native(Sandbox):
    """The same environment, for templates that are one value."""

    code_generator_class = NativeCode


@lru_cache(maxsize=8)
def _native(base: Sandbox, settings_id: int) -> Sandbox:
    made = object.__new__(_Native)
    made.__dict__.update(base.__dict__)
    made.finalize = None
    return made


class Rendering:
    """A compiled template. ``render`` takes the names; ``in_context`` takes a context that others share."""

    __slots__ = ("_environment", "_root", "native", "render", "shares", "text")

    def __init__(self, text: str, tree: Tree, settings: Settings) -> None:
        self.text = text
        single = single_value(tree)
        self.native = single is not None
        base = sandbox(settings)
        self._environment = _native(base, id(base)) if self.native else base
        self.shares = not any(True for _ in tree.find_all(_SETS))
        self._root = _root(self._environment, _bound_loops(tree))
        self.render: Callable[[Mapping[str, Any]], Any] = self._value if single is not None else self._text
        if single is not None and not isinstance(single, _SIMPLE):
            self.render = self._built

    def context(self) -> Names:
        """Make a context; its ``parent`` is the mapping of names."""
        return Names(self._environment, {}, None, {})

    def _run(self, names: Mapping[str, Any]) -> Any:
        context = self.context()
        context.parent = names  # type: ignore[assignment]
        return self._root(context)

    def _value(self, names: Mapping[str, Any]) -> Any:
        begin()
        value = _first(self._run(names))
        if isinstance(value, Undefined):
            raise absent(value)
        return value

    def _built(self, names: Mapping[str, Any]) -> Any:
        value = self._value(names)
        kind = value.__class__
        return value if kind is str or kind is int or kind is float or value is None else plain_data(value)

    def lenient(self, names: Mapping[str, Any]) -> Any:
        """Render, with null where the one value of a template is not there."""
        if not self.native:
            return self.render(names)
        begin()
        value = _first(self._run(names))
        return None if isinstance(value, Undefined) else plain_data(value)

    def _text(self, names: Mapping[str, Any]) -> str:
        begin()
        parts, size = [], 0
        for part in self._run(names):
            size += len(part)
            if size > MAX_TEXT:
                raise RecordError("too-large", "the template makes more than 1 MiB of text")
            parts.append(part)
        return "".join(parts).strip()


def _first(parts: Any) -> Any:
    return next(parts)


def single_value(tree: Tree) -> nodes.Expr | None:
    """Return the expression when the template is one ``{{ … }}`` and nothing else."""
    if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output):
        found = tree.body[0].nodes
        if len(found) == 1 and not isinstance(found[0], nodes.TemplateData):
            return found[0]
    return None


def _bound_loops(tree: Tree) -> Tree:
    for loop in tree.find_all(nodes.For):
        cost = 1 + sum(1 for _ in _below(loop)) // 4
        loop.iter = nodes.Filter(loop.iter, "_looped", [nodes.Const(cost)], [], None, None, lineno=loop.lineno)
    return tree


def _below(node: nodes.Node) -> Any:
    for child in node.iter_child_nodes():
        yield child
        yield from _below(child)


def _root(environment: Sandbox, tree: Tree) -> Callable[[Names], Any]:
    environment.filters["_looped"] = looped
    tree.set_environment(environment)
    source = generate(tree, environment, None, None, optimized=False)
    assert source is not None
    space: dict[str, Any] = {"environment": environment}
    exec(compile(source, "<template>", "exec"), space)
    return space["root"]  # type: ignore[no-any-return]


def compile_text(text: str, settings: Settings, where: Any = ()) -> Rendering:
    """Compile a template; raises Invalid."""
    tree, issues = parse(text, where)
    if tree is None:
        raise Invalid(issues)
    return Rendering(text, tree, settings)


def explain(error: Exception) -> RecordError:
    """Say what went wrong while a template ran."""
    if isinstance(error, RecordError):
        return error
    if isinstance(error, UndefinedError):
        return RecordError("missing-field", str(error))
    if isinstance(error, SecurityError):
        return RecordError("template", "the template asks for something it may not have")
    if isinstance(error, TemplateRuntimeError):
        return RecordError("template", str(error))
    return RecordError("type", str(error) or type(error).__name__)
