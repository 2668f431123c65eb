"""Whatever ends the server, it ends in order: nothing works on while its store closes."""

from __future__ import annotations

import asyncio

from engine.compiler.check import check
from engine.definition.loader import load
from engine.errors import StoreFailed
from engine.service.server import Signals, serve
from engine.store.sqlite.store import SqliteStore


async def test_a_store_that_fails_under_the_supervisor_ends_the_server_in_order(tmp_path, monkeypatch):
    (tmp_path / "engine.yaml").write_text("engine: 1\nlisten: {port: 0}\nadmin: {port: 0}\n")
    ready, told = asyncio.Event(), []
    waiting = SqliteStore.waiting

    async def broken(self):
        if ready.is_set():
            raise StoreFailed("disk I/O error")
        return await waiting(self)

    def read():
        project, problems = load(tmp_path, environ={})
        return project, sorted({*problems, *check(project)})

    monkeypatch.setattr(SqliteStore, "waiting", broken)
    signals = Signals(asyncio.Event(), asyncio.Event(), asyncio.Event())
    async with asyncio.timeout(20):
        assert await serve(read, tmp_path, told.append, lambda serving: ready.set(), signals) == 1
    assert [one for one in asyncio.all_tasks() if one is not asyncio.current_task()] == []
