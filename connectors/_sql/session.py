"""One reading connection of one run: opened when needed, given back whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from connectors._sql.connection import SqlConnection
from connectors._sql.dialects import explain, stoppable
from engine.connector import Context

P = ParamSpec("P")
T = TypeVar("T")


class Session:
    """Runs reading work on a connection of its own; after an error the next work gets a fresh one."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._link: SqlConnection = context.connection
        self._connection: AsyncConnection | None = None

    async def call(
        self, work: Callable[Concatenate[AsyncConnection, P], Coroutine[Any, Any, T]], *given: P.args, **named: P.kwargs
    ) -> T:
        """Run *work* as one remote call that may be repeated: under timeout, retry and breaker."""
        done: T = await self._context.call(lambda: self.run(work, *given, **named))
        return done

    async def run(
        self, work: Callable[Concatenate[AsyncConnection, P], Coroutine[Any, Any, T]], *given: P.args, **named: P.kwargs
    ) -> T:
        """Run *work* once. Raises ConnectorError."""
        try:
            if self._connection is None:
                self._connection = await self._link.connect()
            return await stoppable(self._connection, work(self._connection, *given, **named))
        except asyncio.CancelledError:
            await self.release()
            raise
        except (SQLAlchemyError, OSError) as error:
            await self.release()
            raise explain(error, self._link.address, "reading") from error

    async def release(self) -> None:
        """Give the connection back; an open result closes with it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
