"""Says when the files of a project have changed: events hint, the footprint decides.

Events come at once where the kernel has them. They can be lost, and a network file system has none, so a look every
few seconds is behind them; and as only a footprint that differs counts, no event too many does harm.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchfiles import watch

from engine.service.footprint import Footprint, footprint
from engine.service.trails import Folder, Places, places

Also = Callable[[], Iterable[Path]]
"""The files beside the project's own that it is made of now."""

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait for what, in seconds."""

    debounce: float = 0.15
    """Files that were not touched for so long are taken to be whole."""
    longest: float = 1.0
    """So long the files may keep changing before somebody is told all the same."""
    poll: float = 3.0
    """Between two looks without an event."""
    events: bool = True
    """Off: only looks."""
    confirm: float = 1.0
    """A file that is gone must stay so: programs that renew a folder delete before they write."""
    again: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8)
    """Waits between readings while files change under the reader."""
    retry: float = 60.0
    """Until files with problems are read again, though nothing changed that is known of."""


async def changes(
    root: Path, also: Also, stop: asyncio.Event, pace: Pace | None = None, note: Note | None = None
) -> AsyncGenerator[Footprint, None]:
    """Yield a footprint at once, and a new one after anything the project is made of changed and then stood still.

    The first one is taken when it listens already: whoever compares it with an older one of its own misses nothing.
    Ends with *stop*. *note* is told, once, when there are no events to be had.
    """
    pace = pace or Pace()
    look = _Look(root, also, stop, pace)
    ears = Ears(root, pace, note or (lambda text: None))
    try:
        seen = await look.once()
        await ears.turn(seen)
        seen = await look.once()
        yield seen
        while not stop.is_set():
            await first(pace.poll, ears.heard, stop)
            heard = ears.heard.is_set()
            ears.heard.clear()
            now = await look.once()
            if now != seen and not stop.is_set():
                seen = await look.still(now)
                yield seen
                ears.renew = not heard
            await ears.turn(seen)
    finally:
        await ears.close()


class _Look:
    """Takes footprints, in a thread: a network file system may take its time."""

    def __init__(self, root: Path, also: Also, stop: asyncio.Event, pace: Pace) -> None:
        self._root, self._also, self._stop, self._pace = root, also, stop, pace

    async def once(self) -> Footprint:
        """Look now."""
        return await asyncio.to_thread(footprint, self._root, tuple(self._also()))

    async def still(self, last: Footprint) -> Footprint:
        """Look until two looks agree, or for as long as is allowed."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        while clock() - begun < self._pace.longest and not self._stop.is_set():
            await first(self._pace.debounce, self._stop)
            now = await self.once()
            if now == last:
                break
            last = now
        return last


class Ears:
    """Listens for events where they show now; ``heard`` is set by each that may concern who listens."""

    def __init__(self, root: Path, pace: Pace, note: Note) -> None:
        self.heard = asyncio.Event()
        self.renew = False
        """Something changed and no event told: listen anew, wherever that is."""
        self._root, self._pace, self._note = root, pace, note
        self._places = Places()
        self._end = threading.Event()
        self._threads: tuple[threading.Thread, ...] = ()
        self._told = False

    async def turn(self, seen: Footprint) -> None:
        """Listen where the files are now: a link may point elsewhere, a folder may be new."""
        if not self._pace.events:
            return
        await self.at(await asyncio.to_thread(places, self._root, list(seen)))

    async def at(self, wanted: Places) -> None:
        """Listen there, and nowhere else."""
        if not self._pace.events or (wanted == self._places and not self.renew):
            return
        await self.close()
        self._places, self.renew, self._end = wanted, False, threading.Event()
        self._threads = tuple(self._start(*one) for one in ((wanted.deep, True), (wanted.flat, False)))

    async def close(self) -> None:
        """Listen no more."""
        self._end.set()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._threads = ()

    def _start(self, folders: Iterable[Folder], deep: bool) -> threading.Thread:
        paths = sorted(path for path, _ in folders)
        heard = _Heard(asyncio.get_running_loop(), self._hear)
        arguments = (paths, deep, self._places, self._end, heard)
        thread = threading.Thread(target=self._listen, args=arguments, name="watch", daemon=True)
        thread.start()
        return thread

    def _listen(self, paths: Sequence[str], deep: bool, where: Places, end: threading.Event, heard: _Heard) -> None:
        """Listen in a thread of its own: beginning alone may take long where there are many folders."""
        if not paths:
            return
        step = max(1, min(50, round(self._pace.debounce * 1000)))
        first = True
        try:
            for found in watch(
                *paths, watch_filter=lambda _, path: where.concerns(path), debounce=4 * step, step=step,
                stop_event=end, rust_timeout=500, yield_on_timeout=True, recursive=deep,
                ignore_permission_denied=True,
            ):  # fmt: skip
                # the first time also without a change: nobody listened since the last look
                if found or first:
                    heard(None)
                first = False
        except Exception as error:  # without events there are still looks
            heard(error)

    def _hear(self, error: Exception | None) -> None:
        if error is None:
            self.heard.set()
        elif isinstance(error, FileNotFoundError):  # gone since the look; the next one says where to listen
            self.renew = True
        elif not self._told:
            self._told = True
            fact = f"the system tells no changes of files ({error})"
            self._note(f"{fact}; the engine looks every {self._pace.poll:g} seconds instead")


@dataclass(frozen=True, slots=True)
class _Heard:
    """Carries what a thread heard into the loop."""

    loop: asyncio.AbstractEventLoop
    tell: Callable[[Exception | None], None]

    def __call__(self, error: Exception | None) -> None:
        with suppress(RuntimeError):  # the loop has closed: nobody waits for it any more
            self.loop.call_soon_threadsafe(self.tell, error)


async def first(timeout: float | None, *events: asyncio.Event) -> None:
    """Wait until one of *events* is set, at most *timeout* seconds; None: without an end."""
    if any(event.is_set() for event in events):
        return
    with _waiting(events) as tasks:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)


@contextmanager
def _waiting(events: Iterable[asyncio.Event]) -> Iterator[Sequence[asyncio.Task[Any]]]:
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
