"""Runs one test: puts the pipeline on the bench, starts it as the test says, and gathers what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine.compiler.compile import compile_pipeline
from engine.compiler.webhooks import compile_clients
from engine.definition.model import PipelineDefinition, PipelineTest, Project
from engine.errors import DefinitionError, EngineError
from engine.events import Event
from engine.pipeline import ClientPlan, Pipeline
from engine.runtime.runner import Runtime
from engine.telemetry.runlog import log_line
from engine.testing import calling
from engine.testing.bench import Bench, Sent
from engine.testing.databases import databases, rows
from engine.testing.moments import BEGINNING, Stuck, Waits, now, read, standing
from engine.testing.outcome import Outcome
from engine.testing.peers import Peers
from engine.testing.trial import Shelf, Stage, request_of
from engine.testing.walls import walled

LONGEST = 60.0
"""Seconds of real time for one test."""
_MOST_SLOTS = 10_000


@dataclass(slots=True)
class Workshop:
    """A project whose pipelines are compiled once for all their tests."""

    project: Project
    ears: Callable[[PipelineDefinition, Pipeline], Pipeline] = lambda definition, pipeline: pipeline
    """Put into every pipeline that is compiled."""
    _compiled: dict[str, Pipeline] = field(default_factory=dict)
    _clients: dict[str, ClientPlan] | None = None

    def pipeline(self, name: str) -> Pipeline:
        """Return a compiled pipeline, whose clock is that of the test. Raises Unavailable."""
        if name not in self._compiled:
            definition = self.project.pipelines[name]
            self._compiled[name] = self.ears(definition, compile_pipeline(self.project, definition, now))
        return self._compiled[name]

    @property
    def clients(self) -> dict[str, ClientPlan]:
        """Return the callers that engine.yaml names."""
        if self._clients is None:
            self._clients = compile_clients(self.project)
        return self._clients

    def moment(self, test: PipelineTest) -> datetime:
        """Return what time it is in a test."""
        text = test.body.get("now")
        return BEGINNING if text is None else read(text, self.pipeline(test.pipeline).timezone)

    async def run(self, test: PipelineTest) -> Outcome:
        """Run a test. Whatever goes wrong is in the outcome."""
        outcome, tried = Outcome(), list[str]()
        try:
            with standing(self.moment(test)), walled() as tried:
                async with asyncio.timeout(LONGEST):
                    await self._run(test, outcome)
        except Stuck as error:
            outcome.stuck = outcome.stuck or str(error)
        except TimeoutError:
            outcome.stuck = f"it takes more than {LONGEST:g} s"
        except DefinitionError as error:
            outcome.stuck = "; ".join(one.message for one in error.problems)
        except (EngineError, OSError) as error:
            outcome.stuck = f"{getattr(error, 'where', '')} {error}".strip()
        except Exception as error:  # a mistake in the engine or a connector fails this test, not the others
            outcome.stuck = f"a mistake in the engine or a connector: {type(error).__name__}: {error}"
        outcome.stuck = tried[0] if tried else outcome.stuck
        return outcome

    async def _run(self, test: PipelineTest, outcome: Outcome) -> None:
        body, real = test.body, self.pipeline(test.pipeline)
        self._fires(real, body, outcome)
        if not _starts(body):
            return
        peers, sent = Peers(body.get("responses") or {}), Sent()
        with databases(body.get("databases") or {}, self.project.root) as files:
            addresses = {name: f"sqlite:///{path}" for name, path in files.items()}
            bench = Bench(body.get("records"), addresses, sent, "webhook" in body)
            try:
                await self._start(bench.pipeline(real), body, peers, outcome)
            finally:
                outcome.sent, outcome.requests = sent.taken, peers.asked
                outcome.refused, outcome.failed = sent.refused, sent.failed
                outcome.unused = peers.unused()
                outcome.stuck = str(peers.stuck or "")
            self._look(body, files, outcome)

    async def _start(self, pipeline: Pipeline, body: Mapping[str, Any], peers: Peers, outcome: Outcome) -> None:
        waits, store = Waits(), Shelf()

        def emit(event: Event) -> None:
            outcome.events.append(event)
            line = log_line(event, now())
            if line is not None:
                outcome.logs.append({"level": line.level, "code": line.code, "message": line.message})

        runtime = Runtime(
            store, emit, self.project.root, _roots(self.project), exchange=peers, random=lambda: 0.5,
            clock=waits.clock, now=now, sleep=waits.sleep,
        )  # fmt: skip
        async with AsyncExitStack() as stack:
            await store.open(stack, "test")
            stage = Stage(runtime, store, pipeline, waits)
            if "cursor" in body:
                await stage.stand(body["cursor"])
            if "webhook" in body:
                await self._call(stage, body["webhook"], outcome)
            else:
                await stage.run(request_of(pipeline, body), outcome)

    async def _call(self, stage: Stage, given: Mapping[str, Any], outcome: Outcome) -> None:
        desk = calling.Desk(stage.pipeline, self.clients)
        replies = calling.Kept(stage.runtime, lambda name: stage.pipeline)
        try:
            answer = await desk.call(given, stage.store, replies)
        finally:
            if replies.worker is not None:
                await replies.worker.close()
        outcome.reply = calling.told(answer)
        if replies.worker is not None:
            _answered(replies.worker, outcome)
        elif answer.outcome == "accepted":
            plan = desk.plan(given.get("path"))
            await (stage.fired(outcome) if plan.runs else stage.accepted(plan.id, outcome))

    def _look(self, body: Mapping[str, Any], files: Mapping[str, Path], outcome: Outcome) -> None:
        expected = (body.get("expect") or {}).get("rows") or {}
        for name, tables in expected.items():
            if name not in files:
                raise Stuck(f"expect.rows: {name} has no database in this test: write databases: {{{name}: …}}")
            outcome.rows[name] = {table: rows(files[name], table) for table in tables}

    def _fires(self, pipeline: Pipeline, body: Mapping[str, Any], outcome: Outcome) -> None:
        for one in fires_of(body):
            begin, end = (read(text, pipeline.timezone) for text in one["between"])
            found: list[datetime] = []
            for timer in pipeline.timers:
                if one.get("trigger") in (None, timer.id):
                    found += _slots(timer.next_after, begin, end)
            outcome.fires.append([_local(slot, pipeline) for slot in sorted(found)])


def _slots(next_after: Any, begin: datetime, end: datetime) -> list[datetime]:
    found: list[datetime] = []
    slot = next_after(begin - timedelta(microseconds=1))
    while slot is not None and slot < end:
        found.append(slot)
        if len(found) > _MOST_SLOTS:
            raise Stuck(f"more than {_MOST_SLOTS} moments: look at a shorter time")
        slot = next_after(slot)
    return found


def _local(slot: datetime, pipeline: Pipeline) -> str:
    return slot.astimezone(pipeline.timezone).isoformat()


def fires_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the items of ``expect.fires``."""
    found = (body.get("expect") or {}).get("fires")
    return [found] if isinstance(found, Mapping) else list(found or ())


def _starts(body: Mapping[str, Any]) -> bool:
    """Whether a test runs anything: one that only asks for moments does not."""
    expect = set(body.get("expect") or {})
    return expect != {"fires"} or bool({"records", "webhook", "responses", "params", "trigger"} & set(body))


def _answered(worker: calling.Listening, outcome: Outcome) -> None:
    for one in worker.heard:
        outcome.rejected += [{"code": why.code, "reason": why.message, "where": why.where} for why in one.refused]
    outcome.status = "partial" if outcome.rejected else "success"


def _roots(project: Project) -> tuple[Path, ...]:
    return tuple(project.root / folder for folder in project.settings.get("files") or ())
