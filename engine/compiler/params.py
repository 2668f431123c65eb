"""A run's inputs: checked and completed by their JSON Schema, and the source of a pipeline that has no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from engine.connector import BaseSource, Context
from engine.definition.model import PipelineDefinition
from engine.errors import DefinitionError, Problem
from engine.expressions import compile_schema
from engine.record import NO_META, Batch, Checkpoint

Check = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def params_checker(definition: PipelineDefinition) -> Check:
    """Return what fills in defaults and checks a run's params. It raises DefinitionError with every mistake."""
    properties = {
        name: {key: value for key, value in spec.items() if key not in ("required", "secret")}
        for name, spec in definition.params.items()
    }
    required = [name for name, spec in definition.params.items() if spec.get("required") is True]
    validate = compile_schema({"type": "object", "properties": properties, "required": required})

    def check(given: Mapping[str, Any]) -> Mapping[str, Any]:
        unknown = [name for name in given if name not in properties]
        if unknown:
            known = ", ".join(sorted(properties)) or "none"
            raise DefinitionError(
                [
                    _problem(definition, name, "unknown-param", f"no param '{name}'; there are: {known}")
                    for name in unknown
                ]
            )
        filled = {name: spec["default"] for name, spec in properties.items() if "default" in spec} | dict(given)
        wrong = validate(filled)
        if wrong:
            raise DefinitionError(
                [_problem(definition, str(path[0]) if path else "", "param", message) for path, message in wrong]
            )
        return filled

    return check


def _problem(definition: PipelineDefinition, name: str, code: str, message: str) -> Problem:
    path = ("params", name) if name in definition.params else ("params",)
    place = definition.origin.place(path)
    return Problem(place.file, place.line, place.column, code, "error", f"params.{name}".rstrip("."), message)


class ParamsSource(BaseSource):
    """One record, made of the run's params."""

    def __init__(self, context: Context) -> None:
        self._record = dict(context.names["params"])

    async def read(self, after: Checkpoint | None) -> AsyncIterator[Batch]:
        """Yield the one record."""
        yield Batch([self._record], [NO_META], {"done": True})
