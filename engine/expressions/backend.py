"""How plans run: the one place that chooses the plain evaluation or the generated code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import RecordError
from engine.expressions import plainsteps
from engine.expressions.oracle import evaluator, rendering, search
from engine.expressions.plainbatch import BatchFunction, names_of, plain_batch
from engine.expressions.plan import Node, Query
from engine.expressions.program import Step
from engine.expressions.values import Settings

Single = Callable[[Any, Any, Any, Any], Any]


def batch(steps: tuple[Step, ...], settings: Settings, split: bool) -> BatchFunction:
    """Compile steps over batches."""
    return plain_batch(steps, settings, split)


def single(node: Node, settings: Settings) -> Single:
    """Compile a value over one record: record, meta, input, frame."""
    run = evaluator(node, settings)
    return lambda record, meta, given, frame: run(record, names_of(frame, record, meta, given))


def condition(node: Node, settings: Settings) -> Single:
    """Compile a condition over one record."""
    run = plainsteps.condition(node, settings)
    return lambda record, meta, given, frame: run(record, names_of(frame, record, meta, given))


def query(node: Node, settings: Settings) -> Callable[[Any], Any]:
    """Compile JMESPath over a document."""
    assert isinstance(node, Query)
    return lambda document: search(node.tree, document, settings, settings.clock())


def template(text: str, settings: Settings) -> Callable[[Mapping[str, Any]], Any]:
    """Compile a template over names; raises RecordError."""
    from engine.expressions.jinja.template import explain

    made = rendering(text, settings)

    def run(names: Mapping[str, Any]) -> Any:
        try:
            return made.render(names)
        except RecordError:
            raise
        except Exception as error:
            raise explain(error) from error

    return run
