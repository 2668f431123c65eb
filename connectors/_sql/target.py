"""Writing: one transaction a write, in which the records that the database refuses are found by halving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from connectors._sql import told
from connectors._sql.connection import SqlConnection
from connectors._sql.dialects import explain, look, reason, refused
from connectors._sql.exchanged import exchange_of
from connectors._sql.once import Once
from connectors._sql.operations import KINDS, Call
from connectors._sql.steps import Database, Step, Subject, build, tables
from connectors._sql.tables import Shape, reflect
from engine.connector import BaseTarget, Context
from engine.errors import Misconfigured, RecordError, Rejected
from engine.record import TAKEN, Outgoing, Receipt

Operation = Mapping[str, Any]


class _Refused(Exception):
    """A statement touched other rows than it should; the message is the reason."""


class SqlTarget(BaseTarget):
    """Rows of tables. A write is one transaction: what it refuses leaves no trace, the rest is committed."""

    atomic = True

    def __init__(
        self,
        context: Context,
        *,
        insert: Operation | None = None,
        upsert: Operation | None = None,
        update: Operation | None = None,
        delete: Operation | None = None,
        statements: Sequence[Mapping[str, Any]] | None = None,
        once: Mapping[str, Any] | None = None,
        nested: Literal["reject", "json"] = "reject",
    ) -> None:
        alone = {"insert": insert, "upsert": upsert, "update": update, "delete": delete}
        given = [kind for kind in KINDS if alone[kind] is not None]
        if len(given) + (statements is not None) != 1:
            raise Misconfigured("sql: give exactly one of insert, upsert, update, delete, statements")
        self.context = context
        self._link: SqlConnection = context.connection
        self._options = [alone] if statements is None else list(statements)
        self._places = [""] if statements is None else [f"statements[{i}]" for i in range(len(statements))]
        self._nested = nested == "json"
        self._once = self._remembering(once) if once else None
        self._steps: list[Step] | None = None

    def _remembering(self, once: Mapping[str, Any]) -> Once:
        run = self.context.names.get("run") or {}
        named = sorted(set().union(*map(tables, self._options)))
        scope = once.get("scope") or "/".join([run.get("pipeline") or self.context.name, *named])
        return Once(once["key"], once.get("table") or "engine_once", scope)

    async def write(self, load: Outgoing) -> Receipt:
        """Deliver in one transaction. A refused record is in the receipt with the database's reason."""
        if exchange_of(self.context) is not None:
            return await told.write(self.context, self._questions(), load)
        look(self._link.address)
        writer = self._link.writer
        try:
            if self._steps is None:
                self._steps = await writer.run(self._prepare)
            work = _Work(self._plan(self._steps, load), self._once)
            await writer.run(work.run)
        except (SQLAlchemyError, OSError) as error:
            raise explain(error, self._link.address, "writing") from error
        return Receipt(rejected=work.rejected) if work.rejected else TAKEN

    def _questions(self) -> list[Step]:
        if self._steps is None:
            self._steps = [
                told.questions(one, place, self._nested) for one, place in zip(self._options, self._places, strict=True)
            ]
        return self._steps

    def _prepare(self, connection: Connection) -> list[Step]:
        shapes: dict[str, Shape] = {}
        for name in set().union(*map(tables, self._options)):
            shapes[name] = reflect(connection, name)
        if self._once:
            self._once.prepare(connection)
        database = Database(shapes, connection.dialect.name, self._nested)
        return [build(one, place, database) for one, place in zip(self._options, self._places, strict=True)]

    def _plan(self, steps: Sequence[Step], load: Outgoing) -> _Plan:
        plan = _Plan({}, {}, {})
        for index, record in enumerate(load.records):
            names = {**self.context.names, "record": record, "input": load.inputs[index], "meta": load.metas[index]}
            try:
                if self._once:
                    plan.keys[index] = self._once.key(record)
                plan.calls[index] = [call for step in steps for call in step.calls(Subject(record, names))]
            except (Rejected, RecordError) as error:
                plan.rejected[index] = str(error)
                plan.keys.pop(index, None)
        return plan


class _Plan(NamedTuple):
    """What a load comes down to, by index."""

    calls: dict[int, list[Call]]
    keys: dict[int, str]
    """Of ``once``."""
    rejected: dict[int, str]


class _Work:
    """The delivery of one load, to be run in a transaction."""

    def __init__(self, plan: _Plan, once: Once | None) -> None:
        self.calls, self.keys, self.rejected = plan
        self._once = once
        self._done: set[str] = set()
        """The keys that had their effect."""

    def run(self, connection: Connection) -> None:
        """Do all of it; what is refused is in ``rejected`` when this returns."""
        self.connection = connection
        if self._once:
            self._done = self._once.known(connection, self.keys)
        self.deliver(sorted(self.calls))

    def deliver(self, indexes: Sequence[int]) -> None:
        """Do all of *indexes*, or, where something is refused, each half by itself: the order stays."""
        if not indexes:
            return
        savepoint = self.connection.begin_nested()
        try:
            fresh = self._run(indexes)
        except (SQLAlchemyError, OverflowError, UnicodeEncodeError, _Refused) as error:
            if not isinstance(error, _Refused) and not refused(error):
                raise
            savepoint.rollback()
            if len(indexes) == 1:
                self.rejected[indexes[0]] = reason(error)
                return
            middle = len(indexes) // 2
            self.deliver(indexes[:middle])
            self.deliver(indexes[middle:])
            return
        savepoint.commit()
        self._done |= fresh

    def _run(self, indexes: Sequence[int]) -> set[str]:
        fresh: set[str] = set()
        if self._once:
            first = {self.keys[index]: index for index in reversed(indexes) if self.keys[index] not in self._done}
            indexes = sorted(first.values())
            fresh = set(first)
            self._once.remember(self.connection, list(first))
        calls = [call for index in indexes for call in self.calls[index]]
        for _, group in groupby(calls, key=_together):
            self._execute(list(group))
        return fresh

    def _execute(self, calls: Sequence[Call]) -> None:
        values = [dict(call.values) for call in calls]
        result = self.connection.execute(calls[0].clause, values[0] if len(values) == 1 else values)
        expects = calls[0].expects
        if expects is None:
            return
        if len(calls) == 1:
            why = expects(result.rowcount)
        else:
            why = None if result.rowcount == len(calls) else "some of many touched no row"
        if why is not None:
            raise _Refused(why)


def _together(call: Call) -> tuple[int, int]:
    """Tell which neighbours are executed as one: the same statement, unless each one's count must be known."""
    counted = call.expects is not None and not call.single
    return id(call.clause), id(call) if counted else 0
