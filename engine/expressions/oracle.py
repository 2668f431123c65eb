"""The plain way to evaluate: the ``jmespath`` package's interpreter and one rendering per template.

The generated code must give the same; tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from jmespath import functions
from jmespath.exceptions import JMESPathTypeError
from jmespath.visitor import Options, TreeInterpreter

from engine.errors import RecordError
from engine.expressions.fields import shape
from engine.expressions.jinja.template import Rendering, explain
from engine.expressions.jinja.template import compile_text as compile_template_text
from engine.expressions.library import library
from engine.expressions.library.base import kind_of
from engine.expressions.plan import Const, Each, Field, Fields, Items, Lookup, Node, Query, Text, written
from engine.expressions.values import Settings

Names = Mapping[str, Any]
Evaluate = Callable[[Any, Names], Any]
"""The data JMESPath sees, the names Jinja sees."""


class Functions(functions.Functions):  # type: ignore[misc]
    """The package's functions, with decimals as numbers, and the library's."""

    def __init__(self, settings: Settings, now: Any) -> None:
        self.settings = settings
        self.now = now

    def call_function(self, function_name: str, resolved_args: list[Any]) -> Any:
        """Call one of the package's functions or of the library."""
        if function_name == "to_string" and resolved_args == [None]:
            return None
        found = library().get(function_name)
        if function_name in self.FUNCTION_TABLE or found is None:
            return super().call_function(function_name, resolved_args)
        given = {"": (), "now": (self.now,), "settings": (self.settings,)}[found.needs]
        return found.call(*given, *resolved_args)


def search(tree: dict[str, Any], data: Any, settings: Settings, now: Any) -> Any:
    """Evaluate a JMESPath tree with the package."""
    interpreter = TreeInterpreter(Options(custom_functions=Functions(settings, now)))
    try:
        return interpreter.visit(tree, data)
    except JMESPathTypeError as error:
        raise RecordError("type", str(error)) from error
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise RecordError("type", str(error)) from error


def lookup(data: Any, steps: tuple[str | int, ...], missing: str) -> Any:
    """Follow a plain path; an absent step rejects, null goes on as null."""
    value = data
    for position, step in enumerate(steps):
        key: Any = step
        if (isinstance(step, str) and isinstance(value, dict) and step in value) or (
            isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value)
        ):
            value = value[key]
        elif (value is None and position) or missing == "null":
            return None
        else:
            raise RecordError("missing-field", written(steps[: position + 1]))
    return value


def evaluator(node: Node, settings: Settings) -> Evaluate:
    """Make the plain evaluation of a plan; failures carry the place."""
    plain = _evaluator(node, settings)
    if isinstance(node, (Fields, Items)):
        return plain
    where = node.where

    def run(data: Any, names: Names) -> Any:
        try:
            return plain(data, names)
        except RecordError as error:
            raise RecordError(error.code, error.message, error.where or where) from error

    return run


def _evaluator(node: Node, settings: Settings) -> Evaluate:
    if isinstance(node, Const):
        return lambda data, names: deepcopy(node.value)
    if isinstance(node, Lookup):
        return lambda data, names: lookup(data, node.steps, settings.missing)
    if isinstance(node, Query):
        return lambda data, names: search(node.tree, data, settings, names["_now"])
    if isinstance(node, Text):
        return _rendered(rendering(node.text, settings).render)
    if isinstance(node, Items):
        parts = [evaluator(item, settings) for item in node.items]
        return lambda data, names: [part(data, names) for part in parts]
    if isinstance(node, Fields):
        pairs = [(name, evaluator(item, settings)) for name, item in node.fields]
        return lambda data, names: {name: part(data, names) for name, part in pairs}
    if isinstance(node, Each):
        return _each(node, settings, settings)
    assert isinstance(node, Field)
    return _field(node, settings)


def rendering(text: str, settings: Settings) -> Rendering:
    """Compile a template that was checked before."""
    return compile_template_text(text, settings)


def _rendered(render: Callable[[Names], Any]) -> Evaluate:
    def run(data: Any, names: Names) -> Any:
        try:
            return render(names)
        except Exception as error:
            raise explain(error) from error

    return run


def _each(node: Each, settings: Settings, outer: Settings) -> Evaluate:
    source, body = evaluator(node.source, outer), evaluator(node.body, settings)

    def run(data: Any, names: Names) -> Any:
        elements = source(data, names)
        if elements is None:
            return None
        if not isinstance(elements, list):
            raise RecordError("type", f"$each needs a list, got {kind_of(elements)}")
        return [body(element, {**names, "item": element}) for element in elements]

    return run


def _field(node: Field, settings: Settings) -> Evaluate:
    lenient = node.has_default or node.required is False
    source_settings = _missing(settings, "null" if lenient else "reject" if node.required else settings.missing)
    source = _source(node.source, settings, source_settings)
    finish = shape(node, settings)

    def run(data: Any, names: Names) -> Any:
        value = source(data, names)
        if value is None:
            if node.required and not node.has_default:
                raise RecordError("missing-field", _named(node))
            return node.default
        return finish(value) if finish else value

    return run


def _source(node: Node, settings: Settings, outer: Settings) -> Evaluate:
    if isinstance(node, Each):
        return _each(node, settings, outer)
    if isinstance(node, Text) and outer.missing == "null":
        return _rendered(rendering(node.text, settings).lenient)
    return evaluator(node, outer)


def _named(node: Field) -> str:
    if isinstance(node.source, Lookup):
        return written(node.source.steps)
    return str(node.path[-1]) if node.path else "value"


@lru_cache(maxsize=64)
def _replaced(facts: tuple[Any, ...]) -> Settings:
    zone, missing, omit_null, root, roots, clock = facts
    return Settings(zone, missing, omit_null, root, roots, clock)


def _missing(settings: Settings, missing: Any) -> Settings:
    return _replaced(
        (settings.timezone, missing, settings.omit_null, settings.root, tuple(settings.roots), settings.clock)
    )
