"""How plans run: generated code, and record by record where one becomes several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import RecordError
from engine.expressions.generate import functions
from engine.expressions.generate.functions import guarded
from engine.expressions.plainbatch import BatchFunction, plain_batch
from engine.expressions.plainsteps import Evaluate
from engine.expressions.plan import Node
from engine.expressions.program import Step
from engine.expressions.values import Settings

Single = Callable[[Any, Any, Any, Any], Any]


def batch(steps: tuple[Step, ...], settings: Settings, split: bool) -> BatchFunction:
    """Compile steps over batches."""
    if not split:
        return guarded(functions.batch(steps, settings), batches=True)

    def make(node: Node) -> Evaluate:
        run = single(node, settings)
        return lambda data, names: run(data, names["meta"], names["input"], names["_frame"])

    return plain_batch(steps, make, split)


def single(node: Node, settings: Settings) -> Single:
    """Compile a value over one record: record, meta, input, frame."""
    return guarded(functions.single(node, settings))


def condition(node: Node, settings: Settings) -> Single:
    """Compile a condition over one record."""
    return guarded(functions.single(node, settings, as_condition=True))


def query(node: Node, settings: Settings) -> Callable[[Any], Any]:
    """Compile JMESPath over a document."""
    return guarded(functions.query(node, settings))


def template(text: str, settings: Settings) -> Callable[[Mapping[str, Any]], Any]:
    """Compile a template over names; raises RecordError."""
    made = functions.template(text, settings)
    if made is not None:
        return guarded(made)
    from engine.expressions.jinja.template import compile_text, explain

    rendering = compile_text(text, settings)

    def run(names: Mapping[str, Any]) -> Any:
        try:
            return rendering.render(names)
        except RecordError:
            raise
        except Exception as error:
            raise explain(error) from error

    return run
