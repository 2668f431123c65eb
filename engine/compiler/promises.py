"""What a pipeline promises, as plans; and what is wrong with it that a schema cannot tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.definition.model import PipelineDefinition
from engine.definition.units import seconds
from engine.errors import Problem, dotted
from engine.pipeline import PromisePlan

_KINDS = ("fresh", "rejected", "duration")


def compile_promises(definition: PipelineDefinition) -> tuple[PromisePlan, ...]:
    """Compile them; a second one of the same kind is called ``fresh-2``."""
    found: list[PromisePlan] = []
    for promise in definition.promises:
        kind: Any = next(kind for kind in _KINDS if kind in promise)
        number = 1 + sum(one.kind == kind for one in found)
        name = kind if number == 1 else f"{kind}-{number}"
        found.append(PromisePlan(name, kind, _limit(kind, promise[kind]), promise[kind]))
    return tuple(found)


def check_promises(definition: PipelineDefinition) -> Iterator[Problem]:
    """Yield promises that cannot be kept, or that nobody could look at."""
    calls = definition.source is None and any("webhook" in trigger for trigger in definition.triggers)
    for index, (promise, plan) in enumerate(zip(definition.promises, compile_promises(definition), strict=True)):
        path = ("promises", index, plan.kind)
        if plan.kind == "duration" and calls:
            fact = "what callers send is worked as it comes, in a run without an end"
            hint = "promise fresh or rejected, or give the pipeline a source"
        elif plan.limit <= 0:
            fact, hint = f"'{promise[plan.kind]}' can never be kept", "write more than 0"
        else:
            continue
        place = definition.origin.place(path)
        yield Problem(place.file, place.line, place.column, "bad-value", "error", dotted(path), fact, hint)


def _limit(kind: str, text: str) -> float:
    plain = text.lstrip("< ").strip()
    return float(plain.rstrip("% ")) / 100 if kind == "rejected" else seconds(plain)
