"""The hub's control API: plan faults, refuse records, go down, read counts and rows. On a port of its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from tests.peers.hub_faults import fault
from tests.peers.hub_store import COLUMNS, Refusal

if TYPE_CHECKING:
    from tests.peers.automation_hub import AutomationHub


def control_app(hub: AutomationHub) -> web.Application:
    """Build the API; each route is one switch or one thing to read."""
    control = _Control(hub)
    app = web.Application(client_max_size=16 * 2**20)
    app.add_routes(
        [
            web.put("/faults", control.faults),
            web.put("/refusal", control.refusal),
            web.put("/key", control.key),
            web.post("/down", control.down),
            web.post("/up", control.up),
            web.post("/reset", control.reset),
            web.get("/counts", control.counts),
            web.get("/requests", control.requests),
            web.get("/deliveries/{table}", control.deliveries),
            web.get("/rows/{table}", control.rows),
        ]
    )
    return app


class _Control:
    def __init__(self, hub: AutomationHub) -> None:
        self.hub = hub

    async def faults(self, request: web.Request) -> web.Response:
        try:
            self.hub.fail(*(fault(values) for values in await request.json()))
        except (TypeError, ValueError) as error:
            return _answer({"error": str(error)}, 400)
        return _answer({})

    async def refusal(self, request: web.Request) -> web.Response:
        try:
            refusal = Refusal(**await request.json())
        except TypeError as error:
            return _answer({"error": str(error)}, 400)
        self.hub.store.refusal = Refusal(refusal.percent, frozenset(refusal.external_ids), refusal.message)
        return _answer({})

    async def key(self, request: web.Request) -> web.Response:
        self.hub.api_key = await request.json()
        return _answer({})

    async def down(self, request: web.Request) -> web.Response:
        await self.hub.down(await request.json())
        return _answer({})

    async def up(self, request: web.Request) -> web.Response:
        await self.hub.up()
        return _answer({})

    async def reset(self, request: web.Request) -> web.Response:
        await self.hub.reset()
        return _answer({})

    async def counts(self, request: web.Request) -> web.Response:
        return _answer(self.hub.counts())

    async def requests(self, request: web.Request) -> web.Response:
        return _answer([asdict(asked) for asked in self.hub.asked])

    async def deliveries(self, request: web.Request) -> web.Response:
        return _answer(dict(self.hub.store.deliveries[_table(request)]))

    async def rows(self, request: web.Request) -> web.Response:
        return _answer(self.hub.store.read(_table(request), request.query.getall("external_id", [])))


def _table(request: web.Request) -> str:
    table = request.match_info["table"]
    if table not in COLUMNS:
        raise web.HTTPNotFound(text=f"no table {table}; there are {', '.join(COLUMNS)}")
    return table


def _answer(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
