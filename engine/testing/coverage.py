"""``engine test --coverage``: which ways through a pipeline no test took."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from engine.compiler.facts import expression_settings
from engine.compiler.registry import connector
from engine.compiler.steps import compile_stages
from engine.definition.model import PipelineDefinition, Project, Step
from engine.errors import Path, RecordError, dotted
from engine.expressions import Settings, compile_condition, compile_steps
from engine.pipeline import AskPlan, Condition, Frame, Pipeline, Stage
from engine.record import Emission, Meta, Record
from engine.testing.moments import now
from engine.testing.outcome import Outcome
from engine.testing.suite import Verdict

_REFUSALS = ("refused", "uncertain")


class Way(NamedTuple):
    """One way through a pipeline: a node of it, and what happens there."""

    path: Path
    what: str


@dataclass(slots=True)
class Coverage:
    """Gathers, by pipeline (all instances of a template together), the ways there are and those that were taken."""

    project: Project
    ways: dict[str, dict[Way, PipelineDefinition]] = field(default_factory=dict)
    taken: dict[str, set[Way]] = field(default_factory=dict)

    def listen(self, definition: PipelineDefinition, pipeline: Pipeline) -> Pipeline:
        """Return the pipeline with an ear behind every step."""
        name = _name(definition)
        there = self.ways.setdefault(name, {})
        there.update((way, definition) for way in _ways(definition) if way not in there)
        taken = self.taken.setdefault(name, set())
        settings = expression_settings(self.project, definition, now)
        stages: list[Stage | AskPlan] = []
        for step in definition.steps:
            if step.use is not None:
                made = compile_stages(self.project, replace(definition, steps=(step,)), settings)
                stages += [*made, _Behind(f"{dotted(step.path)}.behind", step, taken)]
                continue
            stages += _ears(step, taken, settings)
        return replace(pipeline, stages=tuple(stages))

    def note(self, definition: PipelineDefinition, outcome: Outcome) -> None:
        """Note what an outcome tells of targets, asking steps and callers."""
        taken = self.taken.setdefault(_name(definition), set())
        for target in definition.targets:
            if outcome.sent.get(target.id):
                taken.add(Way(target.path, "takes a record"))
            if target.id in outcome.refused or any(one.get("target") == target.id for one in outcome.rejected):
                taken.add(Way(target.path, "refuses a record"))
            if target.id in outcome.failed:
                taken.add(Way(target.path, "does not answer"))
        codes = {one["code"] for one in outcome.rejected if not one.get("target")}
        for step in definition.steps:
            if step.kind == "lookup" and "not-found" in codes:
                taken.add(Way(step.path, "finds nothing"))
            if step.kind == "call" and codes & set(_REFUSALS):
                taken.add(Way(step.path, "is refused"))
        if outcome.reply is not None:
            status = outcome.reply["status"]
            let_in = "lets a call in" if status < 400 else "refuses a call"
            taken.update(Way(path, let_in) for path in _webhooks(definition))

    def missing(self, name: str) -> list[tuple[Way, PipelineDefinition]]:
        """Return what no test took of one pipeline, in the order of the file."""
        left = [(way, one) for way, one in self.ways[name].items() if way not in self.taken[name]]
        return sorted(left, key=lambda pair: (pair[1].origin.place(pair[0].path), pair[0].what))


def _name(definition: PipelineDefinition) -> str:
    return definition.origin.instance.template if definition.origin.instance else definition.name


def _ways(definition: PipelineDefinition) -> Iterator[Way]:
    for path in _webhooks(definition):
        yield from (Way(path, "lets a call in"), Way(path, "refuses a call"))
    for step in definition.steps:
        yield from _of_step(step.kind, step.body, step.path)
    for target in definition.targets:
        yield Way(target.path, "takes a record")
        if connector(target.use.connector).replaceable:
            yield from (Way(target.path, "refuses a record"), Way(target.path, "does not answer"))


def _webhooks(definition: PipelineDefinition) -> list[Path]:
    return [("triggers", at, "webhook") for at, one in enumerate(definition.triggers) if "webhook" in one]


def _of_step(kind: str, body: Any, path: Path) -> Iterator[Way]:
    if kind == "filter":
        yield from (Way(path, "drops a record"), Way(path, "lets a record pass"))
    elif kind in ("check", "validate"):
        yield from (Way(path, "rejects a record"), Way(path, "lets a record pass"))
    elif kind == "lookup":
        yield from (Way(path, "finds something"), Way(path, "finds nothing"))
    elif kind == "call":
        yield from (Way(path, "is done"), Way(path, "is refused"))
    elif kind == "switch":
        for case, _, steps in _cases(body, path):
            yield Way(case, "is taken")
            for one in steps:
                yield from _of_step(one.kind, one.body, one.path)


def _cases(body: Any, path: Path) -> Iterator[tuple[Path, Any, list[Step]]]:
    """Yield each case of a switch: its path, its condition (None: else), its steps."""
    for number, case in enumerate(body if isinstance(body, list) else ()):
        under = "else" if "else" in case else "steps"
        steps = []
        for at, step in enumerate(case.get(under) or ()):
            kind = next((key for key in step if key != "id" and not key.startswith("x-")), "")
            steps.append(Step(kind, step.get(kind), (*path, number, under, at, kind)))
        yield (*path, number), case.get("when"), steps


class _Case(NamedTuple):
    """A case of a switch, whose steps have ears of their own."""

    path: Path
    test: Condition | None
    """None: else."""
    steps: Sequence[_Eared]


def _ears(step: Step, taken: set[Way], settings: Settings) -> list[_Eared]:
    cases = []
    for path, condition, steps in _cases(step.body, step.path) if step.kind == "switch" else ():
        test = None if condition is None else compile_condition(condition, (*path, "when"), settings)
        cases.append(_Case(path, test, [ear for one in steps for ear in _ears(one, taken, settings)]))
    return [_Eared(one, step, taken, cases) for one in compile_steps((step,), settings)]


@dataclass(slots=True)
class _Eared:
    """A pure step, and a note of the ways that records take through it."""

    inner: Stage
    step: Step
    taken: set[Way]
    cases: Sequence[_Case]
    label: str = field(init=False)

    def __post_init__(self) -> None:
        self.label = self.inner.label

    def apply(
        self, records: Sequence[Record], metas: Sequence[Meta], inputs: Sequence[Record], frame: Frame
    ) -> Emission:
        out = self.inner.apply(records, metas, inputs, frame)
        self._note(out)
        for index, record in enumerate(records) if self.cases else ():
            self._follow(record, metas[index], inputs[index], frame)
        return out

    def _note(self, out: Emission) -> None:
        step, place = self.step, dotted(self.step.path)
        if step.kind == "filter" and out.dropped.get(place):
            self.taken.add(Way(step.path, "drops a record"))
        if step.kind in ("check", "validate") and any(one.where.startswith(place) for one in out.failed.values()):
            self.taken.add(Way(step.path, "rejects a record"))
        if step.kind in ("filter", "check", "validate") and out.records:
            self.taken.add(Way(step.path, "lets a record pass"))

    def _follow(self, record: Record, meta: Meta, given: Record, frame: Frame) -> None:
        """Take the same way through the switch once more, step by step: what it is made of is one function."""
        for path, test, steps in self.cases:
            try:
                if test is not None and not test(record, meta, given, frame):
                    continue
            except RecordError:
                return
            self.taken.add(Way(path, "is taken"))
            records, metas, inputs = [record], [meta], [given]
            for one in steps:
                out = one.apply(records, metas, inputs, frame)
                metas = [metas[at] for at in out.origin] if out.metas is None else list(out.metas)
                records, inputs = list(out.records), [inputs[at] for at in out.origin]
            return


@dataclass(slots=True)
class _Behind:
    """Stands behind a step that asks, and looks at what came back."""

    label: str
    step: Step
    taken: set[Way]

    def apply(
        self, records: Sequence[Record], metas: Sequence[Meta], inputs: Sequence[Record], frame: Frame
    ) -> Emission:
        into = str(self.step.body.get("into") or "").split(".") if isinstance(self.step.body, Mapping) else [""]
        for record in records:
            found: Any = record
            for part in into:
                found = found.get(part) if isinstance(found, Mapping) else None
            if self.step.kind == "call":
                self.taken.add(Way(self.step.path, "is done"))
            else:
                self.taken.add(Way(self.step.path, "finds something" if found else "finds nothing"))
        return Emission(records, range(len(records)), {}, {})


def report(coverage: Coverage, verdicts: Sequence[Verdict], say: Callable[[str, str], str]) -> Iterator[str]:
    """Write each pipeline's figures and what no test took; *say* paints a text by its meaning."""
    names = sorted(coverage.ways)
    width = max(map(len, names), default=0)
    for name in names:
        missing, whole = coverage.missing(name), len(coverage.ways[name])
        figure = f"{whole - len(missing)} of {whole} ways"
        yield f"{say(name.ljust(width), 'strong')}   {figure}"
        for way, definition in missing:
            place = definition.origin.place(way.path)
            what = f"  no test where {dotted(way.path)} {way.what}"
            yield f"{what}   {say(f'{place.file}:{place.line}', 'detail')}"
    tested = {one.test.pipeline.partition("[")[0] for one in verdicts}
    others = sorted({name.partition("[")[0] for name in coverage.project.pipelines} - tested)
    if others:
        yield f"{say('no tests at all', 'warning')}: {', '.join(others)}"
