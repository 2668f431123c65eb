"""Serves a project until told to stop: everything starts in one order and stops in the other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.definition.model import Project
from engine.errors import DefinitionError, StoreFailed
from engine.events import Tell
from engine.http.admin import AdminListener, AdminSettings
from engine.http.listener import Listener, ListenSettings
from engine.http.webhooks import Ports
from engine.ids import new_id
from engine.runtime.connections import Connections
from engine.runtime.memory import settle_down
from engine.runtime.runner import Runtime
from engine.service.control import Control
from engine.service.engine import Engine, Serving, Shown
from engine.service.footprint import look
from engine.service.generation import generation
from engine.service.keys import Keys, fetcher
from engine.service.observers import Observers
from engine.service.reload import Load, Reloader
from engine.service.surroundings import make_store, retention, store_path, surroundings

DRAIN = 25.0
AT_ONCE = 2.0
"""Seconds that work has to end in when it is told to end at once."""

Ready = Callable[[Serving], None]


@dataclass(frozen=True, slots=True)
class Signals:
    """What people tell the process; set from outside."""

    stop: asyncio.Event
    """Finish what is under way, and end."""
    now: asyncio.Event
    """End at once."""
    reload: asyncio.Event


async def serve(load: Load, root: Path, tell: Tell, ready: Ready, signals: Signals) -> int:
    """Serve until ``signals.stop``; give the exit code: 0, or 1 when the store failed.

    *root* is the project's folder as it was named: where that is a link, the link is followed too.

    Raises DefinitionError when the project has problems, Unavailable when something it needs cannot be had.
    """
    seen = look(root)
    project, problems = load()
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise DefinitionError(errors)
    async with AsyncExitStack() as stack:
        engine, observers = await _server(project, tell, stack)
        reloader = Reloader(load, project, engine.apply, engine.told, seen=seen, root=root)
        engine.reloader = reloader
        async with _tasks() as run:
            serving = await _start(project, engine, observers, stack, run)
            run(reloader.follow(signals.stop), "reload")
            run(_pass_on(signals.reload, reloader.asked), "signals")
            ready(serving)
            code = await _until(engine, signals)
            return await _end(engine, observers, signals, code)


async def _server(project: Project, tell: Tell, stack: AsyncExitStack) -> tuple[Engine, Observers]:
    """Open the store and put the server together; nothing works yet."""
    store = make_store(project, 10.0)
    await store.open(stack, f"{os.getpid()}-{new_id()}")
    observers = Observers(tell, store, project)
    await observers.recall()
    around = surroundings(project)
    runtime = Runtime(store, observers.told, project.root, around.roots, around.redact, around.log, around.egress)
    runtime.connections = Connections(stack, runtime.context)
    keys = Keys(observers.told, fetcher(lambda: runtime.egress))
    made = generation(project, sets=keys.sets)
    engine = Engine(runtime, made, observers.told, observers.replace, keys)
    await engine.look_at_pauses()
    observers.probes["listener"] = lambda: "" if engine.listening else "the webhook listener is not open"
    observers.health.orphans = engine.supervisor.orphaned
    settle_down()
    return engine, observers


async def _start(project: Project, engine: Engine, observers: Observers, stack: AsyncExitStack, run: Run) -> Serving:
    """Let everything work, the listener last: what it takes must have somebody to work it."""
    settings, store = project.settings, engine.runtime.store
    await engine.scheduler.open(stack)
    engine.scheduler.replace(engine.generation.timers)
    await engine.scheduler.look()
    await engine.drops.open(stack)
    engine.drops.replace(engine.generation.files, engine.runtime.roots)
    admin = AdminListener(observers.ports(), AdminSettings.of(settings.get("admin") or {}, settings.get("metrics")))
    await admin.open(stack)
    engine.control = Control(engine, store, engine.told)
    await engine.control.open(stack, store_path(project))
    run(_sound(engine, engine.scheduler.work()), "scheduler")
    run(_sound(engine, engine.drops.work()), "drops")
    run(_sound(engine, engine.promises.work()), "promises")
    if engine.keys is not None:
        run(engine.keys.work(), "keys")
    # whatever ends the server: nothing works on while the store closes
    stack.push_async_callback(engine.supervisor.stop, AT_ONCE)
    run(_sound(engine, engine.supervisor.work()), "supervisor")
    run(engine.probe(), "probe")
    run(engine.keep_house(lambda: retention(engine.generation.project)), "housekeeping")
    stack.push_async_callback(engine.replies.close)
    ports = Ports(store, engine.told, engine.replies.reply, engine.broken)
    listener = Listener(ports, engine.generation.routes, ListenSettings.of(settings.get("listen") or {}))
    await listener.open(stack)
    engine.listener = listener
    shown = {
        card.name: Shown(card.name, card.enabled, card.name in engine.pauses, engine.scheduler.next_of(card.name))
        for card in engine.generation.cards.values()
    }
    paths = {path for path, _, _ in engine.generation.routes}
    return Serving(listener.address, admin.address, shown, len(paths))


Run = Callable[[Coroutine[Any, Any, None], str], None]


@asynccontextmanager
async def _tasks() -> AsyncIterator[Run]:
    """Give what starts tasks that go on; they are cancelled at the end, and one that fails is the end."""
    started: set[asyncio.Task[None]] = set()
    main = asyncio.current_task()
    failed: list[BaseException] = []

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            failed.append(error)
            if main is not None:
                main.cancel()

    def run(work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(ended)
        started.add(task)

    try:
        yield run
    except asyncio.CancelledError:
        if not failed:
            raise
        raise failed[0] from None
    finally:
        for task in started:
            task.remove_done_callback(ended)
            task.cancel()
        for task in started:
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _sound(engine: Engine, work: Coroutine[Any, Any, None]) -> None:
    """Work on until the store fails; then the engine ends in order."""
    try:
        await work
    except StoreFailed as error:
        engine.broken(error)


async def _pass_on(heard: asyncio.Event, asked: asyncio.Event) -> None:
    while True:
        await heard.wait()
        heard.clear()
        asked.set()


async def _until(engine: Engine, signals: Signals) -> int:
    """Return when it is time to end; 1 when the store failed."""
    waits = [asyncio.create_task(signals.stop.wait()), asyncio.create_task(signals.now.wait())]
    ends: list[asyncio.Future[Any]] = [*waits, engine.failed]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for one in waits:
        one.cancel()
    return 1 if engine.failed.done() else 0


async def _end(engine: Engine, observers: Observers, signals: Signals, code: int) -> int:
    """Take nothing more, finish or give back what is under way; give the exit code."""
    observers.health.closing = True
    at_once = code != 0 or signals.now.is_set()
    seconds = AT_ONCE if at_once else float(engine.generation.project.settings.get("drain", DRAIN))
    stopping = asyncio.create_task(engine.stop(seconds))
    hurry = asyncio.create_task(signals.now.wait())
    await asyncio.wait({stopping, hurry} if not at_once else {stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        stopping.cancel()
        await engine.supervisor.stop(0.0)
    hurry.cancel()
    with suppress(asyncio.CancelledError):
        await stopping
    return code
