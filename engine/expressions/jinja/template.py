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
from engine.expressions.jinja.check import fresh, parse
from engine.expressions.jinja.code import NativeCode
from engine.expressions.jinja.data import plain_data
from engine.expressions.jinja.limits import begin, looped
from engine.expressions.jinja.sandbox import Names, Sandbox, absent, sandbox
from engine.expressions.library.base import MAX_TEXT, too_large
from engine.expressions.values import Invalid, Settings

_SIMPLE = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const)


class _Native(Sandbox):
    """The same environment, for templates that are one value."""

    code_generator_class = NativeCode


@lru_cache(maxsize=32)
def _native(base: Sandbox) -> Sandbox:
    made = object.__new__(_Native)
    made.__dict__.update(base.__dict__)
    made.finalize = None
    return made


class Rendering:
    """A compiled template. One *session* serves many renderings with one mapping of names that changes in between."""

    __slots__ = ("_environment", "_finish", "_path", "_root", "_sets", "native", "text")

    def __init__(self, text: str, tree: Tree, settings: Settings) -> None:
        self.text = text
        single = single_value(tree)
        self.native = single is not None
        base = sandbox(settings)
        self._environment = _native(base) if self.native else base
        self._sets = any(True for _ in tree.find_all(nodes.Assign))
        self._root = _root(self._environment, _bound_loops(fresh(text)))
        self._finish: Callable[[Any], Any] = _text
        self._path = isinstance(single, (nodes.Name, nodes.Getattr, nodes.Getitem))
        if single is not None:
            self._finish = _value if isinstance(single, _SIMPLE) else _built

    def render(self, names: Mapping[str, Any]) -> Any:
        """Render once."""
        return self.session(names)()

    def lenient(self, names: Mapping[str, Any]) -> Any:
        """Render once, with null where the one path a template is, is not there."""
        return self.session(names, lenient=True)()

    def session(self, names: Mapping[str, Any], lenient: bool = False) -> Callable[[], Any]:
        """Return what renders with the names as they are when it is called; not for use in two threads at once."""
        context = Names(self._environment, {}, None, {})
        context.parent = names  # type: ignore[assignment]
        root, finish = self._root, _or_null if lenient and self._path else self._finish
        if self._sets:
            return _forgetful(context, root, finish)

        def run() -> Any:
            begin()
            return finish(root(context))

        return run


def _forgetful(context: Names, root: Callable[[Names], Any], finish: Callable[[Any], Any]) -> Callable[[], Any]:
    """Render without what ``{% set %}`` left behind the last time."""

    def run() -> Any:
        begin()
        context.vars.clear()
        context.exported_vars.clear()
        return finish(root(context))

    return run


def _value(parts: Any) -> Any:
    value = next(parts)
    if isinstance(value, Undefined):
        raise absent(value)
    return value


def _built(parts: Any) -> Any:
    value = next(parts)
    kind = value.__class__
    if isinstance(value, Undefined):
        raise absent(value)
    return value if kind is str or kind is int or kind is float or value is None else plain_data(value)


def _or_null(parts: Any) -> Any:
    value = next(parts)
    return None if isinstance(value, Undefined) else plain_data(value)


def _text(parts: Any) -> str:
    # the pieces are few and shared; what they make together is measured before it is made
    pieces = list(parts)
    if sum(map(len, pieces)) > MAX_TEXT:
        raise too_large("the template")
    return "".join(pieces).strip()


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
