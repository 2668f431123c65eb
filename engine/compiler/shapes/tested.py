"""Tests against the types they speak of: fields that no record has, and values that a mapping never gives.

What a test feeds in may well be of a wrong kind: that is what it tests. A field that no source has is a slip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiler.shapes.walk import Walk
from engine.definition.model import PipelineTest, Project
from engine.errors import Path, Problem, dotted
from engine.expressions.types.fits import Misfit, misfits
from engine.expressions.types.model import Type
from engine.expressions.types.of_values import exactly


def check_tests(project: Project, name: str, walked: Walk) -> Iterator[Problem]:
    """Yield what cannot be right in the tests of one pipeline."""
    source = next((stop.record for stop in walked.stops if stop.what == "source"), None)
    targets = {stop.id: stop.record for stop in walked.stops if stop.what == "target"}
    for test in project.tests.get(name, ()):
        if source is not None and source.further == "no":
            yield from _records(test, source)
        yield from _sent(test, targets)


def _records(test: PipelineTest, source: Type) -> Iterator[Problem]:
    for index, record in enumerate(test.body.get("records") or ()):
        path: Path = (*test.path, "records", index)
        if isinstance(record, Mapping) and "$record" in record:
            record, path = record["$record"], (*path, "$record")
        yield from _problems(test, record, source, path, ("unknown-field",))


def _sent(test: PipelineTest, targets: Mapping[str, Type]) -> Iterator[Problem]:
    expect = test.body.get("expect")
    for key in ("sent", "sent_exactly"):
        written = expect.get(key) if isinstance(expect, Mapping) else None
        path: Path = (*test.path, "expect", key)
        if isinstance(written, list) and len(targets) == 1:
            yield from _listed(test, written, next(iter(targets.values())), path)
        elif isinstance(written, Mapping):
            for name, records in written.items():
                if name in targets and isinstance(records, list):
                    yield from _listed(test, records, targets[name], (*path, name))


def _listed(test: PipelineTest, records: list[Any], wanted: Type, path: Path) -> Iterator[Problem]:
    for index, record in enumerate(records):
        yield from _problems(test, record, wanted, (*path, index), ("unknown-field", "type-mismatch"))


def _problems(test: PipelineTest, record: Any, wanted: Type, path: Path, codes: tuple[str, ...]) -> Iterator[Problem]:
    if not isinstance(record, Mapping) or wanted.any:
        return
    for one in misfits(exactly(record), wanted):
        if one.code in codes and one.certain and "*" not in one.path:
            yield _problem(test, one, (*path, *one.path))


def _problem(test: PipelineTest, one: Misfit, path: Path) -> Problem:
    key = one.code == "unknown-field"
    place = test.origin.place((*path, "$key") if key else path)
    near = one.hint.removeprefix("did you mean '").removesuffix("'?") if one.hint.startswith("did you mean") else ""
    fact = one.message
    if not key:
        fact = fact.replace("' is ", "' is expected to be ", 1).replace("is wanted", "is what comes")
    told = Problem(*place, one.code, "error", dotted(path), fact, one.hint if key else "", near if key else "")
    return test.origin.told(told)
