"""Follows the files of a project: reads them again when they change, and keeps what was good while they are not.

A reading counts only when no file changed under it. What has problems is refused whole, told once, and replaces
nothing. So is a project that is not there any more: a volume that is unmounted looks like a folder without files.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from engine.definition.files import FOLDERS, SETTINGS
from engine.definition.model import Project
from engine.errors import DefinitionError, Problem, StoreError, Unavailable
from engine.events import Noted, Reloaded, ReloadFailed, Tell
from engine.service.difference import Difference, difference, frozen, held
from engine.service.footprint import Footprint, differing, footprint, look, named, vanished
from engine.service.watch import Pace, changes, first

__all__ = ["Applied", "Difference", "Load", "Pace", "Reloader", "difference", "frozen", "look"]

Load = Callable[[], tuple[Project, list[Problem]]]
"""Read the project and check it; called in a thread."""

Applied = Difference
"""What an apply did."""

Apply = Callable[[Project], Awaitable[Applied]]
"""Put a project in the place of the one before, all or nothing. Raises DefinitionError, Unavailable, StoreError."""

_SWITCH = 0.0005
"""Seconds for which reading keeps the interpreter while the loop waits for it; Python's own figure is 0.005.

The loop waits at each call of the system, and with 5 ms each it would answer some 150 calls a second.
"""


class Reloader:
    """Reads a project again, as often as it is asked to or the files change.

    *current* is what was loaded at the start; *seen* what ``look`` gave before that, so that a change meanwhile is
    not missed; *root* the project's folder as it was named, where that is a link that may come to point elsewhere.
    """

    def __init__(
        self,
        load: Load,
        current: Project,
        apply: Apply,
        tell: Tell,
        clock: Callable[[], float] = time.monotonic,
        *,
        pace: Pace | None = None,
        seen: Footprint | None = None,
        root: Path | None = None,
    ) -> None:
        self._root = root or current.root
        self.project = current
        """The one in force."""
        self.problems: tuple[Problem, ...] = ()
        """Why the files as they are now are not followed; none: they are."""
        self.ignored: tuple[str, ...] = ()
        """Keys of engine.yaml whose new values wait for a new start."""
        self.asked = asyncio.Event()
        """Set by who wants the files read now: a signal, a command."""
        self._load, self._apply, self._tell, self._clock = load, apply, tell, clock
        self._pace = pace or Pace()
        self._started = current.settings
        self._waiting: tuple[str, ...] = ()
        self._also = named(self._root)
        self._good = self._seen = seen if seen is not None else footprint(self._root, self._also)
        self._busy = asyncio.Lock()
        self._changed = asyncio.Event()

    async def follow(self, stop: asyncio.Event) -> None:
        """Reload when the files change, when asked, and now and then while there are problems; end with *stop*."""
        self._changed.set()  # whatever changed since the first reading
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(stop), name="watch")
            while True:
                await first(self._pace.retry if self.problems else None, stop, self.asked, self._changed)
                if stop.is_set():
                    return
                asked = self.asked.is_set()
                again = not asked and not self._changed.is_set()
                self.asked.clear()
                self._changed.clear()
                if asked or again or await self._differs():
                    await self.reload(asked=asked)

    async def reload(self, *, asked: bool = True) -> bool:
        """Read the files now and follow them; False when they have problems and nothing changed.

        Who asks by hand means what the files say: a file that is gone is gone, a project without pipelines has none.
        """
        async with self._busy:
            begun = self._clock()
            try:
                project = await self._settled(asked)
                applied = await self._apply(project)
            except StoreError:
                raise
            except Exception as error:  # whatever it is: the project in force is good, and goes on
                self._refuse(_problems(error, self._root), asked)
                return False
            self._accept(project, applied, self._clock() - begun)
            return True

    async def _watch(self, stop: asyncio.Event) -> None:
        heard = changes(self._root, lambda: self._also, stop, self._pace, self._note)
        async with aclosing(heard):
            async for _ in heard:
                self._changed.set()

    async def _differs(self) -> bool:
        """Tell whether the files are not as they were last read, whether that was good or bad."""
        return await self._look(self._also) != self._seen

    async def _settled(self, asked: bool) -> Project:
        """Read until no file changed while it was read. Raises DefinitionError."""
        moving: list[str] = []
        for wait in (*self._pace.again, 0.0):
            self._also = await asyncio.to_thread(named, self._root)
            before = self._seen = await self._look(self._also)
            self._refuse_nothing(before)
            project, problems = await asyncio.to_thread(_politely, self._load)
            errors = [problem for problem in problems if problem.severity == "error"]
            if not asked and not errors and vanished(self._good, before):
                await asyncio.sleep(self._pace.confirm)
            moving = differing(before, await self._look(self._also))
            if not moving:
                self._refuse_empty(project, errors, asked)
                self._waiting = frozen(self._started, project.settings)
                return replace(project, settings=held(self._started, project.settings))
            await asyncio.sleep(wait)
        raise DefinitionError([_changing(path, self._root) for path in moving])

    async def _look(self, also: Iterable[Path]) -> Footprint:
        return await asyncio.to_thread(footprint, self._root, tuple(also))

    def _refuse_nothing(self, seen: Footprint) -> None:
        """Refuse a folder that is gone or bare, by hand too: nobody means that of a server's project."""
        if self.project.pipelines and all(seen.get(str(self._root / name)) is None for name in (SETTINGS, *FOLDERS)):
            fact = "the project's files are gone: there is no engine.yaml and no folder pipelines, connections, presets"
            hint = "bring the folder back; what was loaded keeps running"
            raise DefinitionError([_problem(str(self._root), "project-gone", fact, hint)])

    def _refuse_empty(self, project: Project, errors: list[Problem], asked: bool) -> None:
        if errors:
            raise DefinitionError(errors)
        if self.project.pipelines and not project.pipelines and not asked:
            fact = "no pipeline is left; those that were loaded keep running"
            hint = "bring the files back; if it is meant, send the process SIGHUP, or stop it"
            raise DefinitionError([_problem("pipelines/", "project-empty", fact, hint)])

    def _accept(self, project: Project, applied: Applied, seconds: float) -> None:
        self.project, self.problems, self.ignored, self._good = project, (), self._waiting, self._seen
        changed = tuple(sorted((*applied.added, *applied.changed)))
        self._tell(Reloaded(len(project.pipelines), changed, applied.removed, seconds, self.ignored))

    def _refuse(self, problems: Iterable[Problem], asked: bool) -> None:
        """Say it once: the same problems again are no news, but to who asks."""
        found = tuple(sorted(set(problems)))
        if found != self.problems or asked:
            self.problems = found
            self._tell(ReloadFailed(found))

    def _note(self, text: str) -> None:
        self._tell(Noted("", "", "warning", "watch", text))


def _politely(load: Load) -> tuple[Project, list[Problem]]:
    """Load in a thread beside the loop, and let the loop in often."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(usual, _SWITCH))
    try:
        return load()
    finally:
        sys.setswitchinterval(usual)


def _problem(file: str, code: str, fact: str, hint: str = "") -> Problem:
    return Problem(file, 1, 1, code, "error", "", fact, hint)


def _changing(path: str, root: Path) -> Problem:
    fact = "the file keeps changing while it is read"
    hint = "write it at once, or beside it and rename it; what was loaded keeps running"
    return _problem(_shown(path, root), "project-changing", fact, hint)


def _shown(path: str, root: Path) -> str:
    return str(Path(path).relative_to(root)) if Path(path).is_relative_to(root) else path


def _problems(error: Exception, root: Path) -> Iterable[Problem]:
    """Make problems of what came instead of a project."""
    if isinstance(error, DefinitionError):
        return error.problems
    if isinstance(error, Unavailable):
        return [_problem(str(root), "reload-refused", str(error))]
    if isinstance(error, OSError):
        fact = f"{_shown(str(error.filename), root) if error.filename else 'the project'}: {error.strerror}"
        return [_problem(str(root), "unreadable", fact)]
    # its text is not said: it may hold a value of the files that is not known as a secret yet
    last = traceback.extract_tb(error.__traceback__)[-1]
    fact = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}, a mistake of the engine"
    hint = "what was loaded keeps running; `engine validate` shows more"
    return [_problem(str(root), "reload-crashed", fact, hint)]
