"""Many tests: chosen by file, pipeline or name, run one after the other, each judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from engine.definition.model import PipelineDefinition, PipelineTest, Project
from engine.pipeline import Pipeline
from engine.testing.judging import Judge, Miss
from engine.testing.outcome import Outcome
from engine.testing.running import Workshop

Ears = Callable[[PipelineDefinition, Pipeline], Pipeline]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one test ended."""

    test: PipelineTest
    outcome: Outcome
    misses: Sequence[Miss]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether all is as it should be."""
        return not self.misses


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tests are meant; nothing named: all."""

    paths: Sequence[str] = ()
    """Files or folders, relative to the project."""
    pipelines: Sequence[str] = ()
    """Names of pipelines; of one with for_each the template or one instance."""
    words: str = ""
    """A part of the test's name."""

    def takes(self, test: PipelineTest) -> bool:
        """Whether *test* is one of them."""
        file = PurePosixPath(test.origin.file)
        named = not (self.paths or self.pipelines)
        named = named or any(str(file) == path or PurePosixPath(path) in file.parents for path in self.paths)
        named = named or any(test.pipeline in (name, *_instances(test, name)) for name in self.pipelines)
        return named and self.words.casefold() in test.name.casefold()


def _instances(test: PipelineTest, name: str) -> Iterator[str]:
    if test.pipeline.startswith(f"{name}["):
        yield test.pipeline


def chosen(project: Project, choice: Choice) -> list[PipelineTest]:
    """Return the tests that are meant, by pipeline, then in the order of their file."""
    every = [test for name in sorted(project.tests) for test in project.tests[name]]
    return [test for test in every if choice.takes(test)]


@dataclass(slots=True)
class Suite:
    """Runs tests of one project; *tell* hears of each as it ends."""

    project: Project
    tell: Callable[[Verdict], None] = lambda verdict: None
    fail_fast: bool = False
    ears: Ears = lambda definition, pipeline: pipeline
    """Put into every pipeline that is compiled."""
    workshop: Workshop = field(init=False)

    def __post_init__(self) -> None:
        self.workshop = Workshop(self.project, self.ears)

    def run(self, tests: Sequence[PipelineTest]) -> list[Verdict]:
        """Run them all, or up to the first that fails."""
        return asyncio.run(self._run(tests))

    async def _run(self, tests: Sequence[PipelineTest]) -> list[Verdict]:
        verdicts = []
        for test in tests:
            verdict = await self.one(test)
            verdicts.append(verdict)
            self.tell(verdict)
            if self.fail_fast and not verdict.passed:
                break
        return verdicts

    async def one(self, test: PipelineTest) -> Verdict:
        """Run one test and judge it."""
        began = time.perf_counter()
        outcome = await self.workshop.run(test)
        definition = self.project.pipelines[test.pipeline]
        misses = Judge(test, definition, self.workshop.pipeline(test.pipeline), outcome).misses()
        return Verdict(test, outcome, misses, time.perf_counter() - began)
