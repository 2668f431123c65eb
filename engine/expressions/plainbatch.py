"""Whole batches the plain way, with the face of the generated functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.expressions.plainsteps import Make, run_steps
from engine.expressions.program import Step

Made = tuple[list[Any], Sequence[int], Mapping[str, int], list[Any] | None]
"""Records, the index each came from, how many each filter dropped, metas where a split changed them."""

BatchFunction = Callable[[Sequence[Any], Sequence[Any], Sequence[Any], Any], Made]


def names_of(frame: Any, record: Any, meta: Any, given: Any) -> dict[str, Any]:
    """Make what templates see."""
    return {
        "record": record,
        "input": given,
        "meta": meta,
        "params": frame.params,
        "trigger": frame.trigger,
        "run": frame.run,
        "vars": frame.vars,
        "results": frame.results,
        "_now": frame.now,
        "_frame": frame,
    }


def plain_batch(steps: tuple[Step, ...], make: Make, split: bool) -> BatchFunction:
    """Return the steps as a function over batches."""
    run = run_steps(steps, make)

    def batch(records: Sequence[Any], metas: Sequence[Any], inputs: Sequence[Any], frame: Any) -> Made:
        out: list[Any] = []
        origin: list[int] = []
        made_metas: list[Any] = []
        dropped: dict[str, int] = {}
        for index, record in enumerate(records):
            seen = {**names_of(frame, record, metas[index], inputs[index]), "_dropped": dropped}
            for value, names in run(record, seen):
                out.append(value)
                origin.append(index)
                made_metas.append(names["meta"])
        return out, origin, dropped, made_metas if split else None

    return batch
