"""Processes that receive: the peer an HTTP target writes to, and what bare aiohttp does with a webhook.

    python benchmarks/receivers.py peer
    python benchmarks/receivers.py bare TABLE PEER

Each prints its port and serves until its input is closed. The peer counts records (a body is one, or a list of them)
and remembers when each came. Bare aiohttp knows no signature, no schema and no inbox: ``/table`` writes the body to the
SQLite file TABLE, one commit a request, as durable as the engine's; ``/each`` posts it to PEER; then they answer 202.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import orjson
from aiohttp import ClientSession, TCPConnector, web

from benchmarks.bench_accept import CONNECTIONS, pin

TABLE = "create table sales (id text primary key, total numeric, customer text, items integer)"
UPSERT = (
    "insert into sales values (?, ?, ?, ?) on conflict (id) do update set "
    "total = excluded.total, customer = excluded.customer, items = excluded.items"
)
_ANSWER = b'{"accepted": 1}'


def make_table(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as table:
        table.executescript(f"pragma journal_mode=wal; {TABLE}")
    return path


def peer() -> web.Application:
    arrived: list[tuple[str, float]] = []

    async def take(request: web.Request) -> web.Response:
        read = orjson.loads(await request.read())
        now = time.time()
        arrived.extend((one["id"], now) for one in (read if isinstance(read, list) else [read]))
        return web.Response(body=b"{}", content_type="application/json")

    async def count(request: web.Request) -> web.Response:
        return web.json_response(len(arrived))

    async def times(request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(arrived[int(request.query["after"]) :]))

    app = web.Application(client_max_size=1 << 24)
    app.add_routes([web.post("/sales", take), web.get("/count", count), web.get("/times", times)])
    return app


def bare(table: sqlite3.Connection, session: ClientSession, peer: str) -> web.Application:
    async def write(request: web.Request) -> web.Response:
        sale = orjson.loads(await request.read())
        table.execute(UPSERT, (sale["id"], sale["total"], sale["customer"]["name"], len(sale["items"])))
        return web.Response(status=202, body=_ANSWER, content_type="application/json")

    async def post(request: web.Request) -> web.Response:
        sale = orjson.loads(await request.read())
        made = {"id": sale["id"], "total": sale["total"], "customer": sale["customer"]["name"]}
        async with session.post(peer, data=orjson.dumps(made)) as answer:
            await answer.read()
        return web.Response(status=202, body=_ANSWER, content_type="application/json")

    app = web.Application()
    app.add_routes([web.post("/table", write), web.post("/each", post)])
    return app


async def main(arguments: Sequence[str]) -> None:
    pin("client" if arguments[0] == "peer" else "server")
    async with AsyncExitStack() as stack:
        if arguments[0] == "peer":
            app = peer()
        else:
            table = stack.enter_context(closing(sqlite3.connect(arguments[1], isolation_level=None)))
            table.execute("PRAGMA synchronous=FULL")
            session = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=CONNECTIONS)))
            app = bare(table, session, arguments[2])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
