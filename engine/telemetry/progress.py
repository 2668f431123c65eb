"""A run drawn while it goes on: what is read, what is sent, how fast, how long still.

Events only add to counters; a thread of rich looks at them ten times a second, so a batch costs next to nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from engine.events import BatchDelivered, BatchRead, CallRetried, Event, RunFinished, RunStarted
from engine.telemetry.look import Look
from engine.telemetry.words import count, duration, rate

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


@dataclass(slots=True)
class Counters:
    """How far the running run is."""

    pipeline: str = ""
    source: str = ""
    targets: tuple[str, ...] = ()
    began: float = 0.0
    expected: int | None = None
    read: int = 0
    read_at: float = 0.0
    """When something was read last."""
    gone: int = 0
    """Dropped or failed before any target."""
    sent: dict[str, int] = field(default_factory=dict)
    batches: dict[str, int] = field(default_factory=dict)
    retries: int = 0

    def add(self, event: Event) -> None:
        """Count *event*."""
        match event:
            case BatchRead():
                self.read += event.records
                self.gone += sum(event.dropped.values()) + event.failed
                self.expected = event.expected if event.expected is not None else self.expected
            case BatchDelivered():
                done = event.sent + event.rejected
                self.sent[event.target] = self.sent.get(event.target, 0) + done
                self.batches[event.target] = self.batches.get(event.target, 0) + 1
            case CallRetried():
                self.retries += 1
            case _:
                pass

    def to_send(self) -> int | None:
        """Estimate the records that will reach the targets: the share that passed so far, of what is to come."""
        if self.expected is None:
            return None
        expected = max(self.expected, self.read)
        passed = (self.read - self.gone) / self.read if self.read else 1.0
        return max(round(expected * passed), max(self.sent.values(), default=0))

    def eta(self, now: float) -> float | None:
        """Estimate the seconds to the end; None as long as it would be a guess."""
        total, elapsed = self.to_send(), now - self.began
        slowest = min((self.sent.get(target, 0) for target in self.targets), default=0)
        if not total or not slowest or elapsed < 1:
            return None
        return (total - slowest) * elapsed / slowest


_NOTES = {"reset": "from the beginning", "replay": "what was rejected, again"}


class Progress(AbstractContextManager["Progress"]):
    """An ``Emit`` that draws the running run on a terminal; the bars go when the run ends."""

    def __init__(
        self,
        stream: TextIO,
        look: Look,
        names: Callable[[str], Mapping[str, str]],
        mask: Callable[[str], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*names* gives for a pipeline: target id (and ``source``) → what people call it."""
        self._stream = stream
        self._look = look
        self._names = names
        self._mask = mask
        self._clock = clock
        self._now: Counters | None = None
        self._live: Live | None = None

    def __call__(self, event: Event) -> None:
        """Take note of *event*."""
        if isinstance(event, RunStarted):
            # deliveries name targets by their ids, the start by what people call them
            ids = tuple(name for name in self._names(event.pipeline) if name != "source") or event.targets
            self._now = Counters(event.pipeline, event.source, ids, self._clock(), event.expected)
            self.write(self._title(event))
            self._live = self._draw_live()
            self._live.start()
        elif isinstance(event, RunFinished):
            self.close()
        elif self._now is not None:
            self._now.add(event)
            self._now.read_at = self._clock() if isinstance(event, BatchRead) else self._now.read_at

    def write(self, line: str) -> None:
        """Put a line above the bars."""
        line = self._mask(line)
        if self._live is None:
            print(line, file=self._stream, flush=True)
            return
        from rich.text import Text

        self._live.console.print(Text.from_ansi(line), soft_wrap=True)

    def close(self) -> None:
        """Take the bars away."""
        self._now = None
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _draw_live(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(
            file=self._stream,
            force_terminal=True,
            no_color=not self._look.color,
            safe_box=not self._look.unicode,
            width=self._look.width,
            highlight=False,
        )
        # what a target prints goes above the bars, but never from a pipe to the terminal
        shared = sys.stdout.isatty()
        return Live(
            console=console,
            get_renderable=self.draw,
            refresh_per_second=10,
            transient=True,
            redirect_stdout=shared,
            redirect_stderr=shared,
        )

    def _title(self, event: RunStarted) -> str:
        look = self._look
        note = _NOTES.get(event.note, event.note) or ("from where the last one ended" if event.resumed else "")
        title = f"{look.paint(event.pipeline, 'strong')}  {look.paint(f'run {look.short(event.run)}', 'detail')}"
        return f"{title}   {note}".rstrip()

    def draw(self) -> Table | str:
        """Draw the bars as of now."""
        from rich.table import Table

        now = self._now
        if now is None:
            return ""
        seconds = max(now.read_at - now.began, 1e-3)
        names = self._names(now.pipeline)
        table = Table.grid(padding=(0, 1))
        for _ in range(5):
            table.add_column(no_wrap=True)
        table.columns[3].justify = "right"
        self._row(table, "reading", names.get("source", now.source), (now.read, now.expected), rate(now.read / seconds))
        total = now.to_send()
        for target in now.targets:
            sent = now.sent.get(target, 0)
            self._row(table, "sending", names.get(target, target), (sent, total), self._detail(now, target))
        return table

    def _detail(self, now: Counters, target: str) -> str:
        said = [f"batch {self._look.number(now.batches.get(target, 0))}"]
        if now.retries:
            said.append(count(now.retries, "retry", "retries"))
        eta = now.eta(self._clock())
        if eta is not None and eta >= 0.5:
            said.append(f"eta {duration(max(eta, 1))}")
        return "   ".join(said)

    def _row(self, table: Table, verb: str, name: str, done: tuple[int, int | None], detail: str) -> None:
        from rich.text import Text

        table.add_row(
            f"  {verb}",
            Text(name),
            self._bar(*done) if self._look.width >= 84 else "",
            f" {self._look.number(done[0])}",
            Text(f"  {detail}", style="dim"),
        )

    def _bar(self, done: int, total: int | None) -> Any:
        from rich.progress_bar import ProgressBar

        width = min(30, self._look.width - 70)
        # without a known end an empty bar would lie and a moving one says nothing that the counts do not
        if total is None:
            return ""
        return ProgressBar(total=max(total, 1), completed=done, width=width, complete_style="", finished_style="green")
