"""A target that sends requests: one a batch, or one a record."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from engine.connector import BaseTarget, Context, Names
from engine.errors import ConnectorError, Misconfigured, RecordError, Rejected, Uncertain
from engine.net.client import Answer, Client
from engine.net.request import Request
from engine.record import TAKEN, Outgoing, Receipt

Keys = Sequence[str | None]


class RequestTarget(BaseTarget):
    """Renders, sends and reads the outcome; a subclass says how a request looks and what an answer means."""

    client: Client

    def __init__(self, context: Context) -> None:
        self.context = context

    async def open(self, stack: AsyncExitStack) -> None:
        """Use the connection's session."""
        self.client = session(self.context)

    def request(self, names: Names, keys: Keys) -> Request:
        """Build the request for what *names* shows. Raises RecordError."""
        raise NotImplementedError

    def outcome(self, answer: Answer, keys: Keys) -> Receipt:
        """Say what an answer means for the records of *keys*. Raises ConnectorError."""
        raise NotImplementedError

    async def write(self, load: Outgoing) -> Receipt:
        """Send; with ``batch`` all at once, else record by record."""
        receipt = await (self._batch(load) if self.context.batched else self._each(load))
        hide = self.client.access.credentials.redact
        if not hide or not (receipt.rejected or receipt.uncertain):
            return receipt
        # the system may repeat a token in its reasons
        return receipt._replace(
            rejected={index: hide.text(why) for index, why in receipt.rejected.items()},
            uncertain={index: hide.text(why) for index, why in receipt.uncertain.items()},
        )

    async def _send(self, names: Names, keys: Keys) -> Receipt:
        return self._outcome(await self.client.send(self.request(names, keys)), keys)

    def _outcome(self, answer: Answer, keys: Keys) -> Receipt:
        return TAKEN if answer.taken else self.outcome(answer, keys)

    async def _batch(self, load: Outgoing) -> Receipt:
        names = {**self.context.names, "records": load.records}
        try:
            request = self.request(names, load.keys)
        except RecordError as error:
            return await self._without_culprits(load, error)
        return self._outcome(await self.client.send(request), load.keys)

    async def _without_culprits(self, load: Outgoing, error: RecordError) -> Receipt:
        """Send the batch without the records that cannot be written on their own."""
        bad: dict[int, str] = {}
        for index, record in enumerate(load.records):
            try:
                self.request({**self.context.names, "records": [record]}, load.keys[index : index + 1])
            except RecordError as one:
                bad[index] = one.message
        if not bad:
            # each is fine alone: nothing was sent, and nobody can say which is wrong in company
            return Receipt(rejected=dict.fromkeys(range(len(load.records)), error.message))
        good = [index for index in range(len(load.records)) if index not in bad]
        if not good:
            return Receipt(rejected=bad)
        columns: list[list[Any]] = [[column[index] for index in good] for column in load]
        rest = await self._batch(Outgoing(*columns))
        return rest._replace(
            rejected=bad | {good[index]: why for index, why in rest.rejected.items()},
            retry={good[index]: why for index, why in rest.retry.items()},
            uncertain={good[index]: why for index, why in rest.uncertain.items()},
        )

    async def _each(self, load: Outgoing) -> Receipt:
        rejected: dict[int, str] = {}
        uncertain: dict[int, str] = {}
        warnings: list[str] = []
        count = len(load.records)
        for index in range(count):
            try:
                one = await self._one(load, index)
            except Rejected as error:
                one = Receipt(rejected={0: str(error)})
            except ConnectorError as error:
                if index == 0:
                    raise  # nothing was taken yet, so the error may speak for all
                if isinstance(error, Uncertain):
                    uncertain[index] = str(error)
                left = {later: str(error) for later in range(index, count) if later not in uncertain}
                return Receipt(rejected, left, uncertain, getattr(error, "retry_after", None), tuple(warnings))
            rejected.update((index, why) for why in one.rejected.values())
            uncertain.update((index, why) for why in one.uncertain.values())
            warnings += one.warnings
        return Receipt(rejected, {}, uncertain, None, tuple(warnings))

    async def _one(self, load: Outgoing, index: int) -> Receipt:
        names = {
            **self.context.names,
            "record": load.records[index],
            "input": load.inputs[index],
            "meta": load.metas[index],
        }
        try:
            return await self._send(names, load.keys[index : index + 1])
        except RecordError as error:
            return Receipt(rejected={0: error.message})


def session(context: Context) -> Client:
    """Return the session of the connection a source or target works over. Raises Misconfigured."""
    client = getattr(context.connection, "client", None)
    if not isinstance(client, Client):
        raise Misconfigured(f"{context.name}: it needs `connection`, the name of an http connection")
    if client.warning:
        context.note("warning", "tls-not-verified", client.warning)
    return client
