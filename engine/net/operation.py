"""One request with an effect for one record, and its answer as data: what a step ``call`` does over HTTP."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from engine.connector import Names
from engine.errors import Rejected, Uncertain
from engine.net.client import Answer
from engine.net.jsontext import NotJson, decode
from engine.net.target import RequestTarget


class RequestOperation:
    """Sends what a target of one record would send, and gives back what came."""

    def __init__(self, target: RequestTarget) -> None:
        self._target = target

    async def open(self, stack: AsyncExitStack) -> None:
        """Open as the target does."""
        await self._target.open(stack)

    async def call(self, names: Names, key: str | None) -> Any:
        """Send one request; return the parsed answer, its text where it is no JSON, None where it is empty."""
        target = self._target
        answer = await target.client.send(target.request(names, (key,)))
        receipt = target.outcome(answer, (key,))
        # the system may repeat a token in its reasons
        hide = target.client.access.credentials.redact.text
        for why in receipt.rejected.values():
            raise Rejected(hide(why))
        for why in receipt.uncertain.values():
            raise Uncertain(hide(why))
        return _document(answer)

    def show(self, names: Names, key: str | None) -> Any:
        """Return the request, without its headers."""
        request = self._target.request(names, (key,))
        shown: dict[str, Any] = {"method": request.method, "path": request.path}
        if request.query:
            shown["query"] = dict(request.query)
        if request.body is not None:
            try:
                shown["json"] = decode(request.body)
            except NotJson:
                shown["body"] = request.body.decode("utf-8", "replace")
        return shown


def _document(answer: Answer) -> Any:
    if not answer.body:
        return None
    try:
        return decode(answer.body)
    except NotJson:
        return answer.body.decode("utf-8", "replace")
