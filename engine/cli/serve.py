"""``engine serve``: a process that stays until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.commands import Command
from engine.cli.session import Session, pass_session
from engine.telemetry.words import count

if TYPE_CHECKING:
    from engine.cli.opening import Serving
    from engine.definition.model import Project
    from engine.errors import Problem
    from engine.events import Tell, Told
    from engine.service.notify import Notifier
    from engine.service.server import Signals
    from engine.telemetry.runlog import Level
    from engine.telemetry.servelog import ServeLog

ENDS = (signal.SIGINT, signal.SIGTERM)


@click.command("serve", cls=Command)
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[DIR]")
@click.option(
    "--log",
    "form",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    show_default=True,
    help="How the log is written; auto: text on a terminal, JSON lines elsewhere.",
)
@pass_session
def serve(session: Session, folder: Path | None, form: str) -> int:
    """Serve the project until Ctrl-C or SIGTERM: triggers fire, webhooks are taken, changed files are followed.

    The first signal finishes what is under way (as long as `drain` in engine.yaml says), a second one ends at once.
    SIGHUP reads the files again. The log goes to stderr.
    """
    if folder is not None:
        session.root = folder
    text = form == "text" or (form == "auto" and session.err.look.terminal)
    return asyncio.run(Serve(session, text).run())


@dataclass(slots=True)
class Serve:
    """One serving process: what is around the server."""

    session: Session
    text: bool
    """The log is for people."""
    project: Project | None = None
    """As it was read last, without problems."""
    warnings: int = 0
    _secrets: set[str] = field(default_factory=set)
    _log: ServeLog | None = None

    async def run(self) -> int:
        """Serve; returns the exit code."""
        from engine.service.notify import Notifier
        from engine.service.server import Signals
        from engine.service.server import serve as serve_until

        notifier = Notifier(os.environ)
        signals = Signals(asyncio.Event(), asyncio.Event(), asyncio.Event())
        tell = self._teller(notifier)
        beat = asyncio.create_task(notifier.beat(), name="watchdog")
        try:
            with listening(signals, notifier, self) as heard:
                code = await serve_until(
                    self.load,
                    self.session.root.absolute(),
                    tell,
                    lambda serving: self._ready(serving, tell, notifier),
                    signals,
                )
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
            notifier.stopping()
            if self._log is not None:
                self._log.close()
        if heard.first and not signals.now.is_set():
            self.say("stopped")
        return heard.code if signals.now.is_set() else code

    def load(self) -> tuple[Project, list[Problem]]:
        """Read the project; called again, in a thread, when its files change."""
        from engine.compiler.check import check
        from engine.definition.loader import load
        from engine.redact import Redactor

        session = self.session
        if not session.root.is_dir():
            raise click.UsageError(f"the project folder {session.root} does not exist")
        first = self.project is None
        if first:
            gc.disable()  # looking for cycles in what is loaded, and stays, would be a third of the time
        try:
            project, found = load(session.root.resolve(), environ=session.environ(), tests=False)
        finally:
            if first:
                gc.enable()
        # a secret of a file that is broken now is still in use: what was masked once stays masked
        self._secrets |= project.secrets
        session.out.mask = session.err.mask = Redactor(frozenset(self._secrets))
        problems = sorted({*found, *check(project)})
        if all(problem.severity == "warning" for problem in problems):
            self.project, self.warnings = project, len(problems)
        return project, problems

    def _teller(self, notifier: Notifier) -> Tell:
        from engine.events import Reloaded, ReloadFailed, StoreChanged
        from engine.telemetry.servelog import ServeLog

        look = replace(self.session.err.look, terminal=self.text)
        later = asyncio.get_running_loop().call_later
        log = self._log = ServeLog(self._write, look, redact=self._masked, least=self._least, later=later)

        def tell(told: Told) -> None:
            if isinstance(told, Reloaded) and self.project is not None:
                log.replace(self.project.pipelines)
            log(told)
            if isinstance(told, Reloaded):
                notifier.ready(count(told.pipelines, "pipeline"))
            elif isinstance(told, ReloadFailed):
                notifier.ready(f"{count(len(told.problems), 'problem')} in the files; what was loaded keeps running")
            elif isinstance(told, StoreChanged):
                notifier.status(f"store {told.state}")

        return tell

    @property
    def _least(self) -> Level:
        return "error" if self.session.quiet else "debug" if self.session.verbose else "info"

    def _ready(self, serving: Serving, tell: Tell, notifier: Notifier) -> None:
        from engine.cli.opening import facts, opening
        from engine.events import Noted
        from engine.service.surroundings import store_path

        assert self.project is not None
        if self._log is not None:
            self._log.replace(self.project.pipelines)
        said = facts(serving, self.project)
        notifier.ready(said)
        if not self.text:
            tell(Noted("", "", "info", "serving", said))
            return
        if self.session.quiet:
            return
        path = store_path(self.project)
        root = self.project.root
        store = path.relative_to(root) if path.is_relative_to(root) else path
        for line in opening(serving, self.project, store, self.session.err.look, datetime.now(UTC)):
            self._line(line)
        if self.warnings:
            more = self.session.err.look.paint("engine validate", "strong")
            self._line(f"  {count(self.warnings, 'warning')}, see  {more}")

    def _masked(self, text: str) -> str:
        return str(self.session.err.mask(text))

    def _write(self, line: str) -> None:
        """Write a line of the log, whose values are masked already: once more could break its JSON."""
        self.session.err.stream.write(f"{line}\n")
        self.session.err.flush()

    def _line(self, line: str) -> None:
        with suppress(OSError):  # whoever looked has gone; the work goes on
            self.session.err.line(line)
            self.session.err.flush()

    def say(self, line: str) -> None:
        """Say something to who pressed Ctrl-C."""
        if self.text and not self.session.quiet:
            self._line(self.session.err.look.paint(line, "detail"))

    def deserted(self) -> bool:
        """Tell whether the terminal it was started on has been closed."""
        if not self.session.err.look.terminal:
            return False
        try:
            os.tcgetpgrp(self.session.err.stream.fileno())
        except OSError:
            return True
        return False


@dataclass(slots=True)
class Heard:
    """The signals that came."""

    first: int = 0
    times: int = 0

    @property
    def code(self) -> int:
        """The exit code of a process that a signal ended."""
        return 128 + (self.first or signal.SIGINT)


@contextmanager
def listening(signals: Signals, notifier: Notifier, process: Serve) -> Iterator[Heard]:
    """Turn the process's signals into the server's: once to finish, twice to end at once, thrice to be gone."""
    heard = Heard()
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        heard.first = heard.first or number
        heard.times += 1
        if heard.times == 1:
            process.say("stopping: finishing what is under way; again to end at once")
            notifier.stopping()
            signals.stop.set()
        elif heard.times == 2:
            process.say("ending at once; what was not settled is worked again after the next start")
            signals.now.set()
        else:
            os._exit(heard.code)

    def again() -> None:
        if process.deserted():  # the window was closed: nobody asks for a reload
            end(signal.SIGHUP)
            return
        notifier.reloading()
        signals.reload.set()

    for number in ENDS:
        loop.add_signal_handler(number, end, number)
    loop.add_signal_handler(signal.SIGHUP, again)
    try:
        yield heard
    finally:
        for number in (*ENDS, signal.SIGHUP):
            loop.remove_signal_handler(number)
