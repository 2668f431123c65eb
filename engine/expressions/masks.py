"""What ``$sensitive`` marks, masked for people's eyes: the fields, and every path they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.errors import Path
from engine.expressions.plan import Const, Each, Field, Fields, Items, Lookup, Node, Query, Text
from engine.expressions.program import Ask, Map, Program, SetFields, Step, Switch
from engine.expressions.reader import Reader
from engine.expressions.values import ALL_NAMES, StepLike

MASK = "***"
_DATA = frozenset({"record", "input", "item"})
Pattern = tuple[str, ...]
"""Names from the root; ``*`` is every element of a list or every field of an object."""


class Masks(NamedTuple):
    """Functions that return masked copies; records without such fields are returned as they are."""

    mask_source: Callable[[Any], Any]
    mask_mapped: Callable[[Any], Any]


def sensitive(steps: Sequence[StepLike] = (), mapping: Any = None, path: Path = ("mapping",)) -> Masks:
    """Read what steps and a target's mapping mark: the first masks records as read, the second as mapped."""
    program = Program(ALL_NAMES)
    read = program.steps(steps)
    source, mapped = _of_steps(read)
    if mapping is not None:
        reader = Reader(ALL_NAMES)
        node = reader.value(mapping, path)
        made = list(_marked(node, ()))
        own_source = [place for _, field in made for place in _reads(field.source)]
        # what the target's mapping reads is a field as the steps made it, and mostly of the same name in the source
        source = [*source, *own_source]
        mapped = [*mapped, *(place for place, _ in made), *_renamed(node, mapped)]
    return Masks(_masker(source), _masker(mapped))


def _of_steps(steps: Sequence[Step]) -> tuple[list[Pattern], list[Pattern]]:
    source: list[Pattern] = []
    mapped: list[Pattern] = []
    for step in steps:
        if isinstance(step, Switch):
            for _, inner in step.cases:
                more_source, more_mapped = _of_steps(inner)
                source += more_source
                mapped += more_mapped
        elif isinstance(step, (Map, SetFields)):
            node = step.value if isinstance(step, Map) else step.fields
            made = list(_marked(node, ()))
            renamed = _renamed(node, mapped)
            mapped = [*(mapped if isinstance(step, SetFields) else ()), *renamed, *(place for place, _ in made)]
            source += [place for _, field in made for place in _reads(field.source)]
        elif isinstance(step, Ask) and step.into:
            # what stood there is gone; dead letters keep the record as it stood behind the step, as a source's
            mapped = [mark for mark in mapped if mark[: len(step.into)] != step.into]
            mapped += [step.into] if step.sensitive else []
            source += [step.into] if step.sensitive else []
    return source, mapped


def _renamed(node: Node, marked: list[Pattern], place: Pattern = ()) -> list[Pattern]:
    """Give the places that read something marked before."""
    if isinstance(node, Fields):
        return [found for name, item in node.fields for found in _renamed(item, marked, (*place, name))]
    if isinstance(node, Items):
        return [found for item in node.items for found in _renamed(item, marked, (*place, "*"))]
    touched = any(_overlap(read, mark) for read in _reads(node) for mark in marked)
    return [place] if touched else []


def _overlap(one: Pattern, other: Pattern) -> bool:
    return all(a == b or "*" in (a, b) for a, b in zip(one, other, strict=False))


def _marked(node: Node, place: Pattern) -> Iterator[tuple[Pattern, Field]]:
    if isinstance(node, Field):
        if node.sensitive:
            yield place, node
        elif isinstance(node.source, Each):
            base = next(iter(_reads(node.source.source)), ())
            for found, field in _marked(node.source.body, (*place, "*")):
                inner = Field(field.path, _Under(field.path, (*base, "*"), field.source), sensitive=True)
                yield found, inner
    elif isinstance(node, Fields):
        for name, item in node.fields:
            yield from _marked(item, (*place, name))
    elif isinstance(node, Items):
        for item in node.items:
            yield from _marked(item, (*place, "*"))


class _Under(Node):
    """A source that is read inside each element of a list."""

    __slots__ = ("base", "inner")

    def __init__(self, path: Path, base: Pattern, inner: Node) -> None:
        super().__init__(path)
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "inner", inner)

    base: Pattern
    inner: Node


def _reads(node: Node) -> list[Pattern]:
    """Give the paths a value reads, as far as they are known; at least their first field."""
    if isinstance(node, Lookup):
        return [_pattern(node.steps)]
    if isinstance(node, Query):
        from engine.expressions.inspection import roots

        return [(name,) if name else () for name in sorted(set(roots(node.tree)))]
    if isinstance(node, Text):
        return _template_reads(node)
    if isinstance(node, Field):
        return _reads(node.source)
    if isinstance(node, _Under):
        return [(*node.base, *read) for read in _reads(node.inner)]
    if isinstance(node, Each):
        return _reads(node.source)
    if isinstance(node, (Fields, Items)):
        inner = [item for _, item in node.fields] if isinstance(node, Fields) else list(node.items)
        return [read for item in inner for read in _reads(item)]
    assert isinstance(node, Const)
    return []


def _pattern(steps: tuple[str | int, ...]) -> Pattern:
    return tuple("*" if isinstance(step, int) else step for step in steps)


def _template_reads(node: Text) -> list[Pattern]:
    from jinja2 import nodes

    from engine.expressions.jinja.check import parse

    tree, _ = parse(node.text, node.path)
    assert tree is not None
    found: set[Pattern] = set()
    inside: set[int] = set()
    lookups: Any = tree.find_all((nodes.Getattr, nodes.Getitem))
    for access in lookups:
        if isinstance(access.node, nodes.Name) and access.node.name in _DATA:
            inside.add(id(access.node))
            name = access.attr if isinstance(access, nodes.Getattr) else getattr(access.arg, "value", None)
            found.add((name,) if isinstance(name, str) else ())
    whole = any(name.name in _DATA and id(name) not in inside for name in tree.find_all(nodes.Name))
    return [()] if whole else sorted(found)


def _masker(patterns: Sequence[Pattern]) -> Callable[[Any], Any]:
    wanted = [pattern for pattern in dict.fromkeys(patterns) if pattern]
    everything = any(not pattern for pattern in patterns)
    if everything:
        return lambda record: MASK
    if not wanted:
        return lambda record: record

    def mask(record: Any) -> Any:
        for pattern in wanted:
            record = masked(record, pattern)
        return record

    return mask


def masked(value: Any, pattern: Pattern) -> Any:
    """Return a copy of *value* with what *pattern* names replaced."""
    if not pattern:
        return value if value is None else MASK
    step, *rest = pattern
    if isinstance(value, list) and step == "*":
        return [masked(item, tuple(rest)) for item in value]
    if isinstance(value, Mapping):
        names = list(value) if step == "*" else [step]
        return {**value, **{name: masked(value[name], tuple(rest)) for name in names if name in value}}
    return value
