"""Steps the plain way, one record at a time: the oracle of the generated ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import RecordError, dotted
from engine.expressions.oracle import Evaluate, evaluator
from engine.expressions.plan import Node
from engine.expressions.program import Check, Filter, Map, OmitNull, Remove, Set_, Split, Step, Switch, Validate
from engine.expressions.schema import compile_schema
from engine.expressions.shaping import boolean, without, without_null
from engine.expressions.values import Settings

Names = Mapping[str, Any]
Out = Callable[[Any, Names], None]


class Dropped(Exception):  # noqa: N818
    """A filter dropped the record."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


Run = Callable[[Any, dict[str, Any]], list[tuple[Any, dict[str, Any]]]]


def run_steps(steps: tuple[Step, ...], settings: Settings) -> Run:
    """Return what takes a record through steps: the records it becomes, each with its names."""
    actions = [_action(step, settings) for step in steps]

    def run(record: Any, names: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
        current = [(record, names)]
        for action in actions:
            current = [made for value, seen in current for made in action(value, seen)]
        return current

    return run


def condition(node: Node, settings: Settings) -> Evaluate:
    """Return what evaluates a condition."""
    evaluate = evaluator(node, settings)

    def run(data: Any, names: Names) -> Any:
        value = evaluate(data, names)
        try:
            return boolean(value)
        except RecordError as error:
            raise RecordError(error.code, error.message, node.where) from None

    return run


def _action(step: Step, settings: Settings) -> Run:
    make: dict[type[Step], Callable[[Any, Settings], Run]] = {
        Filter: _filter,
        Map: _map,
        Set_: _set,
        Remove: _remove,
        Check: _check,
        Validate: _validate,
        Split: _split,
        Switch: _switch,
        OmitNull: lambda step, settings: lambda record, names: [_with(without_null(record), names)],
    }
    return make[type(step)](step, settings)


def _with(record: Any, names: dict[str, Any], **more: Any) -> tuple[Any, dict[str, Any]]:
    return record, {**names, "record": record, **more}


def _filter(step: Filter, settings: Settings) -> Run:
    holds = condition(step.condition, settings)

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        if not holds(record, names):
            raise Dropped(step.where)
        return [(record, names)]

    return run


def _map(step: Map, settings: Settings) -> Run:
    evaluate = evaluator(step.value, settings)
    return lambda record, names: [_with(evaluate(record, names), names)]


def _set(step: Set_, settings: Settings) -> Run:
    evaluate = evaluator(step.fields, settings)

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        if not isinstance(record, dict):
            raise RecordError("type", "set needs a record that is an object", step.where)
        return [_with({**record, **evaluate(record, names)}, names)]

    return run


def _remove(step: Remove, settings: Settings) -> Run:
    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        for path in step.paths:
            record = without(record, path)
        return [_with(record, names)]

    return run


def _check(step: Check, settings: Settings) -> Run:
    holds = condition(step.that, settings)
    words = evaluator(step.message, settings) if isinstance(step.message, Node) else None

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        if not holds(record, names):
            raise RecordError(step.code, str(words(record, names)) if words else str(step.message), step.where)
        return [(record, names)]

    return run


def _validate(step: Validate, settings: Settings) -> Run:
    check = compile_schema(step.schema)

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        found = check(record)
        if found:
            path, message = found[0]
            place = f"{dotted(path)}: " if path else ""
            raise RecordError("schema", place + message, step.where)
        return [(record, names)]

    return run


def _split(step: Split, settings: Settings) -> Run:
    evaluate = evaluator(step.source, settings)

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        elements = evaluate(record, names)
        if not isinstance(elements, list):
            raise RecordError("type", "split needs a list", step.where)
        meta = {**names["meta"], "parent": record}
        return [_with(element, names, meta=meta) for element in elements]

    return run


def _switch(step: Switch, settings: Settings) -> Run:
    cases = [
        (condition(when, settings) if when is not None else None, run_steps(steps, settings)) for when, steps in step.cases
    ]

    def run(record: Any, names: dict[str, Any]) -> list[Any]:
        for when, steps in cases:
            if when is None or when(record, names):
                return steps(record, names)
        return [(record, names)]

    return run
