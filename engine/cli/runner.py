"""Runs pipelines in the foreground, one after the other: signals, progress, summaries, exit code."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from engine.cli.names import drawn, names_of
from engine.cli.session import Session, Stopped
from engine.telemetry.progress import Progress
from engine.telemetry.runlog import Level, Reporter
from engine.telemetry.summary import render

if TYPE_CHECKING:
    from engine.app import Request, RunResult
    from engine.cli.hands import Hands
    from engine.definition.model import PipelineDefinition, Project
    from engine.events import Emit, Event

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BAD = frozenset({"failed", "timed_out", "interrupted", "cancelled"})


@dataclass(frozen=True, slots=True)
class Job:
    """One pipeline to run."""

    name: str
    request: Request


@dataclass(slots=True)
class Interrupts(AbstractContextManager["Interrupts"]):
    """Ctrl-C or SIGTERM once: *stop* is set; twice: the task is cancelled; three times: the process ends."""

    stop: asyncio.Event
    say: Callable[[str], None]
    first: int | None = None
    times: int = 0
    at_once: str = "stopping at once; what was not settled is sent again by the next run"
    """What the second one says."""
    _task: asyncio.Task[Any] | None = None

    def __enter__(self) -> Interrupts:
        self._task = asyncio.current_task()
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self.on, number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def on(self, number: int) -> None:
        """Take a signal."""
        self.times += 1
        self.first = self.first or number
        if self.times == 1:
            again = "; Ctrl-C again to stop at once" if number == signal.SIGINT else ""
            self.say(f"stopping after this batch{again}")
            self.stop.set()
        elif self.times == 2 and self._task is not None:
            self.say(self.at_once)
            self._task.cancel()
        else:
            os._exit(self.code)

    @property
    def code(self) -> int:
        """The exit code of a command that a signal stopped."""
        return 128 + (self.first or signal.SIGINT)


@dataclass(slots=True)
class Foreground:
    """Runs jobs and tells how they went."""

    session: Session
    project: Project
    json: bool = False
    strict: bool = False
    failed: dict[str, str] = field(default_factory=dict)
    """Pipeline → how it ended badly."""
    served: bool = False
    """A server did it."""
    _incomplete: bool = False

    def run(self, jobs: Sequence[Job], prepare: Callable[[Hands], Any] | None = None) -> int:
        """Run *jobs* in order; a failed one skips those that come ``after`` it. Returns the exit code.

        Where a server works with the store, it does it. *prepare* is awaited first; what it returns true for goes on.
        """
        return asyncio.run(self._run(jobs, prepare))

    async def _run(self, jobs: Sequence[Job], prepare: Callable[[Hands], Any] | None) -> int:
        from engine.cli.hands import hands

        stop = asyncio.Event()
        with ExitStack() as stack:
            emit, write = stack.enter_context(self._telling())
            interrupts = stack.enter_context(Interrupts(stop, write))
            try:
                async with hands(self.project, emit) as whose:
                    self.served = whose.served
                    if self.served:
                        interrupts.at_once = "not waiting any longer; the server ends the run after this batch"
                    if prepare is None or await prepare(whose):
                        await self._each(whose, jobs, stop)
            except asyncio.CancelledError:
                if interrupts.first is None:
                    raise
                raise Stopped(interrupts.code) from None
        if interrupts.first is not None:
            return interrupts.code
        return 1 if self.failed or (self.strict and self._incomplete) else 0

    async def _each(self, whose: Hands, jobs: Sequence[Job], stop: asyncio.Event) -> None:
        for number, job in enumerate(jobs):
            if stop.is_set():
                break
            definition = self.project.pipelines.get(job.name)
            before = blocked(definition, self.failed)
            if before:
                self.failed[job.name] = "skipped"
                self._skipped(job.name, before)
                continue
            self._apart(number)
            result = await whose.run(job.name, job.request, stop)
            self._note(job.name, result.summary["status"])
            self._tell(result, definition, job.request)

    def _note(self, name: str, status: str) -> None:
        if status in BAD:
            self.failed[name] = status
        self._incomplete = self._incomplete or status in ("partial", "empty")

    def _skipped(self, name: str, before: str) -> None:
        look = self.session.err.look
        how = self.failed[before].replace("_", " ")
        self.session.err.line(
            f"{look.paint(name, 'strong')}  {look.paint('skipped', 'warning')}: after {before}, {how}"
        )

    def _apart(self, number: int) -> None:
        """Keep the runs of one command apart on a terminal."""
        if number and self.session.err.look.terminal and not self.session.quiet:
            self.session.out.flush()
            self.session.err.line()

    def _tell(self, result: RunResult, definition: PipelineDefinition | None, request: Request) -> None:
        summary = dict(result.summary)
        if self.json:
            if request.dry_run:
                summary["previews"] = [one._asdict() for one in result.previews]
            self.session.out.json(summary)
            self.session.out.flush()
            return
        if request.dry_run:
            from engine.cli.preview import tell

            tell(self.session, result, definition)
            return
        bad = summary["status"] in BAD
        if self.session.quiet and not bad:
            return
        # where the records themselves go to stdout, nothing else does; what went wrong never does
        printed = definition is not None and any(target.use.connector == "console" for target in definition.targets)
        screen = self.session.err if bad or printed else self.session.out
        look = screen.look
        text = render(summary, look, names_of(definition))
        title = "" if self.session.err.look.terminal and look.terminal else f"{summary['pipeline']}: "
        screen.line(title + text)
        screen.flush()
        if printed and self.served and not self.session.quiet:
            self.session.err.line("its records went to the server's own output")

    @contextmanager
    def _telling(self) -> Iterator[tuple[Emit, Callable[[str], None]]]:
        """Give what draws and logs events while runs go on, and what writes a line beside them."""
        session = self.session
        least: Level = "error" if session.quiet else "debug" if session.verbosity > 1 else "warning"
        if session.verbosity == 1:
            least = "info"
        if not session.err.look.terminal or session.quiet:
            reporter = Reporter(session.err.line, session.err.look, least, lambda: datetime.now(UTC))
            yield reporter, session.err.line
            return
        with Progress(session.err.stream, session.err.look, self._drawn, session.err.mask) as progress:
            reporter = Reporter(progress.write, session.err.look, least, lambda: datetime.now(UTC))

            def both(event: Event) -> None:
                progress(event)
                reporter(event)

            yield both, progress.write

    def _drawn(self, pipeline: str) -> Mapping[str, str]:
        return drawn(self.project.pipelines.get(pipeline))


def blocked(definition: PipelineDefinition | None, failed: Mapping[str, str]) -> str | None:
    """Return the failed pipeline that *definition* comes after and whose success it waits for."""
    for trigger in definition.triggers if definition else ():
        before = trigger.get("after")
        if before is None or trigger.get("on", "success") != "success":
            continue
        for name in [before] if isinstance(before, str) else before:
            if name in failed:
                return str(name)
    return None
