"""Steps the plain way, one record at a time: the oracle of the generated ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import RecordError, dotted
from engine.expressions.plan import Node
from engine.expressions.program import Check, Filter, Map, OmitNull, Remove, SetFields, Split, Step, Switch, Validate
from engine.expressions.schema import compile_schema
from engine.expressions.shaping import boolean, without, without_null

Names = Mapping[str, Any]
Evaluate = Callable[[Any, Names], Any]
Make = Callable[[Node], Evaluate]
"""Makes the evaluation of a value, the plain way or by generated code."""


Run = Callable[[Any, dict[str, Any]], list[tuple[Any, dict[str, Any]]]]


def run_steps(steps: tuple[Step, ...], make: Make) -> Run:
    """Return what takes a record through steps: the records it becomes, each with its names."""
    actions = [_action(step, make) for step in steps]

    def run(record: Any, names: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
        current = [(record, names)]
        for action in actions:
            current = [made for value, seen in current for made in action(value, seen)]
        return current

    return run


def condition(node: Node, make: Make) -> Evaluate:
    """Return what evaluates a condition."""
    evaluate = make(node)

    def run(data: Any, names: Names) -> Any:
        value = evaluate(data, names)
        try:
            return boolean(value)
        except RecordError as error:
            raise RecordError(error.code, error.message, node.where) from None

    return run


def _action(step: Step, make: Make) -> Run:
    kinds: dict[type[Step], Callable[[Any, Make], Run]] = {
        Filter: _filter,
        Map: _map,
        SetFields: _set,
        Remove: _remove,
        Check: _check,
        Validate: _validate,
        Split: _split,
        Switch: _switch,
        OmitNull: lambda step, make: lambda record, names: [_with(without_null(record), names)],
    }
    return kinds[type(step)](step, make)


def _with(record: Any, names: dict[str, Any], **more: Any) -> tuple[Any, dict[str, Any]]:
    return record, {**names, "record": record, **more}


def _filter(step: Filter, make: Make) -> Run:
    holds = condition(step.condition, make)

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        if not holds(record, names):
            dropped = names["_dropped"]
            dropped[step.where] = dropped.get(step.where, 0) + 1
            return []
        return [(record, names)]

    return run


def _map(step: Map, make: Make) -> Run:
    evaluate = make(step.value)
    return lambda record, names: [_with(evaluate(record, names), names)]


def _set(step: SetFields, make: Make) -> Run:
    evaluate = make(step.fields)

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        if not isinstance(record, dict):
            raise RecordError("type", "set needs a record that is an object", step.where)
        return [_with({**record, **evaluate(record, names)}, names)]

    return run


def _remove(step: Remove, make: Make) -> Run:
    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        for path in step.paths:
            record = without(record, path)
        return [_with(record, names)]

    return run


def _check(step: Check, make: Make) -> Run:
    holds = condition(step.that, make)
    words = make(step.message) if isinstance(step.message, Node) else None

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        if not holds(record, names):
            raise RecordError(step.code, str(words(record, names)) if words else str(step.message), step.where)
        return [(record, names)]

    return run


def _validate(step: Validate, make: Make) -> Run:
    check = compile_schema(step.schema)

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        found = check(record)
        if found:
            path, message = found[0]
            place = f"{dotted(path)}: " if path else ""
            raise RecordError("schema", place + message, step.where)
        return [(record, names)]

    return run


def _split(step: Split, make: Make) -> Run:
    evaluate = make(step.source)

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        elements = evaluate(record, names)
        if not isinstance(elements, list):
            raise RecordError("type", "split needs a list", step.where)
        meta = {**names["meta"], "parent": record}
        return [_with(element, names, meta=meta) for element in elements]

    return run


def _switch(step: Switch, make: Make) -> Run:
    cases = [
        (condition(when, make) if when is not None else None, run_steps(steps, make)) for when, steps in step.cases
    ]

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        for when, steps in cases:
            if when is None or when(record, names):
                return steps(record, names)
        return [(record, names)]

    return run
